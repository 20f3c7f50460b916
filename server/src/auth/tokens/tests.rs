use proptest::prelude::*;

use super::*;

const SECRET: &[u8] = b"0123456789abcdef";

fn signer() -> TokenSigner {
    TokenSigner::new(SECRET).unwrap()
}

/// A token of these two parts with a true signature.
fn signed(first: &str, second: &str) -> String {
    let text = format!("{first}.{second}");
    let mac = signer().keyed.chain_update(&text).finalize().into_bytes();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(&mac[..SIGNATURE_LEN]))
}

#[test]
fn a_token_is_pinned() {
    let token = signer().sign(1_000_000_000_000_000_001, true, 1_767_225_600);
    assert_eq!(
        token,
        "MTAwMDAwMDAwMDAwMDAwMDAwMQ.ABSxKwAB.YFEcCNRgdxp62ihl4VF5HtPxMNBNv8XexCll"
    );
}

#[test]
fn the_first_part_is_the_users_id_as_libraries_read_it() {
    let token = signer().sign(123_456_789_012_345_678, true, 1_767_225_600);
    let first = token.split('.').next().unwrap();
    let id = URL_SAFE_NO_PAD.decode(first).unwrap();
    assert_eq!(id, b"123456789012345678");
    assert_eq!(
        token.split('.').map(str::len).collect::<Vec<_>>(),
        [24, 8, 36]
    );
}

#[test]
fn times_outside_the_stamp_are_written_as_its_ends() {
    let issued_at = |time| {
        signer()
            .verify(&signer().sign(1, false, time))
            .unwrap()
            .issued_at
    };
    assert_eq!(issued_at(0), STAMP_EPOCH_S);
    assert_eq!(issued_at(u64::MAX), STAMP_EPOCH_S + MAX_STAMP);
}

#[test]
fn short_secrets_are_refused_and_no_secret_is_shown() {
    let refused = TokenSigner::new(&SECRET[..15]).unwrap_err();
    assert_eq!(refused, SecretTooShort { len: 15 });
    assert_eq!(format!("{:?}", signer()), "TokenSigner { .. }");
    // A key longer than a block of the hash works as well.
    let long = TokenSigner::new(&[7; 200]).unwrap();
    assert!(long.verify(&long.sign(1, false, 0)).is_ok());
}

#[test]
fn another_secret_refuses() {
    let other = TokenSigner::new(b"0123456789abcdeg").unwrap();
    let token = signer().sign(1, true, 1_767_225_600);
    assert_eq!(other.verify(&token), Err(TokenError::Signature));
}

#[test]
fn malformed_tokens_are_refused() {
    let good = signer().sign(42, true, 1_767_225_600);
    let parts: Vec<_> = good.split('.').collect();
    let [id, stamp, signature] = parts[..] else {
        panic!("three parts")
    };
    for bad in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        id.to_owned(),
        format!("{id}.{stamp}"),
        format!("{id}.{stamp}."),
        format!("{id}.{stamp}.{}", &signature[..4]),
        format!("{id}.{stamp}.{}", &signature[..35]),
        format!("{id}.{stamp}.{signature}="),
        format!("{id}.{stamp}.{signature}AAAA"),
        format!("{id}.{stamp}.{signature}\n"),
        format!("Bot {good}é"),
    ] {
        assert_eq!(signer().verify(&bad), Err(TokenError::Malformed), "{bad:?}");
    }
    // Signed, but of other parts than the signature's.
    for bad in [
        format!("{id}.{signature}"),
        format!("{stamp}.{id}.{signature}"),
        format!("{id}.{id}.{stamp}.{signature}"),
        format!(" {good}"),
        format!("Bot {good}"),
    ] {
        assert!(signer().verify(&bad).is_err(), "{bad:?}");
    }
}

#[test]
fn signed_nonsense_is_malformed() {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let stamp = encode(&[0, 0, 0, 0, 1, 1]);
    let id = encode(b"42");
    assert!(signer().verify(&signed(&id, &stamp)).is_ok());
    for (first, second) in [
        (encode(b""), stamp.clone()),
        (encode(b"forty-two"), stamp.clone()),
        (encode(b"-1"), stamp.clone()),
        (encode(b"18446744073709551616"), stamp.clone()),
        (encode(&[0xff, 0xfe]), stamp.clone()),
        (id.clone(), encode(&[0, 0, 0, 0, 1, 2])),
        (id.clone(), encode(&[0, 0, 0, 0, 1])),
        (id.clone(), encode(&[0, 0, 0, 0, 0, 1, 1])),
        (id.clone(), String::new()),
        (id.clone(), format!("{stamp}.{stamp}")),
    ] {
        let token = signed(&first, &second);
        assert_eq!(
            signer().verify(&token),
            Err(TokenError::Malformed),
            "{token}"
        );
    }
}

#[test]
fn overlong_tokens_are_refused_before_they_are_hashed() {
    let id = "A".repeat(MAX_TOKEN_LEN);
    let token = signed(&id, "AAAA");
    assert_eq!(signer().verify(&token), Err(TokenError::TooLong));
}

#[test]
fn the_prefixes_of_clients_are_stripped() {
    for (given, token) in [
        ("Bot a.b.c", "a.b.c"),
        ("Bearer a.b.c", "a.b.c"),
        ("a.b.c", "a.b.c"),
        ("Bot", "Bot"),
        ("Bot Bot a", "Bot a"),
        ("", ""),
    ] {
        assert_eq!(strip_prefix(given), token);
    }
}

proptest! {
    #[test]
    fn what_was_signed_is_what_is_verified(
        user_id: u64,
        bot: bool,
        issued_at in STAMP_EPOCH_S..STAMP_EPOCH_S + MAX_STAMP,
    ) {
        let token = signer().sign(user_id, bot, issued_at);
        prop_assert!(token.len() <= MAX_TOKEN_LEN);
        let claims = TokenClaims { user_id, bot, issued_at };
        prop_assert_eq!(signer().verify(&token), Ok(claims));
    }

    #[test]
    fn any_changed_byte_is_refused(
        user_id: u64,
        bot: bool,
        at in any::<prop::sample::Index>(),
        byte in 0_u8..128,
    ) {
        let token = signer().sign(user_id, bot, 1_767_225_600);
        let mut changed = token.clone().into_bytes();
        let at = at.index(changed.len());
        prop_assume!(changed[at] != byte);
        changed[at] = byte;
        let changed = String::from_utf8(changed).unwrap();
        prop_assert!(signer().verify(&changed).is_err(), "{} for {}", changed, token);
    }

    #[test]
    fn any_shortened_token_is_refused(user_id: u64, at in any::<prop::sample::Index>()) {
        let token = signer().sign(user_id, true, 1_767_225_600);
        prop_assert!(signer().verify(&token[..at.index(token.len())]).is_err());
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,300}") {
        prop_assert!(signer().verify(&text).is_err());
    }
}
