//! Messages out of frames: puts fragmented ones together.

use super::frames::{Frame, Opcode};

/// Longest message that is put together, in bytes.
pub const MAX_MESSAGE: usize = 64 << 20;

/// What a connection brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A text message. Its UTF-8 is not checked here; JSON parsing checks what is looked at.
    Text(&'a [u8]),
    /// A binary message.
    Binary(&'a [u8]),
    /// To be answered with a pong of the same payload.
    Ping(&'a [u8]),
    /// Unasked for, or an answer.
    Pong,
    /// The server closes, with this code if it gave one.
    Close(Option<u16>),
}

/// Why frames make no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// A continuation of nothing.
    #[error("continuation frame without a beginning")]
    Unstarted,
    /// A new message before the fragmented one ended.
    #[error("new message within a fragmented one")]
    Interrupted,
    /// More than [`MAX_MESSAGE`].
    #[error("fragmented message of more than {MAX_MESSAGE} bytes")]
    TooLong,
    /// One byte of close code.
    #[error("close frame of one byte")]
    CloseCode,
}

/// The fragments of a message so far.
#[derive(Debug)]
struct Fragments {
    text: bool,
    bytes: Vec<u8>,
}

/// Puts the messages of one connection together.
#[derive(Debug, Default)]
pub struct MessageAssembler {
    // Boxed, as fragmented messages are rare.
    fragments: Option<Box<Fragments>>,
}

impl MessageAssembler {
    /// Takes one frame; calls `on_message` if that completes something, and gives back what it returned.
    pub fn accept<R>(
        &mut self,
        frame: Frame<'_>,
        on_message: impl FnOnce(Incoming<'_>) -> R,
    ) -> Result<Option<R>, MessageError> {
        let incoming = match frame.opcode {
            Opcode::Ping => Incoming::Ping(frame.payload),
            Opcode::Pong => Incoming::Pong,
            Opcode::Close => Incoming::Close(close_code(frame.payload)?),
            Opcode::Text | Opcode::Binary if self.fragments.is_some() => {
                return Err(MessageError::Interrupted);
            }
            Opcode::Text if frame.fin => Incoming::Text(frame.payload),
            Opcode::Binary if frame.fin => Incoming::Binary(frame.payload),
            Opcode::Text | Opcode::Binary => {
                self.fragments = Some(Box::new(Fragments {
                    text: frame.opcode == Opcode::Text,
                    bytes: frame.payload.to_vec(),
                }));
                return Ok(None);
            }
            Opcode::Continuation => {
                let Some(fragments) = &mut self.fragments else {
                    return Err(MessageError::Unstarted);
                };
                if fragments.bytes.len() + frame.payload.len() > MAX_MESSAGE {
                    return Err(MessageError::TooLong);
                }
                fragments.bytes.extend_from_slice(frame.payload);
                if !frame.fin {
                    return Ok(None);
                }
                let whole = self.fragments.take();
                let fragments = whole.expect("invariant: looked at above");
                return Ok(Some(on_message(if fragments.text {
                    Incoming::Text(&fragments.bytes)
                } else {
                    Incoming::Binary(&fragments.bytes)
                })));
            }
        };
        Ok(Some(on_message(incoming)))
    }
}

fn close_code(payload: &[u8]) -> Result<Option<u16>, MessageError> {
    match *payload {
        [] => Ok(None),
        [_] => Err(MessageError::CloseCode),
        [high, low, ..] => Ok(Some(u16::from_be_bytes([high, low]))),
    }
}
