//! Who somebody is, what they may do, and how often: tokens, permissions, rate limits. Pure: time
//! and secrets come in as arguments.

pub mod permissions;
pub mod rate_limit;
pub mod tokens;
