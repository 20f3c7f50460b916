//! A connection's way out: control frames first, then the session's events, all that is pending in
//! one write.
//!
//! A lane owns nothing while there is nothing to write: frames are put together in a scratch
//! buffer of the worker, and only what the socket did not take is kept.

use std::collections::VecDeque;
use std::ops::AddAssign;

use bytes::Bytes;

use super::batch::{Batch, WRITE_SIZE};
use super::envelope;
use super::outbox::Outbox;
use super::wire::{BINARY, CLOSE, PONG, TEXT, write_header};
use crate::protocol::CloseCode;
use crate::protocol::compression::CompressedStream;

/// Most control frames that may wait: what a client provokes beyond it is answered with a close.
pub const MAX_CONTROL_FRAMES: usize = 64;

/// How payloads are turned into WebSocket messages.
#[derive(Debug, Default)]
pub enum Encoding {
    /// JSON in text messages.
    #[default]
    Json,
    /// JSON in one compressed stream, a binary message per payload.
    CompressedJson(Box<CompressedStream>),
}

#[derive(Debug)]
enum Control {
    /// Bytes as they are: the answer to the handshake.
    Raw(Bytes),
    /// A gateway payload: JSON.
    Payload(Bytes),
    /// A WebSocket pong.
    Pong(Bytes),
    /// A WebSocket close; nothing follows.
    Close(u16, &'static str),
}

/// What waits to be written to one connection, besides the session's events.
#[derive(Debug, Default)]
pub struct Lane {
    encoding: Encoding,
    control: VecDeque<Control>,
    /// What the socket did not take of the last write.
    rest: Option<Box<Rest>>,
    closing: bool,
}

#[derive(Debug)]
struct Rest {
    bytes: Box<[u8]>,
    /// How many of them are written by now.
    written: usize,
}

/// The control queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlOverflow;

impl Lane {
    /// A lane with this encoding.
    pub fn new(encoding: Encoding) -> Self {
        Self {
            encoding,
            ..Self::default()
        }
    }

    /// Whether payloads are compressed.
    pub const fn is_compressed(&self) -> bool {
        matches!(self.encoding, Encoding::CompressedJson(_))
    }

    /// Queues bytes that are no frame: the answer to the handshake, before anything else.
    pub fn raw(&mut self, bytes: impl Into<Bytes>) -> Result<(), ControlOverflow> {
        self.push(Control::Raw(bytes.into()))
    }

    /// Queues a gateway payload without a sequence number.
    pub fn payload(&mut self, payload: impl Into<Bytes>) -> Result<(), ControlOverflow> {
        self.push(Control::Payload(payload.into()))
    }

    /// Queues a pong.
    pub fn pong(&mut self, data: Bytes) -> Result<(), ControlOverflow> {
        self.push(Control::Pong(data))
    }

    /// Queues a close frame: what waits is written first, but no further events.
    pub fn close(&mut self, code: CloseCode) {
        self.close_with(code.code(), code.reason());
    }

    /// Queues a close frame with the client's own code, as the answer to its close.
    pub fn echo_close(&mut self, code: u16) {
        self.close_with(code, "");
    }

    fn close_with(&mut self, code: u16, reason: &'static str) {
        if !self.closing {
            self.closing = true;
            self.control.push_back(Control::Close(code, reason));
        }
    }

    /// Whether a close frame is queued or written.
    pub const fn is_closing(&self) -> bool {
        self.closing
    }

    /// Whether there is something to write, the session's events aside.
    pub fn has_pending(&self) -> bool {
        self.rest.is_some() || !self.control.is_empty()
    }

    /// Bytes that the socket did not take yet.
    pub fn unwritten(&self) -> usize {
        self.rest
            .as_ref()
            .map_or(0, |rest| rest.bytes.len() - rest.written)
    }

    fn push(&mut self, control: Control) -> Result<(), ControlOverflow> {
        if self.closing {
            return Ok(());
        }
        if self.control.len() >= MAX_CONTROL_FRAMES {
            return Err(ControlOverflow);
        }
        self.control.push_back(control);
        Ok(())
    }

    /// Puts together what is to be written next, up to about [`WRITE_SIZE`], and hands it to
    /// `write`, until nothing is left or the socket takes no more.
    ///
    /// `write` answers how many bytes it took, or `WouldBlock`. Returns the events encoded.
    pub fn flush(
        &mut self,
        mut events: Option<&mut Outbox>,
        batch: &mut Batch,
        mut write: impl FnMut(&[u8]) -> std::io::Result<usize>,
    ) -> std::io::Result<Flushed> {
        let mut flushed = Flushed::default();
        batch.begin();
        loop {
            if let Some(rest) = &mut self.rest {
                let took = take(&rest.bytes[rest.written..], &mut flushed, &mut write)?;
                rest.written += took;
                if rest.written < rest.bytes.len() {
                    return Ok(flushed);
                }
                self.rest = None;
            }
            flushed.events += self.encode(events.as_deref_mut(), batch);
            let bytes = batch.bytes();
            if bytes.is_empty() {
                return Ok(flushed);
            }
            let written = take(bytes, &mut flushed, &mut write)?;
            if written < bytes.len() {
                self.rest = Some(Box::new(Rest {
                    bytes: bytes[written..].into(),
                    written: 0,
                }));
                return Ok(flushed);
            }
        }
    }

    /// Puts together what is pending; answers how many events are among it.
    fn encode(&mut self, events: Option<&mut Outbox>, batch: &mut Batch) -> usize {
        let events = events.filter(|_| !self.closing);
        match (&self.encoding, events) {
            // All that most writes are.
            (Encoding::Json, Some(events)) if self.control.is_empty() => batch.put_events(events),
            (_, events) => batch.put(|out| {
                self.encode_control(out);
                events.map_or(0, |events| self.encode_events(events, out))
            }),
        }
    }

    fn encode_control(&mut self, out: &mut Vec<u8>) {
        while let Some(control) = self.control.pop_front() {
            match control {
                Control::Raw(bytes) => out.extend_from_slice(&bytes),
                Control::Payload(payload) => self.encode_payload(&payload, &[], out),
                Control::Pong(data) => {
                    write_header(out, PONG, data.len());
                    out.extend_from_slice(&data);
                }
                Control::Close(code, reason) => {
                    write_header(out, CLOSE, 2 + reason.len());
                    out.extend_from_slice(&code.to_be_bytes());
                    out.extend_from_slice(reason.as_bytes());
                }
            }
        }
        // Most connections have none for most of the time.
        self.control = VecDeque::new();
    }

    fn encode_events(&mut self, events: &mut Outbox, out: &mut Vec<u8>) -> usize {
        let (mut count, mut suffix) = (0, Vec::new());
        while out.len() < WRITE_SIZE
            && let Some((seq, frame)) = events.send_next()
        {
            count += 1;
            suffix.clear();
            envelope::write_suffix(&mut suffix, seq);
            self.encode_payload(&frame.to_bytes(), &suffix, out);
        }
        count
    }

    fn encode_payload(&mut self, payload: &[u8], suffix: &[u8], out: &mut Vec<u8>) {
        match &mut self.encoding {
            Encoding::Json => {
                write_header(out, TEXT, payload.len() + suffix.len());
                out.extend_from_slice(payload);
                out.extend_from_slice(suffix);
            }
            Encoding::CompressedJson(stream) => {
                let mut compressed = Vec::new();
                stream.compress(&[payload, suffix], &mut compressed);
                write_header(out, BINARY, compressed.len());
                out.extend_from_slice(&compressed);
            }
        }
    }
}

/// Hands bytes to `write` until they are written or it takes no more, which is noted; answers how many it took.
fn take(
    bytes: &[u8],
    flushed: &mut Flushed,
    write: &mut impl FnMut(&[u8]) -> std::io::Result<usize>,
) -> std::io::Result<usize> {
    let mut written = 0;
    while written < bytes.len() {
        match write(&bytes[written..]) {
            Ok(0) => return Err(std::io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                flushed.writes += 1;
                flushed.bytes += count;
                written += count;
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                flushed.blocked = true;
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}

/// What one flush did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flushed {
    /// Events encoded.
    pub events: usize,
    /// Calls of `write` that took something.
    pub writes: usize,
    /// Bytes taken.
    pub bytes: usize,
    /// Whether the socket takes no more for now.
    pub blocked: bool,
}

impl AddAssign for Flushed {
    /// What two flushes, one after the other, did.
    fn add_assign(&mut self, next: Self) {
        self.events += next.events;
        self.writes += next.writes;
        self.bytes += next.bytes;
        self.blocked = next.blocked;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fanout::outbox::PLENTY;

    fn outbox(count: usize) -> Outbox {
        let mut outbox = Outbox::default();
        for i in 0..count {
            let body = format!("{{\"t\":\"X\",\"op\":0,\"d\":{i}");
            outbox.push(Bytes::from(body).into(), &PLENTY);
        }
        outbox
    }

    /// Payloads of unmasked text frames.
    fn texts(mut wire: &[u8]) -> Vec<String> {
        let mut texts = Vec::new();
        while !wire.is_empty() {
            let (len, head) = match wire[1] {
                126 => (usize::from(u16::from_be_bytes([wire[2], wire[3]])), 4),
                len => (usize::from(len), 2),
            };
            texts.push(String::from_utf8_lossy(&wire[head..head + len]).into_owned());
            wire = &wire[head + len..];
        }
        texts
    }

    #[test]
    fn all_pending_frames_leave_in_one_write_control_first() {
        let mut lane = Lane::default();
        let mut events = outbox(3);
        lane.payload("{\"op\":11}").unwrap();
        let mut wire = Vec::new();
        let flushed = lane
            .flush(Some(&mut events), &mut Batch::default(), |bytes| {
                wire.extend_from_slice(bytes);
                Ok(bytes.len())
            })
            .unwrap();
        assert_eq!(
            (flushed.writes, flushed.events, flushed.blocked),
            (1, 3, false)
        );
        assert_eq!(texts(&wire)[0], "{\"op\":11}");
        assert_eq!(texts(&wire)[3], "{\"t\":\"X\",\"op\":0,\"d\":2,\"s\":3}");
    }

    #[test]
    fn a_socket_that_takes_bits_at_a_time_gets_every_byte_in_order() {
        let mut whole = Vec::new();
        Lane::default()
            .flush(Some(&mut outbox(100)), &mut Batch::default(), |bytes| {
                whole.extend_from_slice(bytes);
                Ok(bytes.len())
            })
            .unwrap();
        let mut lane = Lane::default();
        let mut events = outbox(100);
        let mut pieces = Vec::new();
        loop {
            let mut budget = 7;
            let flushed = lane
                .flush(Some(&mut events), &mut Batch::default(), |bytes| {
                    if budget == 0 {
                        return Err(std::io::ErrorKind::WouldBlock.into());
                    }
                    let take = bytes.len().min(budget);
                    budget -= take;
                    pieces.extend_from_slice(&bytes[..take]);
                    Ok(take)
                })
                .unwrap();
            if !flushed.blocked {
                break;
            }
        }
        assert_eq!(pieces, whole);
        assert_eq!(lane.unwritten(), 0);
        assert!(lane.rest.is_none(), "an idle lane owns nothing");
        assert_eq!(lane.control.capacity(), 0, "an idle lane owns nothing");
    }

    #[test]
    fn the_answer_to_the_handshake_and_hello_are_one_write() {
        let mut lane = Lane::default();
        lane.raw(&b"HTTP/1.1 101\r\n\r\n"[..]).unwrap();
        lane.payload("{\"op\":10}").unwrap();
        let mut writes = Vec::new();
        lane.flush(None, &mut Batch::default(), |bytes| {
            writes.push(bytes.to_vec());
            Ok(bytes.len())
        })
        .unwrap();
        assert_eq!(writes.len(), 1);
        assert_eq!(writes[0], b"HTTP/1.1 101\r\n\r\n\x81\x09{\"op\":10}");
    }

    #[test]
    fn a_control_frame_overtakes_every_event_that_is_not_in_the_socket_yet() {
        let mut lane = Lane::default();
        let mut events = outbox(3);
        let mut wire = Vec::new();
        let mut budget = 10;
        let flushed = lane.flush(Some(&mut events), &mut Batch::default(), |bytes| {
            let take = bytes.len().min(std::mem::take(&mut budget));
            wire.extend_from_slice(&bytes[..take]);
            if take == 0 {
                return Err(std::io::ErrorKind::WouldBlock.into());
            }
            Ok(take)
        });
        assert!(flushed.unwrap().blocked);
        let mut later = outbox(4);
        for _ in 0..3 {
            later.send_next();
        }
        lane.payload("{\"op\":11}").unwrap();
        lane.flush(Some(&mut later), &mut Batch::default(), |bytes| {
            wire.extend_from_slice(bytes);
            Ok(bytes.len())
        })
        .unwrap();
        let texts = texts(&wire);
        assert_eq!(texts[3], "{\"op\":11}");
        assert!(texts[4].ends_with("\"s\":4}"));
    }

    #[test]
    fn nothing_follows_a_close_frame() {
        let mut lane = Lane::default();
        lane.close(CloseCode::RateLimited);
        lane.close(CloseCode::DecodeError);
        lane.payload("x").unwrap();
        let mut wire = Vec::new();
        lane.flush(Some(&mut outbox(2)), &mut Batch::default(), |bytes| {
            wire.extend_from_slice(bytes);
            Ok(bytes.len())
        })
        .unwrap();
        assert_eq!(wire[0], CLOSE);
        assert_eq!(&wire[2..4], &4008_u16.to_be_bytes());
        assert_eq!(wire.len(), 2 + usize::from(wire[1]));
    }

    #[test]
    fn i7_control_frames_are_bounded() {
        let mut lane = Lane::default();
        for _ in 0..MAX_CONTROL_FRAMES {
            lane.payload("x").unwrap();
        }
        assert_eq!(lane.pong(Bytes::new()), Err(ControlOverflow));
        lane.close(CloseCode::RateLimited);
        assert!(lane.is_closing());
    }
}
