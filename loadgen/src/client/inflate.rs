//! `zlib-stream`: one zlib stream for a connection, flushed at the end of each payload.

use flate2::{Decompress, FlushDecompress, Status};

/// How a payload ends.
const END: [u8; 4] = [0, 0, 0xFF, 0xFF];

/// Longest payload that is inflated, in bytes.
const MAX_PAYLOAD: usize = 64 << 20;

/// What came is no zlib stream, or too much.
#[derive(Debug, thiserror::Error)]
pub enum InflateError {
    /// The stream is broken.
    #[error("broken zlib stream: {0}")]
    Broken(#[from] flate2::DecompressError),
    /// More than it may be.
    #[error("payload of more than {MAX_PAYLOAD} bytes")]
    TooLong,
    /// The stream ended; it lasts as long as the connection.
    #[error("the zlib stream ended")]
    Ended,
}

/// The stream of one connection.
#[derive(Debug)]
pub struct Inflater {
    stream: Decompress,
    /// What came of a payload whose end did not come yet.
    partial: Vec<u8>,
}

impl Default for Inflater {
    fn default() -> Self {
        Self {
            stream: Decompress::new(true),
            partial: Vec::new(),
        }
    }
}

impl Inflater {
    /// Takes a binary message; gives the payload that it completes.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>, InflateError> {
        if self.partial.is_empty() && bytes.ends_with(&END) {
            return self.inflate(bytes).map(Some);
        }
        if self.partial.len() + bytes.len() > MAX_PAYLOAD {
            return Err(InflateError::TooLong);
        }
        self.partial.extend_from_slice(bytes);
        if !self.partial.ends_with(&END) {
            return Ok(None);
        }
        let whole = std::mem::take(&mut self.partial);
        self.inflate(&whole).map(Some)
    }

    fn inflate(&mut self, mut bytes: &[u8]) -> Result<Vec<u8>, InflateError> {
        let mut out = Vec::with_capacity(bytes.len() * 4 + 256);
        loop {
            let before = self.stream.total_in();
            let status = self
                .stream
                .decompress_vec(bytes, &mut out, FlushDecompress::Sync)?;
            bytes = &bytes[(self.stream.total_in() - before) as usize..];
            if status == Status::StreamEnd {
                return Err(InflateError::Ended);
            }
            // Room that is left means that all there was has come out.
            if bytes.is_empty() && out.len() < out.capacity() {
                return Ok(out);
            }
            if out.len() >= MAX_PAYLOAD {
                return Err(InflateError::TooLong);
            }
            out.reserve(out.capacity().max(256));
        }
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compress, Compression, FlushCompress};

    use super::*;

    #[test]
    fn payloads_come_out_whole_however_they_are_cut() {
        let mut compress = Compress::new(Compression::default(), true);
        let mut inflater = Inflater::default();
        for length in [1_usize, 100, 5_000, 300_000] {
            let text: Vec<u8> = (0..length).map(|i| (i * i % 251) as u8).collect();
            let mut bytes = Vec::with_capacity(length + 1_000);
            compress
                .compress_vec(&text, &mut bytes, FlushCompress::Sync)
                .unwrap();
            assert!(bytes.ends_with(&END));
            let (first, second) = bytes.split_at(length.min(bytes.len()) / 2);
            let cut = !first.is_empty() && !first.ends_with(&END);
            let out = if cut {
                assert!(inflater.feed(first).unwrap().is_none());
                inflater.feed(second).unwrap()
            } else {
                inflater.feed(&bytes).unwrap()
            };
            assert!(out.unwrap() == text);
        }
        assert!(inflater.feed(&[7, 7, 7, 7, 7, 0, 0, 0xFF, 0xFF]).is_err());
    }
}
