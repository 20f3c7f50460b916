//! The limit on gateway upgrades: who comes too often is held, not refused.
//!
//! Some client libraries try again at once when an upgrade is refused, thousands of times a second
//! and for ever; one that gets no answer waits. So an upgrade above the rate of its network waits
//! for its turn, and is refused only where too many wait already.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::{LimitTable, Network, Quota};

/// How upgrades are paced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpgradeSettings {
    /// Upgrades of one network: 500 at once, then 200 per second, by default (which is a burst of
    /// 500 per 2.5 seconds).
    pub quota: Quota,
    /// The longest that an upgrade is held, 10 seconds by default. Together with the rate it bounds
    /// how many of one network wait: 2,000 by default.
    pub longest: Duration,
    /// The most upgrades held at once, of all networks. 10,000 by default.
    pub max_held: usize,
    /// Networks remembered at once. 16,384 by default, which take 256 KiB.
    pub networks: usize,
}

impl Default for UpgradeSettings {
    fn default() -> Self {
        let quota = Quota::new(500, Duration::from_millis(2_500));
        Self {
            quota: quota.expect("invariant: the default quota is in range"),
            longest: Duration::from_secs(10),
            max_held: 10_000,
            networks: 1 << 14,
        }
    }
}

/// What to do with an upgrade.
#[derive(Debug)]
pub enum Admission {
    /// Go on at once.
    Now,
    /// Wait for its turn, then go on.
    Hold(Held),
    /// Close the connection.
    Refuse(UpgradeRefusal),
}

/// Why an upgrade is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum UpgradeRefusal {
    /// Its network's turn would come later than [`UpgradeSettings::longest`].
    #[error("too many upgrades of this network are waiting")]
    NetworkFull,
    /// [`UpgradeSettings::max_held`] are held.
    #[error("too many upgrades are waiting")]
    Full,
}

/// The place of an upgrade among those that wait. Dropping it gives the place to another: after
/// the delay, or when the client goes away before.
#[derive(Debug)]
pub struct Held {
    delay: Duration,
    held: Arc<AtomicUsize>,
}

impl Held {
    /// How long to wait, from the time of asking; more than zero and at most
    /// [`UpgradeSettings::longest`].
    pub const fn delay(&self) -> Duration {
        self.delay
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.held.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Paces the gateway upgrades of each network.
#[derive(Debug)]
pub struct UpgradeGate {
    settings: UpgradeSettings,
    networks: LimitTable,
    /// How many wait. Raised before [`Held`] is made, lowered when it is dropped.
    held: Arc<AtomicUsize>,
    held_in_all: AtomicU64,
    refused_network: AtomicU64,
    refused_full: AtomicU64,
}

impl UpgradeGate {
    /// A gate that nobody has passed yet.
    pub fn new(settings: UpgradeSettings) -> Self {
        Self {
            settings,
            networks: LimitTable::new(settings.networks),
            held: Arc::default(),
            held_in_all: AtomicU64::new(0),
            refused_network: AtomicU64::new(0),
            refused_full: AtomicU64::new(0),
        }
    }

    /// Counts an upgrade and says what to do with it.
    pub fn admit(&self, address: IpAddr, now: Duration) -> Admission {
        let network = Network::from(address);
        // The place comes before the turn: a turn that nobody can wait for would be lost.
        let place = self.place();
        let longest = if place.is_some() {
            self.settings.longest
        } else {
            Duration::ZERO
        };
        let turn = self
            .networks
            .reserve(&network, self.settings.quota, longest, now);
        match (turn, place) {
            (Ok(Duration::ZERO), _) => Admission::Now,
            (Ok(delay), Some(mut place)) => {
                self.held_in_all.fetch_add(1, Ordering::Relaxed);
                place.delay = delay;
                Admission::Hold(place)
            }
            (Err(delay), None) if delay <= self.settings.longest => {
                self.refused_full.fetch_add(1, Ordering::Relaxed);
                Admission::Refuse(UpgradeRefusal::Full)
            }
            // Without a place the turn is now or an error.
            (Err(_), _) | (Ok(_), None) => {
                self.refused_network.fetch_add(1, Ordering::Relaxed);
                Admission::Refuse(UpgradeRefusal::NetworkFull)
            }
        }
    }

    fn place(&self) -> Option<Held> {
        let raise = |held| (held < self.settings.max_held).then_some(held + 1);
        self.held
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, raise)
            .ok()?;
        Some(Held {
            delay: Duration::ZERO,
            held: Arc::clone(&self.held),
        })
    }

    /// Upgrades that wait now; for a moment also one that is being weighed.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Upgrades that had to wait, so far.
    pub fn held_in_all(&self) -> u64 {
        self.held_in_all.load(Ordering::Relaxed)
    }

    /// Upgrades refused for this reason, so far.
    pub fn refused(&self, reason: UpgradeRefusal) -> u64 {
        match reason {
            UpgradeRefusal::NetworkFull => self.refused_network.load(Ordering::Relaxed),
            UpgradeRefusal::Full => self.refused_full.load(Ordering::Relaxed),
        }
    }

    /// Networks forgotten before they were idle: see [`LimitTable::evicted`].
    pub fn evicted(&self) -> u64 {
        self.networks.evicted()
    }
}

#[cfg(test)]
mod tests;
