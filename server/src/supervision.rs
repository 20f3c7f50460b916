//! Keeping actors in bounds and alive.

pub mod budget;
pub mod drain;
#[cfg(any(test, feature = "fault-points"))]
pub mod faults;
pub mod guarded;
pub mod lifeline;
pub mod mail;
pub mod meter;
pub mod pauses;
pub mod watchdog;
