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

/// Time since this was first asked in the process; it never steps back.
pub fn uptime() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}
