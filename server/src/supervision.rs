//! Keeping actors in bounds and alive.

pub mod mail;
