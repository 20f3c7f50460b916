//! Tokens that others sign: JSON Web Tokens.
//!
//! HS256, EdDSA (Ed25519) and RS256, each with keys of its own kind: which algorithm a token may have follows
//! from the key, never from the token alone. `sub` is the user's id in decimal and `exp` must be there; `nbf`,
//! `iat`, `iss`, `aud`, `bot` and `guilds` may be. Time comes in as an argument.

use std::fmt;
use std::sync::Arc;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::grant::{Fingerprint, Grant};
use super::tokens::TokenError;
use crate::protocol::GuildId;

/// The longest text that is looked at, in bytes. A gateway payload has no room for more.
pub const MAX_JWT_LEN: usize = 3_072;
/// The shortest secret of HS256, in bytes: that of its hash.
pub const MIN_JWT_SECRET_LEN: usize = 32;
/// Most keys.
pub const MAX_KEYS: usize = 32;

/// What tokens have to say besides being signed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JwtRules {
    /// Where set, `iss` must be this.
    pub issuer: Option<String>,
    /// Where set, `aud` must be or have this.
    pub audience: Option<String>,
    /// How far the clock of who signs may be off, in seconds.
    pub leeway_s: u64,
}

/// Why keys cannot be used. Says nothing of what is in them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwtKeyError {
    /// Not what it is said to be.
    #[error("{0}")]
    Unusable(&'static str),
    /// More than [`MAX_KEYS`].
    #[error("more than {MAX_KEYS} keys")]
    TooMany,
}

/// Keys and rules. Its `Debug` shows no key.
#[derive(Clone, Default)]
pub struct JwtKeys {
    keys: Vec<Key>,
    rules: JwtRules,
}

#[derive(Clone)]
struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    decoding: DecodingKey,
}

impl fmt::Debug for JwtKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtKeys")
            .field("count", &self.keys.len())
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

/// What is read of a token.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: f64,
    #[serde(default)]
    nbf: Option<f64>,
    #[serde(default)]
    iat: Option<f64>,
    #[serde(default)]
    iss: Option<String>,
    #[serde(default)]
    aud: Option<OneOrMany>,
    #[serde(default)]
    bot: bool,
    #[serde(default)]
    guilds: Option<Vec<GuildId>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl JwtKeys {
    /// No key yet.
    pub const fn new(rules: JwtRules) -> Self {
        Self {
            keys: Vec::new(),
            rules,
        }
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Takes a secret of HS256.
    pub fn add_secret(&mut self, secret: &[u8]) -> Result<(), JwtKeyError> {
        if secret.len() < MIN_JWT_SECRET_LEN {
            return Err(JwtKeyError::Unusable("a secret of less than 32 bytes"));
        }
        self.add(None, Algorithm::HS256, DecodingKey::from_secret(secret))
    }

    /// Takes a public key in PEM: RSA (for RS256) or Ed25519 (for EdDSA).
    pub fn add_pem(&mut self, pem: &[u8]) -> Result<(), JwtKeyError> {
        let is_private = pem.windows(7).any(|part| part == b"PRIVATE");
        if is_private {
            let reason = "a private key: what checks tokens needs the public one only";
            return Err(JwtKeyError::Unusable(reason));
        }
        if let Ok(key) = DecodingKey::from_rsa_pem(pem) {
            return self.add(None, Algorithm::RS256, key);
        }
        let key = DecodingKey::from_ed_pem(pem);
        let key =
            key.map_err(|_| JwtKeyError::Unusable("no public key of RSA or Ed25519 in PEM"))?;
        self.add(None, Algorithm::EdDSA, key)
    }

    /// Takes the keys of a JSON Web Key Set. Those of kinds that are not served are passed over; answers
    /// how many were. A set without a key of use is refused.
    pub fn add_set(&mut self, text: &str) -> Result<usize, JwtKeyError> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<serde_json::Value>,
        }
        let set: Set = serde_json::from_str(text)
            .map_err(|_| JwtKeyError::Unusable("no JSON Web Key Set: an object with keys"))?;
        let (all, before) = (set.keys.len(), self.keys.len());
        for key in set.keys {
            let Some((jwk, algorithm)) = serde_json::from_value::<Jwk>(key).ok().and_then(served)
            else {
                continue;
            };
            if let Ok(key) = DecodingKey::from_jwk(&jwk) {
                self.add(jwk.common.key_id, algorithm, key)?;
            }
        }
        let taken = self.keys.len() - before;
        if taken == 0 {
            return Err(JwtKeyError::Unusable(
                "no key of HS256, EdDSA or RS256 in the set",
            ));
        }
        Ok(all - taken)
    }

    fn add(
        &mut self,
        id: Option<String>,
        algorithm: Algorithm,
        key: DecodingKey,
    ) -> Result<(), JwtKeyError> {
        if self.keys.len() >= MAX_KEYS {
            return Err(JwtKeyError::TooMany);
        }
        self.keys.push(Key {
            id,
            algorithm,
            decoding: key,
        });
        Ok(())
    }

    /// What a token says, if one of the keys signed it and it is good at this time.
    pub fn verify(&self, token: &str, now_s: u64) -> Result<Grant, TokenError> {
        if token.len() > MAX_JWT_LEN {
            return Err(TokenError::TooLong);
        }
        let header = decode_header(token).map_err(|_| TokenError::Malformed)?;
        let fits = |key: &&Key| {
            let same_id = key.id.is_none() || header.kid.is_none() || key.id == header.kid;
            key.algorithm == header.alg && same_id
        };
        let claims = self
            .keys
            .iter()
            .filter(fits)
            .find_map(|key| {
                decode::<Claims>(token, &key.decoding, &only_signature(header.alg)).ok()
            })
            .ok_or(TokenError::Signature)?
            .claims;
        self.judge(claims, now_s, fingerprint(token))
    }

    fn judge(
        &self,
        claims: Claims,
        now_s: u64,
        fingerprint: Fingerprint,
    ) -> Result<Grant, TokenError> {
        let now = now_s as f64;
        let leeway = self.rules.leeway_s as f64;
        if claims.exp + leeway <= now {
            return Err(TokenError::Over);
        }
        if claims.nbf.is_some_and(|begin| begin > now + leeway) {
            return Err(TokenError::NotYet);
        }
        if let Some(issuer) = &self.rules.issuer
            && claims.iss.as_ref() != Some(issuer)
        {
            return Err(TokenError::NotForUs);
        }
        if let Some(audience) = &self.rules.audience {
            let meant = match &claims.aud {
                Some(OneOrMany::One(one)) => one == audience,
                Some(OneOrMany::Many(many)) => many.contains(audience),
                None => false,
            };
            if !meant {
                return Err(TokenError::NotForUs);
            }
        }
        Ok(Grant {
            user_id: claims
                .sub
                .parse()
                .ok()
                .filter(|id| *id != 0)
                .ok_or(TokenError::Malformed)?,
            bot: claims.bot,
            // A cast of what is negative or no number is 0, the earliest.
            issued_at: claims.iat.unwrap_or(0.0) as u64,
            expires_at: Some((claims.exp + leeway) as u64),
            guilds: claims.guilds.map(Arc::new),
            fingerprint,
        })
    }
}

/// The algorithm that a key of a set is good for; none where it is for something else.
fn served(jwk: Jwk) -> Option<(Jwk, Algorithm)> {
    if !matches!(
        jwk.common.public_key_use,
        None | Some(PublicKeyUse::Signature)
    ) {
        return None;
    }
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        // 32 bytes are 43 characters of base64url.
        AlgorithmParameters::OctetKey(key) if key.value.len() >= 43 => {
            (Algorithm::HS256, KeyAlgorithm::HS256)
        }
        _ => return None,
    };
    let named = jwk.common.key_algorithm;
    (named.is_none() || named == Some(name)).then_some((jwk, algorithm))
}

/// The library asks the system for the time; here it is an argument, so that only signatures are its matter.
fn only_signature(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    validation
}

/// Of what is signed, so that another spelling of the signature is no other token.
fn fingerprint(token: &str) -> Fingerprint {
    let signed = token.rsplit_once('.').map_or(token, |(signed, _)| signed);
    let digest = Sha256::digest(signed.as_bytes());
    let first = digest.first_chunk().expect("invariant: a hash of 32 bytes");
    Fingerprint(u64::from_be_bytes(*first))
}

#[cfg(test)]
mod tests;
