//! Whether this node may still believe that it owns guilds.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clock;

/// A node's right to serve guilds. It ends by itself where it is not renewed, before the other nodes may
/// take the node for dead: who was stopped or cut off finds it ended at the first look.
#[derive(Debug)]
pub struct Lease {
    base: Instant,
    /// Milliseconds after `base` at which the last renewal *began*; 0 before the first.
    renewed: AtomicU64,
    lasts: Duration,
    /// Whether others have taken the node off the list.
    lost: AtomicBool,
}

impl Lease {
    /// A lease that is not held yet, and lasts so long from the beginning of each renewal.
    pub fn new(lasts: Duration) -> Self {
        Self {
            base: clock::now(),
            renewed: AtomicU64::new(0),
            lasts,
            lost: AtomicBool::new(true),
        }
    }

    /// It was renewed, by something that began then.
    pub fn renew(&self, began: Instant) {
        let after = began.saturating_duration_since(self.base).as_millis() as u64;
        self.renewed.fetch_max(after.max(1), Ordering::Relaxed);
        self.lost.store(false, Ordering::Release);
    }

    /// The node is not on the list any more.
    pub fn lose(&self) {
        self.lost.store(true, Ordering::Release);
    }

    /// Whether it is held now.
    pub fn is_held(&self) -> bool {
        self.held_at(clock::now())
    }

    fn held_at(&self, now: Instant) -> bool {
        let after = now.saturating_duration_since(self.base).as_millis() as u64;
        let renewed = self.renewed.load(Ordering::Relaxed);
        !self.lost.load(Ordering::Acquire)
            && renewed > 0
            && after.saturating_sub(renewed) < self.lasts.as_millis() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_by_itself_and_when_it_is_lost() {
        let lease = Lease::new(Duration::from_secs(2));
        let start = lease.base + Duration::from_secs(1);
        assert!(!lease.held_at(start), "it was never renewed");
        lease.renew(start);
        assert!(lease.held_at(start + Duration::from_millis(1_999)));
        assert!(!lease.held_at(start + Duration::from_secs(2)));
        lease.renew(start + Duration::from_secs(5));
        // A renewal that is late does not shorten it.
        lease.renew(start + Duration::from_secs(4));
        assert!(lease.held_at(start + Duration::from_millis(6_900)));
        lease.lose();
        assert!(!lease.held_at(start + Duration::from_secs(5)));
    }
}
