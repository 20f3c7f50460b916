//! Socket.IO 4 over its WebSocket transport: receivers in the main namespace, the publisher in `/publish`.

use super::{Door, Driver, DriverError, Ear, Who, send, whole};
use crate::client::frames::{Frame, Opcode};
use crate::endpoint::Endpoint;

/// The driver.
#[derive(Debug)]
pub(in crate::compare) struct SocketIo {
    /// The server.
    pub(in crate::compare) endpoint: Endpoint,
}

/// Engine.IO's packet types and, after a 4, Socket.IO's.
const OPEN: u8 = b'0';
const PING: u8 = b'2';
const CONNECTED: &[u8] = b"40";
const EVENT: &[u8] = b"42";

impl Driver for SocketIo {
    fn door(&self, _who: Who) -> Door {
        Door {
            endpoint: self.endpoint.clone(),
            target: "/socket.io/?EIO=4&transport=websocket".to_owned(),
        }
    }

    fn frame(&mut self, who: Who, frame: &Frame<'_>, ear: &mut Ear<'_>) -> Result<(), DriverError> {
        let text = whole(frame)?;
        match (who, text) {
            (Who::Receiver(receiver), event) if event.starts_with(EVENT) => {
                ear.tally.hear(receiver, event, ear.now);
            }
            (Who::Receiver(_), [OPEN, ..]) => ear.reply(Opcode::Text, b"40"),
            (Who::Publisher, [OPEN, ..]) => ear.reply(Opcode::Text, b"40/publish,"),
            (_, [PING]) => ear.reply(Opcode::Text, b"3"),
            (_, connected) if connected.starts_with(CONNECTED) => *ear.ready = true,
            (_, other) => return Err(DriverError::unexpected(other)),
        }
        Ok(())
    }

    fn publish(&mut self, _number: u32, text: &[u8], out: &mut Vec<u8>) {
        // The text has no character that JSON escapes.
        let event = [b"42/publish,[\"publish\",\"", text, b"\"]"].concat();
        send(Opcode::Text, &event, out);
    }
}
