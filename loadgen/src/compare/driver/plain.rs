//! Text messages over plain WebSockets: what the publisher sends, every receiver gets as it is.
//!
//! Receivers connect to `/subscribe`, the publisher to `/publish`; the server says `ready` to each once it counts.

use super::{Door, Driver, DriverError, Ear, Who, send, whole};
use crate::client::frames::{Frame, Opcode};
use crate::endpoint::Endpoint;

/// What the server says to a connection that counts.
pub(in crate::compare) const READY: &str = "ready";

/// The driver.
#[derive(Debug)]
pub(in crate::compare) struct Plain {
    /// The server.
    pub(in crate::compare) endpoint: Endpoint,
}

impl Driver for Plain {
    fn door(&self, who: Who) -> Door {
        let target = match who {
            Who::Receiver(_) => "/subscribe",
            Who::Publisher => "/publish",
        };
        Door {
            endpoint: self.endpoint.clone(),
            target: target.to_owned(),
        }
    }

    fn frame(&mut self, who: Who, frame: &Frame<'_>, ear: &mut Ear<'_>) -> Result<(), DriverError> {
        let text = whole(frame)?;
        match who {
            _ if text == READY.as_bytes() => *ear.ready = true,
            Who::Receiver(receiver) => ear.tally.hear(receiver, text, ear.now),
            Who::Publisher => return Err(DriverError::unexpected(text)),
        }
        Ok(())
    }

    fn publish(&mut self, _number: u32, text: &[u8], out: &mut Vec<u8>) {
        send(Opcode::Text, text, out);
    }
}
