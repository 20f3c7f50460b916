//! An incremental parser for what a WebSocket server sends: unmasked frames, cut anywhere by TCP.
//!
//! It works on the caller's read buffer and copies only the frame that the buffer's end cuts in two.

use std::ops::ControlFlow;

/// Longest frame that is accepted, in bytes of payload.
pub const MAX_PAYLOAD: usize = 32 << 20;

/// A remainder buffer larger than this is given back once its frame is complete.
const KEEP_CAPACITY: usize = 2 << 10;

/// Longest header of an unmasked frame.
const MAX_HEADER: usize = 10;

/// The kind of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// Goes on with a fragmented message.
    Continuation,
    /// UTF-8 text.
    Text,
    /// Bytes.
    Binary,
    /// The end of the connection.
    Close,
    /// To be answered with a pong.
    Ping,
    /// Answer to a ping.
    Pong,
}

impl Opcode {
    /// Whether frames of this kind may come between the fragments of a message.
    pub fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }
}

/// One frame; its payload lies in the read buffer or in the remainder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Whether it ends its message.
    pub fin: bool,
    /// What kind.
    pub opcode: Opcode,
    /// What it carries.
    pub payload: &'a [u8],
}

/// Why a byte stream is no WebSocket stream of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Extensions were not negotiated.
    #[error("reserved bits set")]
    Reserved,
    /// Not one of RFC 6455.
    #[error("unknown frame opcode {0}")]
    Opcode(u8),
    /// Servers never mask.
    #[error("masked frame from the server")]
    Masked,
    /// Control frames are short and whole.
    #[error("fragmented or long control frame")]
    Control,
    /// More than [`MAX_PAYLOAD`].
    #[error("frame of {0} bytes")]
    TooLong(u64),
    /// A length in a longer form than it needs.
    #[error("length not in its shortest form")]
    LengthForm,
}

/// A parsed header.
#[derive(Debug, Clone, Copy)]
struct Header {
    fin: bool,
    opcode: Opcode,
    length: usize,
    payload: usize,
}

impl Header {
    /// The header at the start of `bytes`; `None` if it is cut.
    fn parse(bytes: &[u8]) -> Result<Option<Self>, FrameError> {
        let &[first, second, ref rest @ ..] = bytes else {
            return Ok(None);
        };
        if first & 0x70 != 0 {
            return Err(FrameError::Reserved);
        }
        let fin = first & 0x80 != 0;
        let opcode = Opcode::from_bits(first & 0x0F).ok_or(FrameError::Opcode(first & 0x0F))?;
        if second & 0x80 != 0 {
            return Err(FrameError::Masked);
        }
        if opcode.is_control() && (!fin || second > 125) {
            return Err(FrameError::Control);
        }
        let (length, payload) = match second {
            126 => {
                let Some(bytes) = rest.first_chunk::<2>() else {
                    return Ok(None);
                };
                let payload = u64::from(u16::from_be_bytes(*bytes));
                if payload < 126 {
                    return Err(FrameError::LengthForm);
                }
                (4, payload)
            }
            127 => {
                let Some(bytes) = rest.first_chunk::<8>() else {
                    return Ok(None);
                };
                let payload = u64::from_be_bytes(*bytes);
                if u16::try_from(payload).is_ok() {
                    return Err(FrameError::LengthForm);
                }
                (MAX_HEADER, payload)
            }
            short => (2, u64::from(short)),
        };
        if payload > MAX_PAYLOAD as u64 {
            return Err(FrameError::TooLong(payload));
        }
        Ok(Some(Self {
            fin,
            opcode,
            length,
            payload: payload as usize,
        }))
    }

    fn total(self) -> usize {
        self.length + self.payload
    }

    fn frame(self, bytes: &[u8]) -> Frame<'_> {
        Frame {
            fin: self.fin,
            opcode: self.opcode,
            payload: &bytes[self.length..self.total()],
        }
    }
}

/// The parser of one connection: the rest of a frame that came in part, and nothing else.
#[derive(Debug, Default)]
pub struct FrameParser {
    partial: Vec<u8>,
}

impl FrameParser {
    /// Takes what was read; calls `on_frame` for each complete frame, until it breaks.
    ///
    /// After a break or an error the parser must not be used again.
    pub fn feed<B>(
        &mut self,
        mut input: &[u8],
        mut on_frame: impl FnMut(Frame<'_>) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>, FrameError> {
        if !self.partial.is_empty() {
            let Some(header) = self.complete(&mut input)? else {
                return Ok(ControlFlow::Continue(()));
            };
            if let ControlFlow::Break(value) = on_frame(header.frame(&self.partial)) {
                return Ok(ControlFlow::Break(value));
            }
            self.partial.clear();
            if self.partial.capacity() > KEEP_CAPACITY {
                self.partial = Vec::new();
            }
        }
        while let Some(header) = Header::parse(input)? {
            if input.len() < header.total() {
                self.partial.reserve_exact(header.total());
                break;
            }
            if let ControlFlow::Break(value) = on_frame(header.frame(input)) {
                return Ok(ControlFlow::Break(value));
            }
            input = &input[header.total()..];
        }
        self.partial.extend_from_slice(input);
        Ok(ControlFlow::Continue(()))
    }

    /// Moves bytes from `input` until the frame begun in `partial` is whole; `None` if they do not suffice.
    fn complete(&mut self, input: &mut &[u8]) -> Result<Option<Header>, FrameError> {
        loop {
            let header = Header::parse(&self.partial)?;
            let missing = match header {
                Some(header) if self.partial.len() == header.total() => return Ok(Some(header)),
                Some(header) => {
                    let missing = header.total() - self.partial.len();
                    self.partial.reserve_exact(missing);
                    missing
                }
                // A cut header: byte by byte, so that nothing of the next frame is taken.
                None => 1,
            };
            if input.is_empty() {
                return Ok(None);
            }
            let (taken, rest) = input.split_at(missing.min(input.len()));
            self.partial.extend_from_slice(taken);
            *input = rest;
        }
    }
}

#[cfg(test)]
mod tests;
