//! An account that a test made.

use crate::rest::Rest;

/// An account, its token and its view of the REST API.
#[derive(Debug, Clone)]
pub struct Account {
    /// Snowflake.
    pub id: String,
    /// The name.
    pub name: String,
    /// What it logs in with, without prefix.
    pub token: String,
    /// The REST API as the account.
    pub rest: Rest,
}
