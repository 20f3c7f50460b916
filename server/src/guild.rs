//! Guilds: the pure core of one, the actor around it, and what finds and runs them.

pub mod command;
pub mod core;
pub mod event;
pub mod router;
