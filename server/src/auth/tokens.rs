//! Signed tokens: who the bearer is, without a look-up.
//!
//! Three parts with dots between them, each in base64url without padding: the user's id in decimal
//! (some client libraries read their own id from it), six bytes of stamp and flags, and the first
//! 27 bytes of HMAC-SHA-256 over the two parts before as they are written. 27 bytes are 36
//! characters without a spare bit, so a signature has one spelling only.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::grant::{Fingerprint, Grant};

/// The longest text that is looked at, in bytes.
pub const MAX_TOKEN_LEN: usize = 256;
/// The shortest secret, in bytes.
pub const MIN_SECRET_LEN: usize = 16;

/// Seconds between the Unix epoch and 2015-01-01T00:00:00Z, where the stamp begins.
const STAMP_EPOCH_S: u64 = 1_420_070_400;
/// The largest stamp: 40 bits of seconds, until the year 36857.
const MAX_STAMP: u64 = (1 << 40) - 1;
/// Bytes of the signature that are kept.
const SIGNATURE_LEN: usize = 27;
/// The flag of a bot; no other is defined.
const FLAG_BOT: u8 = 1;

/// What a valid token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenClaims {
    /// Whose token it is.
    pub user_id: u64,
    /// Whether that user is a bot.
    pub bot: bool,
    /// When it was signed, in seconds since the Unix epoch.
    pub issued_at: u64,
}

/// Why a token is refused. Clients are told no more than that it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Longer than [`MAX_TOKEN_LEN`].
    #[error("token is longer than 256 bytes")]
    TooLong,
    /// Not of the form above.
    #[error("token is malformed")]
    Malformed,
    /// Signed with another secret, or changed since.
    #[error("token has a wrong signature")]
    Signature,
    /// Its time is over.
    #[error("token is over")]
    Over,
    /// Its time has not come.
    #[error("token is not good yet")]
    NotYet,
    /// Of another issuer, or for another audience.
    #[error("token is not for this server")]
    NotForUs,
}

/// The secret has fewer than [`MIN_SECRET_LEN`] bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("token secret has {len} bytes, at least 16 are needed")]
pub struct SecretTooShort {
    /// Its length in bytes.
    pub len: usize,
}

/// Signs tokens and verifies them.
#[derive(Clone)]
pub struct TokenSigner {
    /// Keyed once; a clone of it takes each text.
    keyed: Hmac<Sha256>,
}

impl TokenSigner {
    /// A signer with this secret, of [`MIN_SECRET_LEN`] bytes or more.
    pub fn new(secret: &[u8]) -> Result<Self, SecretTooShort> {
        if secret.len() < MIN_SECRET_LEN {
            return Err(SecretTooShort { len: secret.len() });
        }
        let keyed = Hmac::new_from_slice(secret).expect("invariant: hmac takes any key length");
        Ok(Self { keyed })
    }

    /// A token for a user, stamped with seconds since the Unix epoch. A time before 2015 is
    /// written as its first second.
    pub fn sign(&self, user_id: u64, bot: bool, issued_at_unix_s: u64) -> String {
        let stamp = issued_at_unix_s
            .saturating_sub(STAMP_EPOCH_S)
            .min(MAX_STAMP);
        let mut stamped = [0; 6];
        stamped[..5].copy_from_slice(&stamp.to_be_bytes()[3..]);
        stamped[5] = if bot { FLAG_BOT } else { 0 };

        let mut token = URL_SAFE_NO_PAD.encode(user_id.to_string());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(stamped, &mut token);
        let signature = self
            .keyed
            .clone()
            .chain_update(&token)
            .finalize()
            .into_bytes();
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(&signature[..SIGNATURE_LEN], &mut token);
        token
    }

    /// As [`Self::verify`], in the form that all kinds of tokens have.
    pub fn grant(&self, token: &str) -> Result<Grant, TokenError> {
        let claims = self.verify(token)?;
        if claims.user_id == 0 {
            return Err(TokenError::Malformed);
        }
        let signature = token.rsplit_once('.').ok_or(TokenError::Malformed)?.1;
        let signature: [u8; SIGNATURE_LEN] = decode(signature)?;
        let first = signature.first_chunk();
        let first = first.expect("invariant: a signature of 27 bytes");
        Ok(Grant {
            user_id: claims.user_id,
            bot: claims.bot,
            issued_at: claims.issued_at,
            expires_at: None,
            guilds: None,
            fingerprint: Fingerprint(u64::from_be_bytes(*first)),
        })
    }

    /// What a token says, if it was signed with this secret. The signature is compared in constant
    /// time. A prefix must be gone: see [`strip_prefix`].
    pub fn verify(&self, token: &str) -> Result<TokenClaims, TokenError> {
        if token.len() > MAX_TOKEN_LEN {
            return Err(TokenError::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (user_id, stamped) = signed.split_once('.').ok_or(TokenError::Malformed)?;

        let signature: [u8; SIGNATURE_LEN] = decode(signature)?;
        self.keyed
            .clone()
            .chain_update(signed)
            .verify_truncated_left(&signature)
            .map_err(|_| TokenError::Signature)?;

        let stamped: [u8; 6] = decode(stamped)?;
        let [s0, s1, s2, s3, s4, flags] = stamped;
        if flags & !FLAG_BOT != 0 {
            return Err(TokenError::Malformed);
        }
        let user_id = URL_SAFE_NO_PAD.decode(user_id).ok();
        Ok(TokenClaims {
            user_id: user_id
                .and_then(|text| String::from_utf8(text).ok())
                .and_then(|text| text.parse().ok())
                .ok_or(TokenError::Malformed)?,
            bot: flags & FLAG_BOT != 0,
            issued_at: STAMP_EPOCH_S + u64::from_be_bytes([0, 0, 0, s0, s1, s2, s3, s4]),
        })
    }
}

/// Decodes base64url of exactly `N` bytes.
fn decode<const N: usize>(text: &str) -> Result<[u8; N], TokenError> {
    let mut bytes = [0; N];
    match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
        Ok(len) if len == N => Ok(bytes),
        _ => Err(TokenError::Malformed),
    }
}

/// The token without the `Bot ` or `Bearer ` that clients put before it. The REST API always gets
/// one from bots, the gateway only from some libraries.
pub fn strip_prefix(token: &str) -> &str {
    token
        .strip_prefix("Bot ")
        .or_else(|| token.strip_prefix("Bearer "))
        .unwrap_or(token)
}

/// Shows nothing of the secret.
impl fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSigner").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
