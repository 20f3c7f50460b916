//! What a balancer remembers from one decision to the next.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::{BalanceSettings, Plan};

const MINUTE: Duration = Duration::from_secs(60);

/// Bounded by what there is in the input, and by what was decided in the last minute.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// When guilds were moved, or should have been; forgotten once they have settled.
    moved: BTreeMap<u64, Duration>,
    /// Where guilds were.
    places: BTreeMap<u64, usize>,
    /// Since when guilds on shared threads have been above the bounds of a promotion.
    pub(super) hot: Since<u64>,
    /// Since when guilds on threads of their own have been below that of a demotion.
    pub(super) quiet: Since<u64>,
    /// Since when threads have had too much to do beside others that have little.
    pub(super) uneven: Since<usize>,
    /// When something was decided, in the last minute.
    decided: VecDeque<Duration>,
}

/// Since when something has held for each of those for which it holds.
#[derive(Debug)]
pub(super) struct Since<K>(BTreeMap<K, Duration>);

impl<K> Default for Since<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord + Copy> Since<K> {
    /// It holds now for these and no others.
    pub(super) fn look(&mut self, now: Duration, holds: impl Iterator<Item = K>) {
        let before = std::mem::take(&mut self.0);
        let since = |key| (key, before.get(&key).copied().unwrap_or(now));
        self.0 = holds.map(since).collect();
    }

    /// Whether it has held for so long.
    pub(super) fn for_long(&self, key: K, now: Duration, long: Duration) -> bool {
        let since = self.0.get(&key);
        since.is_some_and(|&since| now.saturating_sub(since) >= long)
    }
}

impl Memory {
    /// Sees what changed since the last decision; notes moves that others decided.
    pub(super) fn look(&mut self, now: Duration, settings: &BalanceSettings, plan: &Plan) {
        self.moved
            .retain(|_, at| now.saturating_sub(*at) < settings.settle);
        while self
            .decided
            .front()
            .is_some_and(|at| now.saturating_sub(*at) >= MINUTE)
        {
            self.decided.pop_front();
        }
        let before = std::mem::take(&mut self.places);
        for tenant in &plan.tenants {
            let place = before.get(&tenant.guild);
            if place.is_some_and(|&place| place != tenant.thread) {
                self.moved.entry(tenant.guild).or_insert(now);
            }
            self.places.insert(tenant.guild, tenant.thread);
        }
    }

    /// The guild is to be moved.
    pub(super) fn note(&mut self, now: Duration, guild: u64) {
        self.moved.insert(guild, now);
        self.decided.push_back(now);
    }

    /// Whether the guild was not moved lately.
    pub(super) fn is_settled(&self, guild: u64) -> bool {
        !self.moved.contains_key(&guild)
    }

    /// How many decisions there were in the last minute.
    pub(super) fn lately(&self) -> usize {
        self.decided.len()
    }
}
