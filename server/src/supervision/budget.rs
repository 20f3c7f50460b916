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
#[derive(Debug)]
pub struct RestartBudget {
    settings: BudgetSettings,
    /// When it panicked, within the window, oldest first.
    #[allow(clippy::box_collection)] // hardly any actor ever has one
    panics: Option<Box<VecDeque<Instant>>>,
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
    pub const fn new(settings: BudgetSettings) -> Self {
        Self {
            settings,
            panics: None,
        }
    }

    /// Notes a panic.
    pub fn panicked(&mut self, now: Instant) -> Verdict {
        let window = self.settings.window;
        let panics = self.panics.get_or_insert_default();
        while panics
            .front()
            .is_some_and(|at| now.duration_since(*at) > window)
        {
            panics.pop_front();
        }
        if panics.len() >= self.settings.restarts {
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
        self.panics = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn the_waits_double_until_the_budget_is_spent_and_old_panics_are_forgiven() {
        let start = clock::now();
        let mut budget = RestartBudget::new(BudgetSettings {
            restarts: 3,
            window: Duration::from_secs(60),
        });
        let waits: Vec<Verdict> = (0..4).map(|_| budget.panicked(start)).collect();
        let wait = |ms| Verdict::Restart(Duration::from_millis(ms));
        assert_eq!(waits, [wait(0), wait(10), wait(20), Verdict::Quarantine]);
        let later = start + Duration::from_secs(61);
        assert_eq!(budget.panicked(later), wait(0));
        budget.reset();
        assert_eq!(budget.panicked(later), wait(0));
    }
}
