//! Who somebody is and how often they ask: tokens and rate limits. Pure: time and secrets
//! come in as arguments.

pub mod rate_limit;
pub mod tokens;
