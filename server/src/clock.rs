//! The one place that asks the system for the time.
#![allow(clippy::disallowed_methods)] // this is the place

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch.
pub fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_millis() as u64)
}

/// Now, to measure what happens from here on.
pub fn now() -> Instant {
    Instant::now()
}

/// When a moment was or will be, since the Unix epoch.
pub fn unix_at(moment: Instant) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let (now, here) = (now.unwrap_or_default(), Instant::now());
    (now + moment.saturating_duration_since(here))
        .saturating_sub(here.saturating_duration_since(moment))
}

/// Time since this was first asked in the process; it never steps back.
pub fn uptime() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}
