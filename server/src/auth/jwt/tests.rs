#![allow(clippy::needless_pass_by_value)] // claims are written in place

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::*;

const NOW: u64 = 1_800_000_000;
const SECRET: &[u8] = b"a secret of the tests, 32 bytes or more";
const RSA_KEY: &[u8] = include_bytes!("../../../../tests/fixtures/rs256.key.pem");
const RSA_PUBLIC: &[u8] = include_bytes!("../../../../tests/fixtures/rs256.pem");

fn signed(algorithm: Algorithm, key: &EncodingKey, claims: &Value) -> String {
    encode(&Header::new(algorithm), claims, key).unwrap()
}

fn hs256(claims: &Value) -> String {
    signed(Algorithm::HS256, &EncodingKey::from_secret(SECRET), claims)
}

fn with_secret(rules: JwtRules) -> JwtKeys {
    let mut keys = JwtKeys::new(rules);
    keys.add_secret(SECRET).unwrap();
    keys
}

fn claims() -> Value {
    json!({"sub": "42", "exp": NOW + 60})
}

/// The same with some more.
fn claims_with(more: Value) -> Value {
    let mut claims = claims();
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn ed25519() -> (EncodingKey, String, String) {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let key = EncodingKey::from_ed_pem(pair.serialize_pem().as_bytes()).unwrap();
    let raw = URL_SAFE_NO_PAD.encode(pair.public_key_raw());
    (key, pair.public_key_pem(), raw)
}

#[test]
fn each_algorithm_is_taken_with_a_key_of_its_kind() {
    let (ed_key, ed_public, _) = ed25519();
    let mut keys = with_secret(JwtRules::default());
    keys.add_pem(RSA_PUBLIC).unwrap();
    keys.add_pem(ed_public.as_bytes()).unwrap();
    let claims = claims_with(json!({"bot": true, "guilds": ["7", "9"], "iat": NOW - 5}));
    let rsa = EncodingKey::from_rsa_pem(RSA_KEY).unwrap();
    for token in [
        hs256(&claims),
        signed(Algorithm::EdDSA, &ed_key, &claims),
        signed(Algorithm::RS256, &rsa, &claims),
    ] {
        let grant = keys.verify(&token, NOW).unwrap();
        assert_eq!((grant.user_id, grant.bot), (42, true));
        assert_eq!(grant.issued_at, NOW - 5);
        assert!(grant.allows(GuildId::new(9)) && !grant.allows(GuildId::new(8)));
        assert!(!grant.is_over(NOW + 59) && grant.is_over(NOW + 60));
    }
    assert!(!format!("{keys:?}").contains("secret of"));
}

#[test]
fn times_issuer_and_audience_are_checked() {
    let rules = JwtRules {
        issuer: Some("us".to_owned()),
        audience: Some("guildhall".to_owned()),
        leeway_s: 5,
    };
    let keys = with_secret(rules);
    let judged = |more: Value| {
        let usual = json!({"iss": "us", "aud": ["other", "guildhall"]});
        let mut claims = claims_with(usual);
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        keys.verify(&hs256(&claims), NOW).map(|grant| grant.user_id)
    };
    assert_eq!(judged(json!({})), Ok(42));
    assert_eq!(judged(json!({"aud": "guildhall"})), Ok(42));
    assert_eq!(judged(json!({"exp": NOW - 4})), Ok(42));
    assert_eq!(judged(json!({"exp": NOW - 5})), Err(TokenError::Over));
    assert_eq!(judged(json!({"nbf": NOW + 5})), Ok(42));
    assert_eq!(judged(json!({"nbf": NOW + 6})), Err(TokenError::NotYet));
    for more in [
        json!({"iss": "them"}),
        json!({"iss": null}),
        json!({"aud": "else"}),
        json!({"aud": null}),
    ] {
        assert_eq!(judged(more), Err(TokenError::NotForUs));
    }
    for sub in ["0", "-1", "x", "", "18446744073709551616"] {
        assert_eq!(judged(json!({"sub": sub})), Err(TokenError::Malformed));
    }
}

#[test]
fn what_is_not_signed_by_a_key_of_its_kind_is_refused() {
    let keys = with_secret(JwtRules::default());
    let good = hs256(&claims());
    assert!(keys.verify(&good, NOW).is_ok());
    let no_end = hs256(&json!({"sub": "42"}));
    let other = EncodingKey::from_secret(b"another secret, also of 32 bytes or more");
    let (ed_key, ..) = ed25519();
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let (body, signature) = (part(claims()), good.rsplit('.').next().unwrap());
    for bad in [
        signed(Algorithm::HS256, &other, &claims()),
        signed(Algorithm::EdDSA, &ed_key, &claims()),
        signed(
            Algorithm::HS384,
            &EncodingKey::from_secret(SECRET),
            &claims(),
        ),
        no_end,
        format!("{}.{body}.", part(json!({"alg": "none"}))),
        format!(
            "{}.{body}.{signature}",
            part(json!({"alg": "HS256", "x": 1}))
        ),
        format!("{good}x"),
        "eyJ".to_owned(),
        "eyJ.eyJ.x".to_owned(),
        format!("{good}{}", "a".repeat(MAX_JWT_LEN)),
    ] {
        assert!(keys.verify(&bad, NOW).is_err(), "{bad}");
    }
    // The well-known confusion: a public key as the secret of an HMAC.
    let mut keys = JwtKeys::new(JwtRules::default());
    keys.add_pem(RSA_PUBLIC).unwrap();
    let confused = signed(
        Algorithm::HS256,
        &EncodingKey::from_secret(RSA_PUBLIC),
        &claims(),
    );
    assert_eq!(keys.verify(&confused, NOW), Err(TokenError::Signature));
}

#[test]
fn keys_of_a_set_are_found_by_their_name_and_others_are_passed_over() {
    let ((one_key, _, one), (other_key, _, other)) = (ed25519(), ed25519());
    let key = |id: &str, x: &str| json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": x});
    let set = json!({"keys": [
        key("one", &one),
        key("other", &other),
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "new", "what": "ever"},
        {"kty": "OKP", "crv": "Ed25519", "x": other, "use": "enc"},
        {"kty": "oct", "k": "c2hvcnQ"},
    ]});
    let mut keys = JwtKeys::new(JwtRules::default());
    assert_eq!(keys.add_set(&set.to_string()), Ok(4));
    let named = |key: &EncodingKey, id: Option<&str>| {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = id.map(str::to_owned);
        keys.verify(&encode(&header, &claims(), key).unwrap(), NOW)
            .is_ok()
    };
    assert!(named(&one_key, Some("one")) && named(&other_key, Some("other")));
    assert!(named(&one_key, None), "every key is tried");
    assert!(!named(&one_key, Some("other")) && !named(&one_key, Some("third")));
    for bad in [
        "",
        "[]",
        "{}",
        r#"{"keys":[]}"#,
        r#"{"keys":[{"kty":"x"}]}"#,
    ] {
        assert!(keys.clone().add_set(bad).is_err(), "{bad}");
    }
}

#[test]
fn keys_that_are_weak_or_private_are_refused() {
    let mut keys = JwtKeys::new(JwtRules::default());
    assert!(keys.add_secret(&[7; 31]).is_err());
    let private = keys.add_pem(RSA_KEY).unwrap_err().to_string();
    assert!(private.contains("private"), "{private}");
    assert!(keys.add_pem(b"nothing").is_err());
    assert!(keys.is_empty());
    for _ in 0..MAX_KEYS {
        keys.add_secret(SECRET).unwrap();
    }
    assert_eq!(keys.add_secret(SECRET), Err(JwtKeyError::TooMany));
}

#[test]
fn a_fingerprint_follows_from_what_is_signed() {
    let keys = with_secret(JwtRules::default());
    let print = |claims: &Value| keys.verify(&hs256(claims), NOW).unwrap().fingerprint;
    assert_eq!(print(&claims()), print(&claims()));
    assert_ne!(print(&claims()), print(&claims_with(json!({"jti": "2"}))));
}
