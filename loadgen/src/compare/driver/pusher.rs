//! The Pusher Channels protocol, version 7: everybody subscribes to one private channel, and one of them sends client events to
//! it. Not over the HTTP API: Soketi ends the connection after each post.

use std::fmt::Write as _;
use std::time::Duration;

use hmac::{Hmac, Mac as _};
use serde::Deserialize;
use sha2::Sha256;

use super::{Door, Driver, DriverError, Ear, Who, send, whole};
use crate::client::frames::{Frame, Opcode};
use crate::endpoint::Endpoint;

/// The channel of all messages.
const CHANNEL: &str = "private-compare";

/// The start of a message, as servers pass it on.
const EVENT: &[u8] = b"{\"event\":\"client-m\"";

/// A client is to be heard of within 120 s.
const BEAT: Duration = Duration::from_secs(50);

/// An application, as a server is configured with it. It must allow client events.
#[derive(Debug, Clone)]
pub(in crate::compare) struct App {
    /// In the path of the WebSocket.
    pub(in crate::compare) key: String,
    /// Signs subscriptions.
    pub(in crate::compare) secret: String,
}

/// The driver.
#[derive(Debug)]
pub(in crate::compare) struct Pusher {
    /// The server.
    pub(in crate::compare) endpoint: Endpoint,
    /// One of its applications.
    pub(in crate::compare) app: App,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    event: &'a str,
    /// JSON in a string, in the first event.
    data: Option<&'a serde_json::value::RawValue>,
}

#[derive(Deserialize)]
struct Established {
    socket_id: String,
}

impl Pusher {
    /// What lets connection `socket_id` subscribe to `channel`.
    fn auth(&self, socket_id: &str, channel: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.app.secret.as_bytes())
            .expect("invariant: any length of key is taken");
        mac.update(format!("{socket_id}:{channel}").as_bytes());
        let start = format!("{}:", self.app.key);
        let signature = mac.finalize().into_bytes();
        signature.iter().fold(start, |mut out, byte| {
            // Writing to a String cannot fail.
            let _ = write!(out, "{byte:02x}");
            out
        })
    }

    fn subscribe(&self, data: &str) -> Option<String> {
        let data: String = serde_json::from_str(data).ok()?;
        let established: Established = serde_json::from_str(&data).ok()?;
        let auth = self.auth(&established.socket_id, CHANNEL);
        Some(format!(
            r#"{{"event":"pusher:subscribe","data":{{"channel":"{CHANNEL}","auth":"{auth}"}}}}"#
        ))
    }
}

impl Driver for Pusher {
    fn door(&self, _who: Who) -> Door {
        Door {
            endpoint: self.endpoint.clone(),
            target: format!(
                "/app/{}?protocol=7&client=loadgen&version=1.0&flash=false",
                self.app.key
            ),
        }
    }

    fn frame(&mut self, who: Who, frame: &Frame<'_>, ear: &mut Ear<'_>) -> Result<(), DriverError> {
        let text = whole(frame)?;
        match who {
            Who::Receiver(receiver) if text.starts_with(EVENT) => {
                ear.tally.hear(receiver, text, ear.now);
                return Ok(());
            }
            _ => {}
        }
        let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(text) else {
            return Err(DriverError::unexpected(text));
        };
        match (envelope.event, who) {
            ("pusher:connection_established", _) => {
                let subscribe = envelope.data.and_then(|data| self.subscribe(data.get()));
                let subscribe = subscribe.ok_or_else(|| DriverError::unexpected(text))?;
                ear.reply(Opcode::Text, subscribe.as_bytes());
            }
            ("pusher_internal:subscription_succeeded", _) => *ear.ready = true,
            ("pusher:ping", _) => {
                ear.reply(Opcode::Text, br#"{"event":"pusher:pong","data":{}}"#);
            }
            ("pusher:pong", _) => {}
            // With its members in another order.
            ("client-m", Who::Receiver(receiver)) => ear.tally.hear(receiver, text, ear.now),
            _ => return Err(DriverError::unexpected(text)),
        }
        Ok(())
    }

    fn publish(&mut self, _number: u32, text: &[u8], out: &mut Vec<u8>) {
        // The text has no character that JSON escapes.
        let start = format!(r#"{{"event":"client-m","channel":"{CHANNEL}","data":""#);
        let event = [start.as_bytes(), text, b"\"}"].concat();
        send(Opcode::Text, &event, out);
    }

    fn beat_every(&self) -> Option<Duration> {
        Some(BEAT)
    }

    fn beat(&mut self, _receiver: u32, out: &mut Vec<u8>) {
        send(Opcode::Text, br#"{"event":"pusher:ping","data":{}}"#, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::driver::hears::Hears;

    fn driver() -> Pusher {
        // The application and the subscription that the protocol's documentation signs.
        let app = App {
            key: "278d425bdf160c739803".to_owned(),
            secret: "7ad3773142a6692b25b8".to_owned(),
        };
        let endpoint = Endpoint::parse("ws://127.0.0.1:1", "ws").unwrap();
        Pusher { endpoint, app }
    }

    #[test]
    fn a_subscription_is_signed_as_the_documentation_does_it() {
        assert_eq!(
            driver().auth("1234.1234", "private-foobar"),
            "278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4"
        );
    }

    #[test]
    fn a_receiver_subscribes_is_ready_and_hears() {
        let mut driver = driver();
        let mut hears = Hears::of(1);
        let text = hears.text(0, 80);
        let message =
            format!(r#"{{"event":"client-m","channel":"private-compare","data":"{text}"}}"#);
        for (payload, expected) in [
            (
                r#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.2\"}"}"#,
                false,
            ),
            (
                r#"{"event":"pusher_internal:subscription_succeeded","channel":"private-compare"}"#,
                true,
            ),
            (r#"{"event":"pusher:pong","data":{}}"#, true),
            (message.as_str(), true),
        ] {
            hears.frame(&mut driver, Opcode::Text, payload.as_bytes());
            assert_eq!(hears.ready, expected, "{payload}");
        }
        assert_eq!(hears.tally.delivered(), 1);
        assert!(!hears.replies.is_empty());
    }
}
