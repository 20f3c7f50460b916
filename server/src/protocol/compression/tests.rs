//! What holds for each of the streams.

use proptest::prelude::*;

use super::{CompressedStream, zlib, zstd};

/// Reads a connection's messages as clients do.
pub(super) trait Client {
    /// The payload of a message.
    fn receive(&mut self, message: &[u8]) -> Vec<u8>;
}

/// The streams by their names, each with a client that reads it.
fn streams() -> [(CompressedStream, Box<dyn Client>); 2] {
    let named = |name| CompressedStream::named(name).unwrap();
    [
        (named("zlib-stream"), Box::new(zlib::tests::Client::new())),
        (named("zstd-stream"), Box::new(zstd::tests::Client::new())),
    ]
}

#[test]
fn parts_are_one_payload_and_the_output_is_appended() {
    for (mut stream, mut client) in streams() {
        let mut out = b"head".to_vec();
        let parts: [&[u8]; 5] = [b"{\"s\":", b"", b"17", b",\"d\":", b"{}}"];
        stream.compress(&parts, &mut out);
        let first = out.len();
        stream.compress(&parts, &mut out);
        assert_eq!(&out[..4], b"head");
        assert_eq!(client.receive(&out[4..first]), b"{\"s\":17,\"d\":{}}");
        assert_eq!(client.receive(&out[first..]), b"{\"s\":17,\"d\":{}}");
    }
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[a-z{}\":,0-9]{1,600}".prop_map(String::into_bytes),
        2 => (any::<u8>(), 1_usize..40_000).prop_map(|(byte, len)| vec![byte; len]),
        1 => proptest::collection::vec(any::<u8>(), 1..40_000),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_payloads_in_any_parts_come_back_one_by_one(
        payloads in proptest::collection::vec((payload(), 1_usize..5), 1..30),
    ) {
        for (mut stream, mut client) in streams() {
            for (payload, parts) in &payloads {
                let parts: Vec<_> = payload.chunks(payload.len().div_ceil(*parts)).collect();
                let mut message = Vec::new();
                stream.compress(&parts, &mut message);
                prop_assert_eq!(&client.receive(&message), payload);
            }
        }
    }
}
