//! The one place that says whether a token is good, whichever kind it is.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::grant::Grant;
use super::jwt::JwtKeys;
use super::tokens::{TokenError, TokenSigner};

/// How every JSON Web Token begins: `{"` in base64url. No token of our own does.
const JWT_START: &str = "eyJ";

/// Checks tokens. Cheap to clone; all clones have the same keys.
#[derive(Debug, Clone)]
pub struct Verifier(Arc<Keys>);

#[derive(Debug)]
struct Keys {
    own: TokenSigner,
    jwt: ArcSwap<JwtKeys>,
}

impl Verifier {
    /// Takes tokens of our own and those that these keys signed.
    pub fn new(own: TokenSigner, jwt: JwtKeys) -> Self {
        Self(Arc::new(Keys {
            own,
            jwt: ArcSwap::from_pointee(jwt),
        }))
    }

    /// Takes other keys from now on.
    pub fn set_jwt(&self, keys: JwtKeys) {
        self.0.jwt.store(Arc::new(keys));
    }

    /// What a token says, if it is good at this time, in seconds since the Unix epoch. Whether it was
    /// revoked is for the directory to say. A prefix must be gone: see [`super::tokens::strip_prefix`].
    pub fn verify(&self, token: &str, now_s: u64) -> Result<Grant, TokenError> {
        if !token.starts_with(JWT_START) {
            return self.0.own.grant(token);
        }
        let keys = self.0.jwt.load();
        if keys.is_empty() {
            return Err(TokenError::Signature);
        }
        keys.verify(token, now_s)
    }
}

impl From<TokenSigner> for Verifier {
    fn from(own: TokenSigner) -> Self {
        Self::new(own, JwtKeys::default())
    }
}
