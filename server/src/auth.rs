//! Who a client is, and how often it may ask. Pure: time and secrets come in as arguments.

pub mod grant;
pub mod jwt;
pub mod origin;
pub mod rate_limit;
pub mod revocations;
pub mod tokens;
pub mod verifier;
