//! How many sessions a user may start in a day.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{LimitTable, Quota, Standing};

/// Users remembered at once, 16 bytes each.
const USERS: usize = 1 << 14;

/// Counts the Identify payloads of users.
#[derive(Debug)]
pub struct IdentifyLimit {
    quota: Quota,
    users: LimitTable,
    refused: AtomicU64,
}

impl IdentifyLimit {
    /// So many a day: that many at once, then one each day's share. At least one.
    pub fn new(per_day: u32) -> Self {
        let quota = Quota::new(per_day.max(1), Quota::MAX_PERIOD);
        Self {
            quota: quota.expect("invariant: a day is long enough for every number"),
            users: LimitTable::new(USERS),
            refused: AtomicU64::new(0),
        }
    }

    /// Counts one; false where the user has had as many as there may be.
    pub fn take(&self, user: u64, now: Duration) -> bool {
        let taken = self.users.take(&user, self.quota, now).1.is_ok();
        if !taken {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    /// Where a user stands.
    pub fn standing(&self, user: u64, now: Duration) -> Standing {
        self.users.look(&user, self.quota, now)
    }

    /// How many a day.
    pub const fn total(&self) -> u32 {
        self.quota.burst()
    }

    /// Those refused so far.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_starts_so_many_a_day_and_others_are_not_concerned() {
        let limit = IdentifyLimit::new(2);
        let start = Duration::from_secs(1_000);
        assert_eq!(limit.standing(1, start).remaining, 2);
        assert!(limit.take(1, start) && limit.take(1, start));
        assert_eq!(limit.standing(1, start).remaining, 0);
        assert!(!limit.take(1, start) && limit.take(2, start));
        assert_eq!((limit.refused(), limit.total()), (1, 2));
        let half = start + Duration::from_secs(43_200);
        assert!(limit.take(1, half) && !limit.take(1, half));
    }

    #[test]
    fn the_largest_number_is_a_quota() {
        assert_eq!(IdentifyLimit::new(u32::MAX).total(), u32::MAX);
    }
}
