//! Transport compression as a client undoes it: one deflate stream per connection.

use flate2::{Decompress, FlushDecompress, Status};

/// What every message of the stream ends with: an empty stored block.
const FLUSHED: [u8; 4] = [0, 0, 0xff, 0xff];

/// The receiving end of a `zlib-stream` connection.
#[derive(Debug)]
pub struct Inflate(Decompress);

impl Default for Inflate {
    fn default() -> Self {
        Self(Decompress::new(true))
    }
}

impl Inflate {
    /// The payload of the next message. Panics where the message is not a whole, flushed part of the
    /// stream.
    pub fn message(&mut self, wire: &[u8]) -> Vec<u8> {
        assert!(wire.ends_with(&FLUSHED), "a message ends with a sync flush");
        let before = self.0.total_in();
        let mut out = Vec::with_capacity(4 * wire.len() + 64);
        loop {
            let used = (self.0.total_in() - before) as usize;
            if used == wire.len() && out.len() < out.capacity() {
                return out;
            }
            out.reserve(4_096);
            let status = self
                .0
                .decompress_vec(&wire[used..], &mut out, FlushDecompress::Sync)
                .expect("a message goes on with the stream");
            assert_ne!(status, Status::StreamEnd, "the stream lasts");
        }
    }
}
