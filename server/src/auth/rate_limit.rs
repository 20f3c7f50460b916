//! How often somebody may do something.
//!
//! Requests of one user or address in all, requests of one user to one route, sessions that one user starts, and
//! gateway upgrades of one address, which are held back rather than refused: all count in one kind
//! of table, whose memory is fixed when it is made. Beside them, connections that one address has at a time. Time is an argument: `now` is a [`Duration`]
//! since any fixed moment, such as the start of the process.
//!
//! [`Duration`]: std::time::Duration

mod connections;
mod identify;
mod quota;
mod rest;
mod source;
mod table;
mod upgrade;

pub use connections::{ConnectionLimit, Place};
pub use identify::IdentifyLimit;
pub use quota::{Quota, QuotaError, Standing};
pub use rest::{Bucket, RateRefusal, RateScope, RateState, RestLimits, RestSettings};
pub use source::{Network, Subject};
pub use table::LimitTable;
pub use upgrade::{Admission, Held, UpgradeGate, UpgradeRefusal, UpgradeSettings};

use std::time::Duration;

/// A time span as the seconds of a header or a JSON body: rounded up to the millisecond, so that
/// who waits that long has waited long enough.
pub fn seconds(span: Duration) -> f64 {
    span.as_nanos().div_ceil(1_000_000) as f64 / 1_000.0
}

/// A time span in whole seconds, rounded up, as `Retry-After` has them.
pub fn whole_seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_rounded_up() {
        let span = Duration::from_nanos(1_234_000_001);
        assert!((seconds(span) - 1.235).abs() < 1e-9);
        assert!((seconds(Duration::from_millis(64_570)) - 64.57).abs() < 1e-9);
        assert_eq!(whole_seconds(span), 2);
        assert_eq!(whole_seconds(Duration::from_secs(2)), 2);
        assert_eq!(whole_seconds(Duration::ZERO), 0);
    }
}
