//! The Discord gateway with everything a session of a bot author's library does, and messages posted over REST.

use std::io::Write as _;
use std::time::Duration;

use super::{Door, Driver, DriverError, Ear, Way, Who, send, whole};
use crate::client::frames::{Frame, Opcode};
use crate::client::outgoing;
use crate::client::payload::Envelope;
use crate::client::scan::scan;
use crate::endpoint::Endpoint;
use crate::plan::Client;

/// Keep-alive connections that post.
const POSTERS: u32 = 64;

/// The driver. Receiver `n` is the user of token `n`; the users take turns in posting.
#[derive(Debug)]
pub(in crate::compare) struct Gateway {
    /// Where sessions connect.
    socket: Endpoint,
    api: Endpoint,
    channel: u64,
    tokens: Vec<Box<str>>,
    /// Of each receiver: the last sequence number.
    seq: Vec<u64>,
    /// From HELLO; `None` before the first.
    interval: Option<Duration>,
}

impl Gateway {
    /// For a guild's channel and the tokens of its members.
    pub(in crate::compare) fn new(
        socket: Endpoint,
        api: Endpoint,
        channel: u64,
        tokens: Vec<Box<str>>,
    ) -> Self {
        let seq = vec![0; tokens.len()];
        Self {
            socket,
            api,
            channel,
            tokens,
            seq,
            interval: None,
        }
    }

    fn greet(&mut self, receiver: u32, text: &[u8], ear: &mut Ear<'_>) -> Result<(), DriverError> {
        let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(text) else {
            return Err(DriverError::unexpected(text));
        };
        if let Some(s) = envelope.s {
            self.seq[receiver as usize] = s;
        }
        match (envelope.op, envelope.t.as_deref()) {
            (10, _) => {
                let hello = envelope
                    .d
                    .and_then(|data| serde_json::from_str(data.get()).ok());
                let hello: crate::client::payload::Hello =
                    hello.ok_or_else(|| DriverError::unexpected(text))?;
                self.interval = Some(Duration::from_millis(hello.heartbeat_interval.into()));
                let identify =
                    outgoing::identify(&self.tokens[receiver as usize], &Client::of(receiver));
                ear.reply(Opcode::Text, identify.as_bytes());
            }
            // There is but one guild.
            (0, Some("GUILD_CREATE")) => *ear.ready = true,
            (0 | 11, _) => {}
            (1, _) => self.beat(receiver, ear.replies),
            _ => return Err(DriverError::unexpected(text)),
        }
        Ok(())
    }
}

impl Driver for Gateway {
    fn door(&self, _who: Who) -> Door {
        Door {
            endpoint: self.socket.clone(),
            target: format!("{}?v=10&encoding=json", self.socket.path),
        }
    }

    fn way(&self) -> Way {
        Way::Http(self.api.clone(), POSTERS)
    }

    fn frame(&mut self, who: Who, frame: &Frame<'_>, ear: &mut Ear<'_>) -> Result<(), DriverError> {
        let text = whole(frame)?;
        let Who::Receiver(receiver) = who else {
            return Err(DriverError::unexpected(text));
        };
        match scan(text) {
            Some(look) if look.op == 0 && look.t == Some(b"MESSAGE_CREATE") => {
                self.seq[receiver as usize] = look.s.unwrap_or_default();
                ear.tally.hear(receiver, text, ear.now);
                Ok(())
            }
            _ => self.greet(receiver, text, ear),
        }
    }

    fn publish(&mut self, number: u32, text: &[u8], out: &mut Vec<u8>) {
        let sender = number as usize % self.tokens.len();
        let length = text.len() + 14;
        let head = write!(
            out,
            "POST {}/channels/{}/messages HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n",
            self.api.path, self.channel, self.api.host, self.tokens[sender],
        );
        head.expect("invariant: writing to a Vec cannot fail");
        out.extend_from_slice(b"{\"content\":\"");
        out.extend_from_slice(text);
        out.extend_from_slice(b"\"}");
    }

    fn beat_every(&self) -> Option<Duration> {
        self.interval
    }

    fn beat(&mut self, receiver: u32, out: &mut Vec<u8>) {
        let text = outgoing::heartbeat(self.seq[receiver as usize]);
        send(Opcode::Text, text.as_bytes(), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::driver::hears::Hears;

    #[test]
    fn a_session_identifies_and_is_ready_with_its_guild() {
        let gateway = Endpoint::parse("ws://127.0.0.1:1/gateway", "ws").unwrap();
        let api = Endpoint::parse("http://127.0.0.1:1/api/v10", "http").unwrap();
        let mut driver = Gateway::new(gateway, api, 7, vec!["token-a".into()]);
        let mut hears = Hears::of(1);
        let text = hears.text(0, 80);
        let message =
            format!(r#"{{"t":"MESSAGE_CREATE","op":0,"d":{{"id":"5","content":"{text}"}},"s":3}}"#);
        let course = [
            (r#"{"op":10,"d":{"heartbeat_interval":41250}}"#, false),
            (r#"{"op":0,"t":"READY","s":1,"d":{}}"#, false),
            (r#"{"op":0,"t":"GUILD_CREATE","s":2,"d":{}}"#, true),
            (message.as_str(), true),
        ];
        for (payload, expected) in course {
            hears.frame(&mut driver, Opcode::Text, payload.as_bytes());
            assert_eq!(hears.ready, expected, "{payload}");
        }
        assert_eq!(hears.tally.delivered(), 1);
        assert_eq!(driver.seq, [3]);
        assert!(!hears.replies.is_empty());
        assert_eq!(driver.beat_every(), Some(Duration::from_millis(41_250)));
    }

    #[test]
    fn the_length_of_a_post_is_right() {
        let endpoint = Endpoint::parse("http://127.0.0.1:1/api/v10", "http").unwrap();
        let mut driver = Gateway::new(endpoint.clone(), endpoint, 7, vec!["t".into()]);
        let mut out = Vec::new();
        driver.publish(0, b"hello", &mut out);
        let text = String::from_utf8(out).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
        assert_eq!(body, r#"{"content":"hello"}"#);
    }
}
