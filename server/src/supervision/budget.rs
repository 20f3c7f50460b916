//! How often an actor may panic before it is left alone.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Wait before the second restart within a window; it doubles from one to the next.
const FIRST_BACKOFF: Duration = Duration::from_millis(10);
/// Longest wait before a restart.
const MAX_BACKOFF: Duration = Duration::from_secs(1);

/// A budget of restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetSettings {
    /// Most restarts within the window.
    pub restarts: usize,
    /// The window.
    pub window: Duration,
}

/// The restarts of one actor.
#[derive(Debug, Default)]
pub struct RestartBudget {
    /// When it panicked, within the window, oldest first.
    panics: VecDeque<Instant>,
}

/// What is to be done after a panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Start again after this wait.
    Restart(Duration),
    /// The budget is spent.
    Quarantine,
}

impl RestartBudget {
    /// A whole budget.
    pub const fn new() -> Self {
        Self {
            panics: VecDeque::new(),
        }
    }

    /// Whether nothing of it was used.
    pub fn is_whole(&self) -> bool {
        self.panics.is_empty()
    }

    /// Notes a panic.
    pub fn panicked(&mut self, settings: &BudgetSettings, now: Instant) -> Verdict {
        let panics = &mut self.panics;
        while panics
            .front()
            .is_some_and(|at| now.duration_since(*at) > settings.window)
        {
            panics.pop_front();
        }
        if panics.len() >= settings.restarts {
            return Verdict::Quarantine;
        }
        let wait = match panics.len() {
            0 => Duration::ZERO,
            before => {
                let doublings = u32::try_from(before - 1).unwrap_or(u32::MAX).min(16);
                (FIRST_BACKOFF * 2_u32.pow(doublings)).min(MAX_BACKOFF)
            }
        };
        panics.push_back(now);
        Verdict::Restart(wait)
    }

    /// Makes the budget whole again.
    pub fn reset(&mut self) {
        self.panics.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn the_waits_double_until_the_budget_is_spent_and_old_panics_are_forgiven() {
        let start = clock::now();
        let settings = BudgetSettings {
            restarts: 3,
            window: Duration::from_secs(60),
        };
        let mut budget = RestartBudget::new();
        let mut panicked = |now| budget.panicked(&settings, now);
        let waits: Vec<Verdict> = (0..4).map(|_| panicked(start)).collect();
        let wait = |ms| Verdict::Restart(Duration::from_millis(ms));
        assert_eq!(waits, [wait(0), wait(10), wait(20), Verdict::Quarantine]);
        let later = start + Duration::from_secs(61);
        assert_eq!(panicked(later), wait(0));
        budget.reset();
        assert!(budget.is_whole());
        assert_eq!(budget.panicked(&settings, later), wait(0));
    }
}
