//! Transport compression as a client undoes it: one stream per connection.

use zstd_safe::{DCtx, InBuffer, OutBuffer};

use crate::inflate::Inflate;

/// The receiving end of a compressed connection.
pub enum Compressed {
    /// `zlib-stream`.
    Zlib(Inflate),
    /// `zstd-stream`.
    Zstd(DCtx<'static>),
}

impl Compressed {
    /// For a connection to this path; `None` where it does not ask for compression.
    pub fn asked_by(path: &str) -> Option<Self> {
        if path.contains("compress=zlib-stream") {
            Some(Self::Zlib(Inflate::default()))
        } else if path.contains("compress=zstd-stream") {
            Some(Self::Zstd(DCtx::create()))
        } else {
            None
        }
    }

    /// The payload of the next message. Panics where the message is not a whole, flushed part of the
    /// stream.
    pub fn message(&mut self, wire: &[u8]) -> Vec<u8> {
        match self {
            Self::Zlib(inflate) => inflate.message(wire),
            Self::Zstd(context) => unzstd(context, wire),
        }
    }
}

fn unzstd(context: &mut DCtx<'static>, wire: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(4 * wire.len() + 64);
    let mut input = InBuffer::around(wire);
    loop {
        let len = out.len();
        let mut room = OutBuffer::around_pos(&mut out, len);
        context
            .decompress_stream(&mut room, &mut input)
            .expect("a message goes on with the stream");
        if input.pos() == wire.len() && out.len() < out.capacity() {
            return out;
        }
        out.reserve(4_096);
    }
}
