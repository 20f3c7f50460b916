//! JSON Web Tokens that a test signs.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

/// A secret of HS256.
pub const SECRET: &str = "a secret of the tests, 32 bytes or more";
/// A key of RS256, for tests alone.
pub const RSA_KEY: &str = include_str!("../fixtures/rs256.key.pem");
/// Its public part.
pub const RSA_PUBLIC: &str = include_str!("../fixtures/rs256.pem");

/// A pair of keys for EdDSA.
pub struct EdKey {
    key: EncodingKey,
    /// What checks its tokens, as a JSON Web Key with this name.
    pub public: Value,
}

impl EdKey {
    /// A fresh one with a name.
    pub fn new(name: &str) -> Self {
        use base64::Engine as _;
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key can be made");
        let key = EncodingKey::from_ed_pem(pair.serialize_pem().as_bytes());
        let x = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(pair.public_key_raw());
        Self {
            key: key.expect("the key is PEM"),
            public: json!({"kty": "OKP", "crv": "Ed25519", "kid": name, "x": x}),
        }
    }

    /// Signs.
    pub fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = self.public["kid"].as_str().map(str::to_owned);
        encode(&header, claims, &self.key).expect("claims can be signed")
    }
}

/// Signs with [`SECRET`].
pub fn hs256(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    encode(&Header::new(Algorithm::HS256), claims, &key).expect("claims can be signed")
}

/// Signs with [`RSA_KEY`].
pub fn rs256(claims: &Value) -> String {
    let key = EncodingKey::from_rsa_pem(RSA_KEY.as_bytes()).expect("the key is PEM");
    encode(&Header::new(Algorithm::RS256), claims, &key).expect("claims can be signed")
}

/// Seconds since the Unix epoch.
pub fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("it is later than 1970").as_secs()
}

/// A user's claims that are good for a minute.
pub fn claims(user: &str) -> Value {
    json!({"sub": user, "iat": now(), "exp": now() + 60})
}
