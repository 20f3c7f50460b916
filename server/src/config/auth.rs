//! `[auth]`: what tokens are signed with.

use std::path::PathBuf;

use super::check::within;
use super::secret::Secret;
use super::setting::section;
use crate::auth::jwt::MIN_JWT_SECRET_LEN;

/// File in the data directory that keeps a generated secret.
pub const SECRET_FILE: &str = "auth-secret";
/// `auth.jwt_leeway_s`.
pub const DEFAULT_JWT_LEEWAY_S: u64 = 5;

section! {
    /// What tokens are signed with.
    pub struct Auth = "auth" {
        /// The secret that tokens are signed with; changing it voids every token. By default one
        /// is generated and kept in the data directory.
        secret: Option<Secret> = None, None;
        /// A secret of HS256, 32 bytes or more: JSON Web Tokens that it signed are taken as well.
        jwt_secret: Option<Secret> = None, None, jwt_secret;
        /// PEM file with a public key: JSON Web Tokens of RS256 (RSA) or EdDSA (Ed25519) that its
        /// private key signed are taken as well. Read anew at SIGHUP.
        jwt_public_key: Option<PathBuf> = None, None;
        /// File with a JSON Web Key Set: JSON Web Tokens that one of its keys signed (HS256, EdDSA,
        /// RS256) are taken as well. Read anew at SIGHUP.
        jwt_keys: Option<PathBuf> = None, None;
        /// What a JSON Web Token must have as `iss`. Not checked where it is not set.
        jwt_issuer: Option<String> = None, None;
        /// What a JSON Web Token must have as or among `aud`. Not checked where it is not set.
        jwt_audience: Option<String> = None, None;
        /// How far the clock of who signs JSON Web Tokens may be off.
        jwt_leeway_s: u64 = DEFAULT_JWT_LEEWAY_S, Seconds, within(0..=300);
    }
}

#[allow(clippy::ref_option)] // the section macro hands over a reference to the field's type
fn jwt_secret(secret: &Option<Secret>) -> Result<(), String> {
    match secret {
        Some(secret) if secret.reveal().len() < MIN_JWT_SECRET_LEN => {
            Err(format!("expected at least {MIN_JWT_SECRET_LEN} bytes"))
        }
        _ => Ok(()),
    }
}
