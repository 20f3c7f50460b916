//! `zstd-stream`: one zstd frame per connection that never ends, flushed after each payload.
//!
//! **Memory.** A context takes [`ZstdStream::MAX_CONTEXT_BYTES`] at most, where zstd's own choice for
//! its lowest level is more than 1 MB: a window of 8 KiB, and hash tables for that. It is taken with
//! the first payload.

use std::fmt;

use zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer};

/// log2 of the window in bytes.
const WINDOW_LOG: u32 = 13;
/// log2 of the entries of the hash table, of four bytes each.
const HASH_LOG: u32 = 12;
/// Favours speed, as for the other stream.
const LEVEL: i32 = 1;
/// What comes out at least of one flush: a block's header, and that of the frame.
const LEAST_ROOM: usize = 64;

/// The zstd stream of one connection.
pub struct ZstdStream(CCtx<'static>);

impl ZstdStream {
    /// The most that a stream takes in memory, all told, in bytes.
    pub const MAX_CONTEXT_BYTES: usize = 128 << 10;

    /// A stream at its beginning.
    #[expect(
        clippy::new_without_default,
        reason = "one does not get a connection by default"
    )]
    pub fn new() -> Self {
        let mut context = CCtx::create();
        for parameter in [
            CParameter::CompressionLevel(LEVEL),
            CParameter::Strategy(zstd_safe::Strategy::ZSTD_fast),
            CParameter::WindowLog(WINDOW_LOG),
            CParameter::HashLog(HASH_LOG),
            CParameter::ChainLog(HASH_LOG),
        ] {
            context
                .set_parameter(parameter)
                .expect("invariant: the parameters are within zstd's bounds");
        }
        Self(context)
    }

    /// Compresses one payload, given in parts, and appends the message to `out`: a whole number of
    /// blocks, from which the client gets all of the payload and no more.
    pub fn compress(&mut self, payload: &[&[u8]], out: &mut Vec<u8>) {
        let len: usize = payload.iter().map(|part| part.len()).sum();
        // Enough for most payloads at once.
        out.reserve(len / 3 + LEAST_ROOM);
        for part in payload {
            self.feed(part, ZSTD_EndDirective::ZSTD_e_continue, out);
        }
        self.feed(&[], ZSTD_EndDirective::ZSTD_e_flush, out);
    }

    /// Feeds all of `input`, appending what comes out.
    fn feed(&mut self, input: &[u8], directive: ZSTD_EndDirective, out: &mut Vec<u8>) {
        let mut input = InBuffer::around(input);
        loop {
            if out.capacity() - out.len() < LEAST_ROOM {
                out.reserve(256.max(out.len() / 2));
            }
            let written = out.len();
            let mut room = OutBuffer::around_pos(out, written);
            let left = self
                .0
                .compress_stream2(&mut room, &mut input, directive)
                .expect("invariant: the stream is consistent");
            let is_fed = input.pos() == input.src.len();
            let is_out = left == 0 || directive == ZSTD_EndDirective::ZSTD_e_continue;
            if is_fed && is_out {
                return;
            }
        }
    }
}

impl fmt::Debug for ZstdStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ZstdStream").finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use zstd_safe::DCtx;

    use super::*;
    use crate::protocol::compression::tests::Client as _;

    /// Reads a connection's messages as a client does: one context for all of them.
    pub(in crate::protocol::compression) struct Client(DCtx<'static>);

    impl Client {
        pub(in crate::protocol::compression) fn new() -> Self {
            Self(DCtx::create())
        }
    }

    impl crate::protocol::compression::tests::Client for Client {
        fn receive(&mut self, message: &[u8]) -> Vec<u8> {
            let mut payload = Vec::with_capacity(4_096);
            let mut input = InBuffer::around(message);
            loop {
                let len = payload.len();
                let mut room = OutBuffer::around_pos(&mut payload, len);
                self.0.decompress_stream(&mut room, &mut input).unwrap();
                if input.pos() == message.len() && payload.len() < payload.capacity() {
                    return payload;
                }
                payload.reserve(payload.capacity());
            }
        }
    }

    fn compress(stream: &mut ZstdStream, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        stream.compress(&[payload], &mut out);
        out
    }

    /// Messages as guilds send them: alike but for a few places.
    fn message(number: u64) -> Vec<u8> {
        format!(
            r#"{{"t":"MESSAGE_CREATE","op":0,"d":{{"id":"{}","channel_id":"1444000000000000001","content":"this is number {number}"}},"s":{number}}}"#,
            1_444_000_000_000_000_000 + number * 7_919
        )
        .into_bytes()
    }

    #[test]
    fn a_context_takes_no_more_than_it_says_however_much_went_through() {
        let mut stream = ZstdStream::new();
        let mut client = Client::new();
        let large = b"0123456789abcdef".repeat(1 << 16);
        for payload in [&b"{}"[..], &large, b"x"] {
            let wire = compress(&mut stream, payload);
            assert!(client.receive(&wire) == payload);
            let bytes = stream.0.sizeof();
            println!("{bytes} bytes");
            assert!(bytes <= ZstdStream::MAX_CONTEXT_BYTES, "{bytes}");
        }
    }

    #[test]
    fn later_messages_say_what_is_new_in_them_alone() {
        let mut stream = ZstdStream::new();
        let first = compress(&mut stream, &message(1)).len();
        let second = compress(&mut stream, &message(2)).len();
        assert!(second * 2 < first, "{first} bytes, then {second}");
    }
}
