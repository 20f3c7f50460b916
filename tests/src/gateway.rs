//! A gateway connection, as a client library has one.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_websockets::{ClientBuilder, CloseCode, Message, WebSocketStream};

use crate::compressed::Compressed;
use crate::deadline::{DEADLINE, within};
use crate::payload::Payload;
use crate::server::Server;
use crate::wire::Wire;

/// Names of payloads that are kept for the message of a failure.
const REMEMBERED: usize = 20;

/// What came over a connection.
#[derive(Debug, Clone, PartialEq)]
pub enum Received {
    /// A payload.
    Payload(Payload),
    /// The server closed with this code.
    Closed(u16),
    /// The connection ended without a close.
    Lost,
}

/// A connection and how far it has been read.
///
/// Every dispatch is checked to have the sequence number after the last one.
pub struct Gateway {
    socket: WebSocketStream<Wire>,
    compressed: Option<Compressed>,
    seq: u64,
    passed: VecDeque<String>,
    local: SocketAddr,
}

impl Gateway {
    /// Connects with the usual query, reads Hello.
    pub async fn connect(server: &Server) -> Self {
        Self::connect_with(server, "/gateway?v=10&encoding=json").await
    }

    /// Connects with this path and query, reads Hello. With `compress=zlib-stream` in it every
    /// message has to be a binary one of a single deflate stream; otherwise every one a text.
    pub async fn connect_with(server: &Server, path: &str) -> Self {
        let mut gateway = Self::open(server, path).await;
        let hello = gateway.expect_op(10).await;
        let interval = &hello.d["heartbeat_interval"];
        assert!(interval.is_u64(), "Hello without an interval: {}", hello.d);
        gateway
    }

    /// Connects and reads nothing.
    pub async fn open(server: &Server, path: &str) -> Self {
        let opened = within(
            "the upgrade",
            Self::dial_under(server.tls(), server.address(), path),
        )
        .await;
        opened.unwrap_or_else(|error| panic!("upgrade of {path}: {error}"))
    }

    /// The same to a server that may be gone: an error where there is no upgrade.
    pub async fn dial(address: SocketAddr, path: &str) -> Result<Self, tokio_websockets::Error> {
        Self::dial_under(None, address, path).await
    }

    async fn dial_under(
        tls: Option<Arc<rustls::ClientConfig>>,
        address: SocketAddr,
        path: &str,
    ) -> Result<Self, tokio_websockets::Error> {
        let uri = format!("ws://{address}{path}");
        let uri = uri.parse().expect("a URI");
        let stream = Wire::connect(address, tls).await?;
        let local = stream.socket().local_addr()?;
        let (socket, _) = ClientBuilder::from_uri(uri).connect_on(stream).await?;
        Ok(Self {
            socket,
            compressed: Compressed::asked_by(path),
            seq: 0,
            passed: VecDeque::new(),
            local,
        })
    }

    /// The last sequence number seen.
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// This end's address.
    pub const fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// What comes next, however long it takes.
    pub async fn receive(&mut self) -> Received {
        loop {
            let Some(Ok(message)) = self.socket.next().await else {
                return Received::Lost;
            };
            if let Some((code, _)) = message.as_close() {
                return Received::Closed(u16::from(code));
            }
            if message.is_ping() || message.is_pong() {
                continue;
            }
            let payload = if let Some(stream) = &mut self.compressed {
                assert!(message.is_binary(), "a text message in a stream");
                Payload::read(&stream.message(message.as_payload()))
            } else {
                assert!(message.is_text(), "a binary message without compression");
                Payload::read(message.as_payload())
            };
            self.note(&payload);
            return Received::Payload(payload);
        }
    }

    fn note(&mut self, payload: &Payload) {
        if self.passed.len() == REMEMBERED {
            self.passed.pop_front();
        }
        self.passed.push_back(payload.name());
        let Some(seq) = payload.s else { return };
        if payload.is("READY") {
            assert_eq!(seq, 1, "a session counts from READY");
        } else {
            let name = payload.name();
            assert_eq!(seq, self.seq + 1, "{name} after {:?}", self.passed);
        }
        self.seq = seq;
    }

    /// The next payload. Panics where the connection ends or nothing comes.
    pub async fn next(&mut self) -> Payload {
        self.next_for("a payload").await
    }

    async fn next_for(&mut self, what: &str) -> Payload {
        let received = tokio::time::timeout(DEADLINE, self.receive()).await;
        let passed = &self.passed;
        match received
            .unwrap_or_else(|_| panic!("{what}: not within {DEADLINE:?} after {passed:?}"))
        {
            Received::Payload(payload) => payload,
            other => panic!("{what} expected, got {other:?} after {passed:?}"),
        }
    }

    /// Reads on to the next payload with this opcode.
    pub async fn expect_op(&mut self, op: u64) -> Payload {
        let what = format!("op {op}");
        loop {
            let payload = self.next_for(&what).await;
            if payload.op == op {
                return payload;
            }
        }
    }

    /// Reads on to the next dispatch of this name and gives its data.
    pub async fn expect_event(&mut self, event: &str) -> Value {
        self.expect_event_where(event, |_| true).await
    }

    /// Reads on to the next dispatch of this name whose data is as wanted, and gives the data.
    pub async fn expect_event_where(
        &mut self,
        event: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        loop {
            let payload = self.next_for(event).await;
            if payload.is(event) && wanted(&payload.d) {
                return payload.d;
            }
        }
    }

    /// Reads on to the message with this content and gives every payload before it.
    pub async fn until_message(&mut self, content: &str) -> Vec<Payload> {
        let mut before = Vec::new();
        loop {
            let payload = self.next_for(content).await;
            if payload.is("MESSAGE_CREATE") && payload.d["content"] == content {
                return before;
            }
            before.push(payload);
        }
    }

    /// Reads on to the server's close and gives its code. Panics where the connection ends without.
    pub async fn expect_close(&mut self) -> u16 {
        loop {
            match within("a close", self.receive()).await {
                Received::Payload(_) => {}
                Received::Closed(code) => return code,
                Received::Lost => panic!("lost without a close after {:?}", self.passed),
            }
        }
    }

    /// Sends a payload as text.
    pub async fn send(&mut self, payload: Value) {
        self.send_message(Message::text(payload.to_string())).await;
    }

    /// Sends a text as it is.
    pub async fn send_text(&mut self, text: impl Into<String>) {
        self.send_message(Message::text(text.into())).await;
    }

    /// Sends bytes as a binary message.
    pub async fn send_binary(&mut self, bytes: Vec<u8>) {
        self.send_message(Message::binary(bytes)).await;
    }

    async fn send_message(&mut self, message: Message) {
        let sent = within("sending", self.socket.send(message)).await;
        sent.unwrap_or_else(|error| panic!("sending: {error:?} after {:?}", self.passed));
    }

    /// Sends Identify with these intents.
    pub async fn identify(&mut self, token: &str, intents: u64) {
        self.send(identify(token, intents)).await;
    }

    /// The same to a server that may be gone; whether it was sent.
    pub async fn try_identify(&mut self, token: &str, intents: u64) -> bool {
        let message = Message::text(identify(token, intents).to_string());
        self.socket.send(message).await.is_ok()
    }

    /// Sends Resume; what comes is then expected to go on after `seq`.
    pub async fn resume(&mut self, token: &str, session: &str, seq: u64) {
        self.seq = seq;
        self.send(resume(token, session, seq)).await;
    }

    /// The same to a server that may be gone; whether it was sent.
    pub async fn try_resume(&mut self, token: &str, session: &str, seq: u64) -> bool {
        self.seq = seq;
        let message = Message::text(resume(token, session, seq).to_string());
        self.socket.send(message).await.is_ok()
    }

    /// Sends a heartbeat that acknowledges what was read, and reads on to its ACK; gives the payloads
    /// before it.
    pub async fn heartbeat(&mut self) -> Vec<Payload> {
        self.send(json!({"op": 1, "d": self.seq})).await;
        let mut before = Vec::new();
        loop {
            let payload = self.next_for("a heartbeat's ACK").await;
            if payload.op == 11 {
                return before;
            }
            before.push(payload);
        }
    }

    /// Closes with a code and reads on to the server's answer; gives its code.
    pub async fn close(mut self, code: u16) -> u16 {
        let code = CloseCode::try_from(code).expect("a close code");
        self.send_message(Message::close(Some(code), "")).await;
        self.expect_close().await
    }

    /// Drops the connection so that the server sees it reset rather than ended.
    pub fn reset(self) {
        let stream = self.socket.into_inner();
        let socket = socket2::SockRef::from(stream.socket());
        // Without it the connection ends in the ordinary way, which is a cut too.
        let _ = socket.set_linger(Some(std::time::Duration::ZERO));
    }
}

fn identify(token: &str, intents: u64) -> Value {
    let properties = json!({"os": "linux", "browser": "tests", "device": "tests"});
    json!({"op": 2, "d": {"token": token, "intents": intents, "properties": properties}})
}

fn resume(token: &str, session: &str, seq: u64) -> Value {
    json!({"op": 6, "d": {"token": token, "session_id": session, "seq": seq}})
}
