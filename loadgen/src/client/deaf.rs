//! Sessions that identify and then read nothing: what a server must bear without harm to the others.

use rustix::net::sockopt;
use tokio::net::TcpStream;

use super::frames::Opcode;
use super::{handshake, outgoing};
use crate::endpoint::Endpoint;
use crate::plan::Client;
use crate::source::Sources;

/// Bytes that the system may take in for a socket that nobody reads, so that the server notices soon.
const RECEIVE_BUFFER: usize = 4 << 10;

/// Connections that are open and unread until dropped.
#[derive(Debug)]
pub struct Deaf {
    _sockets: Vec<TcpStream>,
}

impl Deaf {
    /// Opens `count` further sessions, of the first users again in turn.
    pub async fn connect(
        gateway: &Endpoint,
        sources: &Sources,
        tokens: &[Box<str>],
        count: u32,
    ) -> anyhow::Result<Self> {
        let mut sockets = Vec::new();
        for (token, number) in tokens.iter().cycle().zip(0..count) {
            let (from, nonce) = (sources.of_session(number), fastrand::u128(..));
            let (socket, _) = handshake::connect(gateway, from, nonce.to_be_bytes(), false).await?;
            sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER)?;
            let mut identify = Vec::new();
            let payload = outgoing::identify(token, &Client::of(0));
            let mask = fastrand::u32(..).to_be_bytes();
            outgoing::frame(Opcode::Text, payload.as_bytes(), mask, &mut identify);
            // It fits the empty buffer of a fresh socket.
            let written = socket.try_write(&identify)?;
            anyhow::ensure!(written == identify.len(), "identify was not taken whole");
            sockets.push(socket);
        }
        Ok(Self { _sockets: sockets })
    }
}
