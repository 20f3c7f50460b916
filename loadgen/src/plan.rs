//! Who is where and who sends what when: the shape of a run, computed from its scenario and seed alone.

mod client;
mod layout;
mod pace;
mod traffic;
mod zipf;

pub use client::{ALL_INTENTS, Client, MESSAGES, NO_MESSAGES};
pub use layout::{Plan, Room};
pub use traffic::{Planned, Schedule};
