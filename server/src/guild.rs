//! Guilds: the pure core of one, the actor around it, and what finds and runs them.

pub mod actor;
pub mod balancer;
pub mod command;
pub mod core;
pub mod departure;
pub mod event;
pub mod executors;
pub mod handoff;
pub mod loads;
pub mod recall;
mod recent;
pub mod registry;
pub mod remote;
pub mod router;
mod seldom;
pub mod stats;
pub mod sweep;
pub mod watchdog;
