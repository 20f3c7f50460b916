//! A socket below all libraries, for what no library would send.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::deadline::within;
use crate::payload::Payload;
use crate::server::Server;

/// Longest response head read, in bytes.
const MAX_HEAD: usize = 64 << 10;
/// The key of the handshake's example in RFC 6455, section 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// What that key is answered with.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// WebSocket opcodes.
pub mod opcode {
    /// Goes on with a message.
    pub const CONTINUATION: u8 = 0;
    /// A text message.
    pub const TEXT: u8 = 1;
    /// A binary message.
    pub const BINARY: u8 = 2;
    /// A close.
    pub const CLOSE: u8 = 8;
    /// A ping.
    pub const PING: u8 = 9;
    /// A pong.
    pub const PONG: u8 = 10;
}

/// The bit of a frame that is the last of its message.
pub const FIN: u8 = 0x80;

/// A TCP connection that is written and read by hand.
#[derive(Debug)]
pub struct RawSocket {
    stream: TcpStream,
    received: Vec<u8>,
}

/// The head of a response.
#[derive(Debug, Clone)]
pub struct Head {
    /// The status.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
}

/// A WebSocket frame of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The first byte: final bit, reserved bits, opcode.
    pub first: u8,
    /// The payload.
    pub payload: Vec<u8>,
}

impl RawSocket {
    /// A TCP connection to the server's main port.
    pub async fn connect(server: &Server) -> Self {
        Self::connect_to(server.address()).await
    }

    /// A TCP connection.
    pub async fn connect_to(address: SocketAddr) -> Self {
        let stream = within("a connection", TcpStream::connect(address)).await;
        let stream = stream.unwrap_or_else(|error| panic!("connecting: {error}"));
        stream.set_nodelay(true).expect("an option of TCP");
        Self {
            stream,
            received: Vec::new(),
        }
    }

    /// A TCP connection to the server's main port from this address of the machine: all of 127.0.0.0/8 are.
    pub async fn connect_from(server: &Server, from: Ipv4Addr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket
            .bind((from, 0).into())
            .unwrap_or_else(|error| panic!("binding to {from}: {error}"));
        let stream = within("a connection", socket.connect(server.address())).await;
        let stream = stream.unwrap_or_else(|error| panic!("connecting: {error}"));
        stream.set_nodelay(true).expect("an option of TCP");
        Self {
            stream,
            received: Vec::new(),
        }
    }

    /// A gateway connection whose Hello was read.
    pub async fn gateway(server: &Server) -> Self {
        Self::connect(server).await.greeted().await
    }

    /// Upgrades the connection to the gateway's and reads Hello.
    pub async fn greeted(mut self) -> Self {
        let socket = &mut self;
        let head = socket.upgrade("/gateway?v=10&encoding=json").await;
        assert_eq!(head.status, 101, "{head:?}");
        assert_eq!(head.header("sec-websocket-accept"), Some(ACCEPT));
        assert_eq!(socket.payload().await.op, 10);
        self
    }

    /// A gateway connection that has identified and read READY and its one GUILD_CREATE.
    pub async fn identified(server: &Server, token: &str) -> Self {
        let mut socket = Self::gateway(server).await;
        let intents = crate::ALL_INTENTS;
        let data = serde_json::json!({"token": token, "intents": intents, "properties": {}});
        socket.text(&serde_json::json!({"op": 2, "d": data})).await;
        for event in ["READY", "GUILD_CREATE"] {
            let payload = socket.payload().await;
            assert!(payload.is(event), "{event} expected, not {payload:?}");
        }
        socket
    }

    /// The head of an upgrade request as a library writes it.
    pub fn upgrade_request(path: &str) -> String {
        format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
        )
    }

    /// Asks for an upgrade and reads the answer's head.
    pub async fn upgrade(&mut self, path: &str) -> Head {
        self.write(Self::upgrade_request(path).as_bytes()).await;
        self.head().await
    }

    /// Writes bytes as they are.
    pub async fn write(&mut self, bytes: &[u8]) {
        let written = within("writing", self.stream.write_all(bytes)).await;
        written.unwrap_or_else(|error| panic!("writing: {error}"));
    }

    /// Writes bytes where the server may have closed already; says whether it took them.
    pub async fn try_write(&mut self, bytes: &[u8]) -> bool {
        within("writing", self.stream.write_all(bytes))
            .await
            .is_ok()
    }

    /// Writes one masked frame.
    pub async fn frame(&mut self, first: u8, payload: &[u8]) {
        self.write(&frame(first, payload)).await;
    }

    /// Writes a JSON text message.
    pub async fn text(&mut self, json: &Value) {
        self.frame(FIN | opcode::TEXT, json.to_string().as_bytes())
            .await;
    }

    /// Reads more; false at the end of the stream or where it was reset.
    async fn read_more(&mut self) -> bool {
        let read = within(
            "something to read",
            self.stream.read_buf(&mut self.received),
        )
        .await;
        matches!(read, Ok(count) if count > 0)
    }

    /// Reads a response's head. Panics where the connection ends before.
    pub async fn head(&mut self) -> Head {
        self.try_head().await.expect("a response came")
    }

    /// Reads a response's head; `None` where the connection ends before.
    pub async fn try_head(&mut self) -> Option<Head> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut response = httparse::Response::new(&mut headers);
            let parsed = response.parse(&self.received).expect("an HTTP response");
            if let httparse::Status::Complete(length) = parsed {
                let head = Head {
                    status: response.code.expect("a status"),
                    headers: response
                        .headers
                        .iter()
                        .map(|header| {
                            let value = String::from_utf8_lossy(header.value).into_owned();
                            (header.name.to_ascii_lowercase(), value)
                        })
                        .collect(),
                };
                self.received.drain(..length);
                return Some(head);
            }
            assert!(self.received.len() < MAX_HEAD, "a response's head is long");
            if !self.read_more().await {
                return None;
            }
        }
    }

    /// Reads a response's body of a known length.
    pub async fn body(&mut self, head: &Head) -> Vec<u8> {
        let length = head.header("content-length");
        let length: usize = length.and_then(|text| text.parse().ok()).unwrap_or(0);
        while self.received.len() < length {
            assert!(self.read_more().await, "a body came whole");
        }
        self.received.drain(..length).collect()
    }

    /// Reads a frame; `None` where the connection ends before.
    pub async fn try_read_frame(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, length)) = parse(&self.received) {
                self.received.drain(..length);
                return Some(frame);
            }
            if !self.read_more().await {
                return None;
            }
        }
    }

    /// Reads a frame. Panics where the connection ends before.
    pub async fn read_frame(&mut self) -> Frame {
        self.try_read_frame().await.expect("a frame came")
    }

    /// Reads on to the next text message.
    pub async fn payload(&mut self) -> Payload {
        loop {
            let frame = self.read_frame().await;
            if frame.first == FIN | opcode::TEXT {
                return Payload::read(&frame.payload);
            }
            assert_ne!(frame.opcode(), opcode::CLOSE, "closed: {frame:?}");
        }
    }

    /// Reads on to the next payload with this opcode.
    pub async fn expect_op(&mut self, op: u64) -> Payload {
        loop {
            let payload = self.payload().await;
            if payload.op == op {
                return payload;
            }
        }
    }

    /// Reads on to the server's close; gives its code.
    pub async fn expect_close(&mut self) -> u16 {
        loop {
            let frame = self.read_frame().await;
            if frame.opcode() == opcode::CLOSE {
                return frame.close_code();
            }
        }
    }

    /// Reads to the end of the connection. Panics where the server keeps it.
    pub async fn expect_end(&mut self) {
        while self.read_more().await {
            self.received.clear();
        }
    }

    /// The stream itself.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Ends the sending half.
    pub async fn finish(&mut self) {
        let ended = self.stream.shutdown().await;
        ended.unwrap_or_else(|error| panic!("ending: {error}"));
    }
}

impl Head {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl Frame {
    /// The opcode.
    pub const fn opcode(&self) -> u8 {
        self.first & 0x0f
    }

    /// The code of a close.
    pub fn close_code(&self) -> u16 {
        match self.payload[..] {
            [high, low, ..] => u16::from_be_bytes([high, low]),
            _ => panic!("a close without a code: {self:?}"),
        }
    }
}

/// A masked frame with this first byte.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len() as u64);
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    bytes.extend_from_slice(&mask);
    let masked = payload.iter().zip(mask.iter().cycle());
    bytes.extend(masked.map(|(byte, mask)| byte ^ mask));
    bytes
}

/// A frame without mask, which a client must not send.
pub fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len() as u64);
    bytes[1] &= 0x7f;
    bytes.extend_from_slice(payload);
    bytes
}

/// The start of a masked frame up to its length.
pub fn header(first: u8, length: u64) -> Vec<u8> {
    /// The mask bit and the two lengths that stand for a longer one.
    const MASK: u8 = 0x80;
    const TWO_BYTES: u8 = 0x7e;
    const EIGHT_BYTES: u8 = 0x7f;
    let mut bytes = vec![first];
    if length < u64::from(TWO_BYTES) {
        bytes.push(MASK | length as u8);
    } else if let Ok(length) = u16::try_from(length) {
        bytes.push(MASK | TWO_BYTES);
        bytes.extend_from_slice(&length.to_be_bytes());
    } else {
        bytes.push(MASK | EIGHT_BYTES);
        bytes.extend_from_slice(&length.to_be_bytes());
    }
    bytes
}

/// The frame at the start of `bytes` and its length; `None` while it is incomplete.
fn parse(bytes: &[u8]) -> Option<(Frame, usize)> {
    let [first, second, rest @ ..] = bytes else {
        return None;
    };
    assert_eq!(second & 0x80, 0, "the server's frames have no mask");
    let (length, start) = match second & 0x7f {
        126 => (
            u64::from(u16::from_be_bytes(rest.get(..2)?.try_into().ok()?)),
            4,
        ),
        127 => (u64::from_be_bytes(rest.get(..8)?.try_into().ok()?), 10),
        length => (u64::from(length), 2),
    };
    let end = start + usize::try_from(length).ok()?;
    let payload = bytes.get(start..end)?.to_vec();
    let first = *first;
    Some((Frame { first, payload }, end))
}
