//! Transport compression: one stream per connection, one binary message per payload, each flushed so
//! that the client can read it at once. A new connection begins a new stream, also where it resumes a
//! session.

pub mod zlib;
pub mod zstd;

pub use zlib::ZlibStream;
pub use zstd::ZstdStream;

/// The compressed stream of one connection.
#[derive(Debug)]
pub enum CompressedStream {
    /// `zlib-stream`.
    Zlib(ZlibStream),
    /// `zstd-stream`.
    Zstd(ZstdStream),
}

impl CompressedStream {
    /// A stream at its beginning, by the name that clients ask for it with; `None` where there is none
    /// of that name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "zlib-stream" => Some(Self::Zlib(ZlibStream::new())),
            "zstd-stream" => Some(Self::Zstd(ZstdStream::new())),
            _ => None,
        }
    }

    /// Compresses one payload, given in parts, and appends the message to `out`.
    pub fn compress(&mut self, payload: &[&[u8]], out: &mut Vec<u8>) {
        match self {
            Self::Zlib(stream) => stream.compress(payload, out),
            Self::Zstd(stream) => stream.compress(payload, out),
        }
    }
}

#[cfg(test)]
mod tests;
