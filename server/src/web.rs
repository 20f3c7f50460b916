//! Pages for browsers, from files that are part of the binary.

pub mod asset;
pub mod chat;
#[cfg(test)]
pub(crate) mod policy;
