//! WebSocket frames that clients send (RFC 6455): unmasking, fragments, control frames.
//!
//! A parser of our own, because a bound must hold before the bytes are buffered: a client that
//! announces a frame of gigabytes is refused at its header.

use crate::protocol::limits::MAX_INBOUND_PAYLOAD;

/// A whole message or control frame.
#[derive(Debug, PartialEq, Eq)]
pub enum Inbound<'a> {
    /// A text or binary message: both carry JSON.
    Message(&'a [u8]),
    /// A ping with its data, to be sent back.
    Ping(&'a [u8]),
    /// A pong; nothing to do.
    Pong,
    /// A close with the client's code, if it gave one.
    Close(Option<u16>),
}

/// Why a connection cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The WebSocket protocol was violated.
    #[error("websocket protocol violated: {0}")]
    Protocol(&'static str),
    /// A message is larger than a client may send.
    #[error("message too large")]
    TooLarge,
    /// A text message is not UTF-8.
    #[error("text is not utf-8")]
    Utf8,
}

/// Largest payload of a control frame.
const MAX_CONTROL: usize = 125;

/// Reads frames from a byte stream; keeps only what is incomplete.
#[derive(Debug, Default)]
pub struct FrameReader {
    /// Start of a frame whose end has not come yet.
    partial: Vec<u8>,
    /// Fragments of a message whose end has not come yet.
    message: Option<Box<Fragments>>,
}

#[derive(Debug)]
struct Fragments {
    text: bool,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Header {
    last: bool,
    opcode: u8,
    /// Where the payload starts, and its length.
    start: usize,
    len: usize,
    mask: [u8; 4],
}

impl FrameReader {
    /// Bytes kept between calls.
    pub fn held(&self) -> usize {
        self.partial.capacity()
            + self
                .message
                .as_ref()
                .map_or(0, |message| message.bytes.capacity())
    }

    /// Reads what came and hands each whole message to `on`, until it answers false.
    ///
    /// `input` is unmasked in place.
    pub fn read(
        &mut self,
        input: &mut [u8],
        mut on: impl FnMut(Inbound<'_>) -> bool,
    ) -> Result<(), FrameError> {
        if self.partial.is_empty() {
            let used = self.consume(input, &mut on)?;
            self.partial.extend_from_slice(&input[used..]);
        } else {
            let mut held = std::mem::take(&mut self.partial);
            held.extend_from_slice(input);
            let used = self.consume(&mut held, &mut on)?;
            if used < held.len() {
                self.partial.extend_from_slice(&held[used..]);
            }
        }
        Ok(())
    }

    /// Handles the whole frames at the start of `bytes`; answers how many bytes they took.
    fn consume(
        &mut self,
        bytes: &mut [u8],
        on: &mut impl FnMut(Inbound<'_>) -> bool,
    ) -> Result<usize, FrameError> {
        let mut used = 0;
        while let Some(header) = parse_header(&bytes[used..])? {
            self.admit(&header)?;
            let frame = &mut bytes[used..];
            if frame.len() < header.start + header.len {
                self.check_start(&header, &frame[header.start.min(frame.len())..])?;
                break;
            }
            let payload = &mut frame[header.start..header.start + header.len];
            for (byte, mask) in payload.iter_mut().zip(header.mask.iter().cycle()) {
                *byte ^= mask;
            }
            used += header.start + header.len;
            if !self.dispatch(&header, payload, on)? {
                return Ok(bytes.len());
            }
        }
        Ok(used)
    }

    /// Refuses what is wrong or too large as soon as its header is known.
    fn admit(&self, header: &Header) -> Result<(), FrameError> {
        if header.opcode >= 8 {
            if header.len > MAX_CONTROL {
                return Err(FrameError::Protocol("control frame too long"));
            }
            if !header.last {
                return Err(FrameError::Protocol("fragmented control frame"));
            }
            return Ok(());
        }
        let before = match (&self.message, header.opcode) {
            (Some(message), 0) => message.bytes.len(),
            (None, 1 | 2) => 0,
            (None, _) => return Err(FrameError::Protocol("continuation of nothing")),
            (Some(_), _) => return Err(FrameError::Protocol("new message inside another")),
        };
        if before + header.len > MAX_INBOUND_PAYLOAD {
            return Err(FrameError::TooLarge);
        }
        Ok(())
    }

    /// Refuses a text as soon as it cannot become one, though its frame is not whole yet. `masked` is what
    /// there is of the payload.
    fn check_start(&self, header: &Header, masked: &[u8]) -> Result<(), FrameError> {
        let before = match &self.message {
            Some(message) if header.opcode == 0 && message.text => &message.bytes[..],
            None if header.opcode == 1 => &[],
            _ => return Ok(()),
        };
        let mut start = before.to_vec();
        start.extend(unmasked(masked, header.mask));
        check_text_start(&start)
    }

    fn dispatch(
        &mut self,
        header: &Header,
        payload: &[u8],
        on: &mut impl FnMut(Inbound<'_>) -> bool,
    ) -> Result<bool, FrameError> {
        match header.opcode {
            8 => Ok(on(Inbound::Close(close_code(payload)?))),
            9 => Ok(on(Inbound::Ping(payload))),
            10 => Ok(on(Inbound::Pong)),
            opcode => {
                if header.last && self.message.is_none() {
                    check_text(opcode == 1, payload)?;
                    return Ok(on(Inbound::Message(payload)));
                }
                let message = self.message.get_or_insert_with(|| {
                    Box::new(Fragments {
                        text: opcode == 1,
                        bytes: Vec::new(),
                    })
                });
                message.bytes.extend_from_slice(payload);
                if !header.last {
                    if message.text {
                        check_text_start(&message.bytes)?;
                    }
                    return Ok(true);
                }
                let whole = self.message.take().expect("a fragment was just added");
                check_text(whole.text, &whole.bytes)?;
                Ok(on(Inbound::Message(&whole.bytes)))
            }
        }
    }
}

/// Reads a frame's header; `None` while it is incomplete.
fn parse_header(bytes: &[u8]) -> Result<Option<Header>, FrameError> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    if first & 0x70 != 0 {
        return Err(FrameError::Protocol("reserved bits set"));
    }
    let opcode = first & 0x0f;
    if !matches!(opcode, 0..=2 | 8..=10) {
        return Err(FrameError::Protocol("unknown opcode"));
    }
    if second & 0x80 == 0 {
        return Err(FrameError::Protocol("client frame without mask"));
    }
    let (len, len_bytes) = match second & 0x7f {
        126 => match rest.get(..2) {
            Some(len) => (u64::from(u16::from_be_bytes([len[0], len[1]])), 2),
            None => return Ok(None),
        },
        127 => match rest.get(..8) {
            Some(len) => (u64::from_be_bytes(len.try_into().expect("eight bytes")), 8),
            None => return Ok(None),
        },
        len => (u64::from(len), 0),
    };
    let Ok(len) = usize::try_from(len) else {
        return Err(FrameError::TooLarge);
    };
    if len > usize::MAX / 2 {
        return Err(FrameError::TooLarge);
    }
    // The length is known before the mask is: refuse a giant at once.
    if opcode < 8 && len > MAX_INBOUND_PAYLOAD {
        return Err(FrameError::TooLarge);
    }
    let start = 2 + len_bytes + 4;
    let Some(mask) = bytes.get(start - 4..start) else {
        return Ok(None);
    };
    Ok(Some(Header {
        last: first & 0x80 != 0,
        opcode,
        start,
        len,
        mask: mask.try_into().expect("four bytes"),
    }))
}

fn check_text(text: bool, bytes: &[u8]) -> Result<(), FrameError> {
    if text && std::str::from_utf8(bytes).is_err() {
        return Err(FrameError::Utf8);
    }
    Ok(())
}

/// Whether bytes can be the beginning of a text: a character may be cut at their end.
fn check_text_start(bytes: &[u8]) -> Result<(), FrameError> {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_some() => Err(FrameError::Utf8),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn unmasked(masked: &[u8], mask: [u8; 4]) -> impl Iterator<Item = u8> {
    masked
        .iter()
        .zip(mask.into_iter().cycle())
        .map(|(byte, mask)| byte ^ mask)
}

fn close_code(payload: &[u8]) -> Result<Option<u16>, FrameError> {
    match payload {
        [] => Ok(None),
        [_] => Err(FrameError::Protocol("close code of one byte")),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return Err(FrameError::Protocol("close code that must not be sent"));
            }
            check_text(true, reason)?;
            Ok(Some(code))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        if payload.len() < 126 {
            bytes.push(0x80 | payload.len() as u8);
        } else {
            bytes.push(0xfe);
            bytes.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        }
        let mask = [1, 2, 3, 4];
        bytes.extend_from_slice(&mask);
        bytes.extend(
            payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        bytes
    }

    fn read_in_pieces(wire: &[u8], pieces: &[usize]) -> Result<Vec<String>, FrameError> {
        let mut reader = FrameReader::default();
        let mut seen = Vec::new();
        let mut at = 0;
        let mut sizes = pieces.iter().copied().cycle();
        while at < wire.len() {
            let size = sizes.next().unwrap_or(wire.len()).clamp(1, wire.len() - at);
            let mut piece = wire[at..at + size].to_vec();
            at += size;
            reader.read(&mut piece, |inbound| {
                seen.push(match inbound {
                    Inbound::Message(bytes) => format!("m{}", String::from_utf8_lossy(bytes)),
                    Inbound::Ping(bytes) => format!("p{}", bytes.len()),
                    Inbound::Pong => "o".to_owned(),
                    Inbound::Close(code) => format!("c{code:?}"),
                });
                true
            })?;
            assert!(reader.held() <= 3 * (MAX_INBOUND_PAYLOAD + 14));
        }
        Ok(seen)
    }

    #[test]
    fn control_frames_may_stand_between_fragments() {
        let mut wire = frame(0x01, b"he");
        wire.extend(frame(0x89, b"ping"));
        wire.extend(frame(0x00, b"l"));
        wire.extend(frame(0x80, b"lo"));
        wire.extend(frame(0x82, b"{}"));
        wire.extend(frame(0x88, &[0x0f, 0xa0]));
        let seen = read_in_pieces(&wire, &[wire.len()]).unwrap();
        assert_eq!(seen, ["p4", "mhello", "m{}", "cSome(4000)"]);
    }

    #[test]
    fn violations_are_refused() {
        use FrameError::{Protocol, TooLarge, Utf8};
        let unmasked = vec![0x81, 0x01, b'x'];
        let giant = vec![0x81, 0xff, 0, 0, 0, 1, 0, 0, 0, 0];
        let cases: Vec<(Vec<u8>, FrameError)> = vec![
            (unmasked, Protocol("client frame without mask")),
            (giant, TooLarge),
            (frame(0x81, &[b'x'; MAX_INBOUND_PAYLOAD + 1]), TooLarge),
            (
                [frame(0x01, &[b'x'; 4_000]), frame(0x80, &[b'x'; 97])].concat(),
                TooLarge,
            ),
            (frame(0xc1, b"x"), Protocol("reserved bits set")),
            (frame(0x83, b"x"), Protocol("unknown opcode")),
            (frame(0x80, b"x"), Protocol("continuation of nothing")),
            (
                [frame(0x01, b"x"), frame(0x81, b"x")].concat(),
                Protocol("new message inside another"),
            ),
            (frame(0x09, b"x"), Protocol("fragmented control frame")),
            (frame(0x89, &[0; 126]), Protocol("control frame too long")),
            (frame(0x88, &[1]), Protocol("close code of one byte")),
            (
                frame(0x88, &[0x03, 0xed]),
                Protocol("close code that must not be sent"),
            ),
            (frame(0x81, &[0xff]), Utf8),
        ];
        for (wire, error) in cases {
            assert_eq!(read_in_pieces(&wire, &[wire.len()]), Err(error));
            assert_eq!(read_in_pieces(&wire, &[1]), Err(error));
        }
        assert_eq!(
            read_in_pieces(&frame(0x82, &[0xff]), &[1]).unwrap().len(),
            1
        );
        let largest = frame(0x81, &[b'x'; MAX_INBOUND_PAYLOAD]);
        assert_eq!(read_in_pieces(&largest, &[100]).unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn splits_of_the_stream_do_not_matter(
            payloads in proptest::collection::vec(("[a-z]{0,300}", 0_u8..4), 0..12),
            pieces in proptest::collection::vec(1_usize..50, 1..20),
        ) {
            let mut wire = Vec::new();
            for (payload, shape) in &payloads {
                match shape {
                    0 => wire.extend(frame(0x81, payload.as_bytes())),
                    1 => wire.extend(frame(0x89, &payload.as_bytes()[..payload.len().min(125)])),
                    _ => {
                        let (head, tail) = payload.split_at(payload.len() / 2);
                        wire.extend(frame(0x01, head.as_bytes()));
                        wire.extend(frame(0x80, tail.as_bytes()));
                    }
                }
            }
            let whole = read_in_pieces(&wire, &[wire.len().max(1)]).unwrap();
            prop_assert_eq!(whole.len(), payloads.len());
            prop_assert_eq!(read_in_pieces(&wire, &pieces).unwrap(), whole);
        }

        #[test]
        fn noise_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..5_000)) {
            let _ = read_in_pieces(&noise, &[1_000]);
        }
    }
}
