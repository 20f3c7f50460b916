//! NATS over WebSocket: its line protocol in binary frames, which may cut a message anywhere.

use memchr::memmem;

use super::{Door, Driver, DriverError, Ear, Who, send};
use crate::client::frames::{Frame, Opcode};
use crate::endpoint::Endpoint;
use crate::marker::decimal;

/// The subject of all messages.
const SUBJECT: &str = "compare";

/// The driver.
#[derive(Debug)]
pub(in crate::compare) struct Nats {
    endpoint: Endpoint,
    /// Of each receiver, then of the publisher: what came of a line or message that is not whole. Emptied when it is.
    partial: Vec<Vec<u8>>,
}

/// One operation of the server's.
#[derive(Debug, PartialEq, Eq)]
enum Operation<'a> {
    Message(&'a [u8]),
    Ping,
    Pong,
    Info,
    Other(&'a [u8]),
}

impl Nats {
    /// For `receivers` receivers.
    pub(in crate::compare) fn new(endpoint: Endpoint, receivers: u32) -> Self {
        Self {
            endpoint,
            partial: vec![Vec::new(); receivers as usize + 1],
        }
    }
}

/// The operation at the start of `bytes` and its length; `None` if it is not whole.
fn operation(bytes: &[u8]) -> Option<(Operation<'_>, usize)> {
    let end = memmem::find(bytes, b"\r\n")?;
    let (line, after) = (&bytes[..end], end + 2);
    let operation = match line {
        [b'M', b'S', b'G', b' ', ..] => {
            let length = line.rsplit(|byte| *byte == b' ').next().and_then(decimal);
            let Some(length) = length.and_then(|length| usize::try_from(length).ok()) else {
                return Some((Operation::Other(line), after));
            };
            let payload = bytes.get(after..)?.get(..length)?;
            // The line end after the payload belongs to it.
            bytes.get(after + length..after + length + 2)?;
            return Some((Operation::Message(payload), after + length + 2));
        }
        b"PING" => Operation::Ping,
        b"PONG" => Operation::Pong,
        [b'I', b'N', b'F', b'O', ..] => Operation::Info,
        other => Operation::Other(other),
    };
    Some((operation, after))
}

/// Takes the whole operations of `bytes`; gives the length of what was taken.
fn take(bytes: &[u8], who: Who, ear: &mut Ear<'_>) -> Result<usize, DriverError> {
    let mut taken = 0;
    while let Some((operation, length)) = operation(&bytes[taken..]) {
        match (operation, who) {
            (Operation::Message(text), Who::Receiver(receiver)) => {
                ear.tally.hear(receiver, text, ear.now);
            }
            (Operation::Ping, _) => ear.reply(Opcode::Binary, b"PONG\r\n"),
            (Operation::Pong, _) => *ear.ready = true,
            (Operation::Info, _) => {}
            (Operation::Message(other) | Operation::Other(other), _) => {
                return Err(DriverError::unexpected(other));
            }
        }
        taken += length;
    }
    Ok(taken)
}

impl Driver for Nats {
    fn door(&self, _who: Who) -> Door {
        Door {
            endpoint: self.endpoint.clone(),
            target: "/".to_owned(),
        }
    }

    fn opened(&mut self, who: Who, out: &mut Vec<u8>) {
        let subscribe = match who {
            Who::Receiver(_) => format!("SUB {SUBJECT} 1\r\n"),
            Who::Publisher => String::new(),
        };
        // The answer to the ping says that the subscription counts.
        let text =
            format!("CONNECT {{\"verbose\":false,\"pedantic\":false}}\r\n{subscribe}PING\r\n");
        send(Opcode::Binary, text.as_bytes(), out);
    }

    fn frame(&mut self, who: Who, frame: &Frame<'_>, ear: &mut Ear<'_>) -> Result<(), DriverError> {
        let slot = match who {
            Who::Receiver(receiver) => receiver as usize,
            Who::Publisher => self.partial.len() - 1,
        };
        let partial = &mut self.partial[slot];
        if partial.is_empty() {
            let taken = take(frame.payload, who, ear)?;
            partial.extend_from_slice(&frame.payload[taken..]);
        } else {
            partial.extend_from_slice(frame.payload);
            let taken = take(partial, who, ear)?;
            partial.drain(..taken);
        }
        Ok(())
    }

    fn publish(&mut self, _number: u32, text: &[u8], out: &mut Vec<u8>) {
        let head = format!("PUB {SUBJECT} {}\r\n", text.len());
        let operation = [head.as_bytes(), text, b"\r\n"].concat();
        send(Opcode::Binary, &operation, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::driver::hears::Hears;

    /// What a server sends to a subscriber of three messages.
    fn stream(hears: &Hears) -> Vec<u8> {
        let mut stream = b"INFO {\"a\":1}\r\nPONG\r\n".to_vec();
        for publish in 0..3 {
            let text = hears.text(publish, 60);
            stream.extend_from_slice(format!("MSG compare 1 {}\r\n", text.len()).as_bytes());
            stream.extend_from_slice(text.as_bytes());
            stream.extend_from_slice(b"\r\nPING\r\n");
        }
        stream
    }

    #[test]
    fn messages_are_found_however_the_stream_is_cut() {
        let mut hears = Hears::of(3);
        let stream = stream(&hears);
        for cut in 1..stream.len() {
            let endpoint = Endpoint::parse("ws://127.0.0.1:1", "ws").unwrap();
            let mut driver = Nats::new(endpoint, 1);
            hears.replies.clear();
            hears.ready = false;
            let before = hears.tally.heard();
            for payload in [&stream[..cut], &stream[cut..]] {
                hears.frame(&mut driver, Opcode::Binary, payload);
            }
            assert!(hears.ready);
            assert_eq!(hears.tally.heard() - before, 3, "cut at {cut}");
            // Three answers to pings, each a header, a mask and six bytes.
            assert_eq!(hears.replies.len(), 3 * 12);
        }
        assert_eq!(hears.tally.delivered(), 3);
    }
}
