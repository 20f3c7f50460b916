//! `[auth]`: what tokens are signed with.

use super::secret::Secret;
use super::setting::section;

/// File in the data directory that keeps a generated secret.
pub const SECRET_FILE: &str = "auth-secret";

section! {
    /// What tokens are signed with.
    pub struct Auth = "auth" {
        /// The secret that tokens are signed with; changing it voids every token. By default one
        /// is generated and kept in the data directory.
        secret: Option<Secret> = None, None;
    }
}
