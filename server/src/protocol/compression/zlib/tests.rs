use super::*;
use crate::protocol::compression::tests::Client as _;
use flate2::{Decompress, FlushDecompress};

/// Inflates a connection's messages as a client does: one inflater for all of them, each ending with the marker.
pub(in crate::protocol::compression) struct Client(Decompress);

impl Client {
    pub(in crate::protocol::compression) fn new() -> Self {
        Self(Decompress::new(true))
    }
}

impl crate::protocol::compression::tests::Client for Client {
    fn receive(&mut self, message: &[u8]) -> Vec<u8> {
        assert!(message.ends_with(&SYNC_MARKER));
        let mut payload = Vec::with_capacity(4_096);
        let end = self.0.total_in() + message.len() as u64;
        loop {
            let rest = &message[message.len() - (end - self.0.total_in()) as usize..];
            self.0
                .decompress_vec(rest, &mut payload, FlushDecompress::Sync)
                .unwrap();
            if self.0.total_in() == end && payload.len() < payload.capacity() {
                return payload;
            }
            payload.reserve(payload.capacity());
        }
    }
}

fn compress(stream: &mut ZlibStream, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    stream.compress(&[payload], &mut out);
    out
}

/// Bytes that do not compress.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn a_context_is_below_64_kib_and_zlib_fills_its_arena() {
    const { assert!(ZlibStream::CONTEXT_BYTES <= 64 << 10) };
    let stream = ZlibStream::new();
    // SAFETY: zlib is not running.
    let used = unsafe { (*stream.context.as_ptr()).used };
    // Were it much less, the arena would be larger than it need be.
    assert!(
        (ARENA_BYTES - (4 << 10)..=ARENA_BYTES).contains(&used),
        "{used}"
    );
}

#[test]
fn the_stream_begins_with_a_header_that_names_the_window() {
    let message = compress(&mut ZlibStream::new(), b"{}");
    assert_eq!(message[0], 0x58, "deflate, window bits 8 + 5");
    assert_eq!(u16::from_be_bytes([message[0], message[1]]) % 31, 0);
    assert_eq!(message[1] & 0x20, 0, "no preset dictionary");
}

#[test]
fn payloads_large_and_empty_come_back_one_by_one() {
    let mut stream = ZlibStream::new();
    let mut client = Client::new();
    let json = br#"{"op":0,"t":"TYPING_START","s":1,"d":{}}"#.repeat(27_000);
    assert!(json.len() > 1 << 20);
    let noise = noise(1 << 20);
    let payloads: [&[u8]; 12] = [
        b"", b"", b"{}", b"", &json, b"x", &noise, b"", b"", &noise, &json, b"{}",
    ];
    for (i, payload) in payloads.into_iter().enumerate() {
        let message = compress(&mut stream, payload);
        assert!(client.receive(&message) == payload, "payload {i}");
        assert!(message.len() <= payload.len() + payload.len() / 200 + 32);
    }
}

#[test]
fn a_payload_again_says_little_but_that() {
    let mut stream = ZlibStream::new();
    let payload = b"{\"s\":17,\"d\":{}}";
    compress(&mut stream, payload);
    let again = compress(&mut stream, payload).len();
    assert!(again < 16, "{again}");
}

#[test]
fn a_message_that_just_fits_what_is_left_of_the_buffer_has_one_marker() {
    for free in 0..80 {
        let mut stream = ZlibStream::new();
        let mut client = Client::new();
        for round in 0..3 {
            let payload = noise(20 + round);
            let mut out = Vec::with_capacity(free);
            stream.compress(&[&payload], &mut out);
            assert!(!out[..out.len() - 1].ends_with(&EMPTY_BLOCK[1..]));
            assert_eq!(client.receive(&out), payload, "{free} bytes free");
        }
    }
}

#[test]
fn streams_do_not_share_anything() {
    let (mut a, mut b) = (ZlibStream::new(), ZlibStream::new());
    let (mut client_a, mut client_b) = (Client::new(), Client::new());
    for i in 0..100 {
        let (to_a, to_b) = (format!("to a {i}"), format!("b gets {}", i * 7));
        let message_b = compress(&mut b, to_b.as_bytes());
        let message_a = compress(&mut a, to_a.as_bytes());
        assert_eq!(client_a.receive(&message_a), to_a.as_bytes());
        assert_eq!(client_b.receive(&message_b), to_b.as_bytes());
    }
}

#[test]
fn a_stream_may_move_to_another_thread() {
    let mut stream = ZlibStream::new();
    let mut client = Client::new();
    assert_eq!(client.receive(&compress(&mut stream, b"here")), b"here");
    let there = std::thread::spawn(move || compress(&mut stream, b"there"));
    assert_eq!(client.receive(&there.join().unwrap()), b"there");
}
