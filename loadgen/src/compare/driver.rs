//! How one kind of server is spoken to: what receivers say until they are subscribed, what a message looks like.

pub(super) mod gateway;
#[cfg(test)]
mod hears;
pub(super) mod nats;
pub(super) mod plain;
pub(super) mod pusher;
pub(super) mod socket_io;

use std::time::Duration;

use super::tally::Tally;
use crate::client::frames::{Frame, Opcode};
use crate::client::outgoing;
use crate::endpoint::Endpoint;

/// Whose connection it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// The receiver with this number.
    Receiver(u32),
    /// The one that publishes, where that is done over a WebSocket.
    Publisher,
}

/// Where a WebSocket is opened.
#[derive(Debug, Clone)]
pub(super) struct Door {
    /// The server; its path is not used.
    pub(super) endpoint: Endpoint,
    /// Path and query of the upgrade.
    pub(super) target: String,
}

/// By which way messages are published.
#[derive(Debug, Clone)]
pub(super) enum Way {
    /// One WebSocket, any number of messages on their way.
    Socket,
    /// Keep-alive HTTP/1.1 connections to the server, one request at a time on each; 2xx acknowledges.
    Http(Endpoint, u32),
}

/// What a driver may do with what came.
#[derive(Debug)]
pub(super) struct Ear<'a> {
    /// Microseconds of [`crate::clock`] at which it was read.
    pub(super) now: u64,
    /// Frames to send back on the same connection.
    pub(super) replies: &'a mut Vec<u8>,
    /// Set once the connection is subscribed, or may publish.
    pub(super) ready: &'a mut bool,
    /// Takes the messages.
    pub(super) tally: &'a mut Tally,
}

impl Ear<'_> {
    /// Sends `text` back.
    pub(super) fn reply(&mut self, opcode: Opcode, text: &[u8]) {
        send(opcode, text, self.replies);
    }
}

/// Appends a frame; the mask need not be unforeseeable, as no proxy is in between.
pub(super) fn send(opcode: Opcode, text: &[u8], out: &mut Vec<u8>) {
    outgoing::frame(opcode, text, [0x5A, 0xC3, 0x3C, 0xA5], out);
}

/// Why a connection is of no use any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum DriverError {
    /// Not what the protocol has.
    #[error("unexpected from the server: {0}")]
    Unexpected(String),
    /// The drivers read whole messages, as all these servers send them.
    #[error("a message in fragments")]
    Fragmented,
}

impl DriverError {
    /// With the beginning of what came.
    pub(super) fn unexpected(text: &[u8]) -> Self {
        Self::Unexpected(String::from_utf8_lossy(&text[..text.len().min(120)]).into_owned())
    }
}

/// The payload of a frame that is a message.
pub(super) fn whole<'a>(frame: &Frame<'a>) -> Result<&'a [u8], DriverError> {
    if frame.fin && frame.opcode != Opcode::Continuation {
        Ok(frame.payload)
    } else {
        Err(DriverError::Fragmented)
    }
}

/// One protocol. Sans socket and clock: bytes go in and out.
///
/// The engine opens a WebSocket at [`Driver::door`] for each receiver, says [`Driver::opened`], hands over each data
/// frame by [`Driver::frame`] and waits until the driver has set [`Ear::ready`]; only when all are ready the publishing
/// connections are opened, in the same manner. Each message that a receiver gets must come to [`Tally::hear`] once.
pub(super) trait Driver {
    /// Where `who` connects.
    fn door(&self, who: Who) -> Door;

    /// By which way messages are published.
    fn way(&self) -> Way {
        Way::Socket
    }

    /// The upgrade was accepted: appends the frames to begin with.
    fn opened(&mut self, _who: Who, _out: &mut Vec<u8>) {}

    /// Takes one data frame.
    fn frame(&mut self, who: Who, frame: &Frame<'_>, ear: &mut Ear<'_>) -> Result<(), DriverError>;

    /// Appends what publishes `text`, message number `number` of the load: frames, or one HTTP request.
    fn publish(&mut self, number: u32, text: &[u8], out: &mut Vec<u8>);

    /// How often each receiver must be heard of, if it must.
    fn beat_every(&self) -> Option<Duration> {
        None
    }

    /// Appends the frame by which receiver `receiver` is heard of.
    fn beat(&mut self, _receiver: u32, _out: &mut Vec<u8>) {}
}
