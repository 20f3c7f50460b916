//! A rate, and where somebody stands against it.
//!
//! The generic cell rate algorithm: of each key only the moment is kept at which its whole burst
//! will be available again (the *theoretical arrival time*). A request moves it one interval on; it
//! conforms while the moment stays within one period of now.

use std::time::Duration;

/// So many requests per period: that many at once, then one each `period / burst`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    burst: u32,
    /// Nanoseconds between two requests in the long run; at least 1.
    interval: u64,
}

/// A quota that limits nothing or everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QuotaError {
    /// No request at all.
    #[error("a quota allows at least one request")]
    NoBurst,
    /// Less than a nanosecond between requests, or more than a day in all.
    #[error("a quota's period is between one nanosecond per request and one day")]
    Period,
}

/// Where a key stands after a request, or without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Requests left at once.
    pub remaining: u32,
    /// Until the whole burst is available again.
    pub reset_after: Duration,
}

/// What the algorithm says about one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrival {
    /// The key's new moment, if the request is made.
    pub(super) moment: u64,
    /// How long the request has to wait until it conforms, in nanoseconds; 0 if it does.
    pub(super) wait: u64,
}

impl Quota {
    /// The longest period: one day.
    pub const MAX_PERIOD: Duration = Duration::from_secs(86_400);

    /// `burst` requests per `period`, which is at most [`Quota::MAX_PERIOD`].
    pub fn new(burst: u32, period: Duration) -> Result<Self, QuotaError> {
        if burst == 0 {
            return Err(QuotaError::NoBurst);
        }
        if period > Self::MAX_PERIOD {
            return Err(QuotaError::Period);
        }
        match nanos(period) / u64::from(burst) {
            0 => Err(QuotaError::Period),
            interval => Ok(Self { burst, interval }),
        }
    }

    /// `burst` requests per second, at least 1 and at most one per nanosecond.
    pub const fn per_second(burst: u32) -> Self {
        assert!(burst > 0 && burst <= 1_000_000_000, "a rate out of range");
        Self {
            burst,
            interval: 1_000_000_000 / burst as u64,
        }
    }

    /// Requests that may come at once.
    pub const fn burst(self) -> u32 {
        self.burst
    }

    /// The span in which a whole burst becomes available, in nanoseconds.
    const fn period(self) -> u64 {
        self.interval * self.burst as u64
    }

    /// Weighs a request at `now` of a key at `moment`.
    pub(super) fn arrive(self, moment: u64, now: u64) -> Arrival {
        let moment = moment.max(now).saturating_add(self.interval);
        Arrival {
            moment,
            wait: (moment - now).saturating_sub(self.period()),
        }
    }

    /// Where a key at `moment` stands.
    pub(super) fn standing(self, moment: u64, now: u64) -> Standing {
        let ahead = moment.saturating_sub(now);
        let left = self.period().saturating_sub(ahead) / self.interval;
        Standing {
            remaining: left as u32,
            reset_after: Duration::from_nanos(ahead),
        }
    }
}

/// Nanoseconds, up to 584 years.
pub(super) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_quota_allows_something_and_not_everything() {
        let second = Duration::from_secs(1);
        assert_eq!(Quota::new(0, second), Err(QuotaError::NoBurst));
        assert_eq!(Quota::new(1, Duration::ZERO), Err(QuotaError::Period));
        let fast = Quota::new(11, Duration::from_nanos(10));
        assert_eq!(fast, Err(QuotaError::Period));
        let slow = Quota::new(1, Quota::MAX_PERIOD + Duration::from_nanos(1));
        assert_eq!(slow, Err(QuotaError::Period));
        assert_eq!(Quota::new(50, second), Ok(Quota::per_second(50)));
    }

    #[test]
    fn a_burst_passes_then_one_request_per_interval() {
        let quota = Quota::per_second(10);
        let mut moment = 0;
        let now = 5_000 * MS;
        for left in (0..10).rev() {
            let arrival = quota.arrive(moment, now);
            assert_eq!(arrival.wait, 0);
            moment = arrival.moment;
            assert_eq!(quota.standing(moment, now).remaining, left);
        }
        assert_eq!(quota.arrive(moment, now).wait, 100 * MS);
        assert_eq!(
            quota.standing(moment, now).reset_after,
            Duration::from_secs(1)
        );
        // After the wait one more passes, and no second one.
        let now = now + 100 * MS;
        let arrival = quota.arrive(moment, now);
        assert_eq!(arrival.wait, 0);
        assert_eq!(quota.arrive(arrival.moment, now).wait, 100 * MS);
    }

    #[test]
    fn a_clock_that_steps_back_a_little_does_no_harm() {
        let quota = Quota::per_second(2);
        let first = quota.arrive(0, 1_000 * MS);
        let second = quota.arrive(first.moment, 999 * MS);
        assert_eq!(second.wait, MS);
        assert_eq!(quota.standing(second.moment, 999 * MS).remaining, 0);
    }
}
