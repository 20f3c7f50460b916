//! The one clock of a run: monotonic, in microseconds, the same for every thread and process of a machine.

mod alarm;

pub use alarm::Alarm;

use rustix::time::{ClockId, clock_gettime};

/// Microseconds per second.
pub const SECOND: u64 = 1_000_000;

/// Whole microseconds of so many seconds; 0 where they are negative.
pub fn from_seconds(seconds: f64) -> u64 {
    (seconds * SECOND as f64) as u64
}

/// Microseconds since the machine started (`CLOCK_MONOTONIC`).
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * SECOND + time.tv_nsec as u64 / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_alarm_never_fires_early_and_can_be_used_again() {
        let alarm = Alarm::new().unwrap();
        for _ in 0..3 {
            let at = now() + 2_500;
            alarm.until(at).await.unwrap();
            assert!(now() >= at);
        }
        alarm.until(0).await.unwrap();
    }
}
