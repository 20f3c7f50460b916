//! The client's side of the WebSocket opening handshake, by hand: a library's connection object costs more than a session.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1_smol::Sha1;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::endpoint::Endpoint;
use crate::source;

/// Longest response head in bytes.
const MAX_HEAD: usize = 8 << 10;

/// What RFC 6455 has appended to the key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Why no WebSocket came about.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// Connecting, reading or writing failed.
    #[error("gateway connection: {0}")]
    Io(#[from] std::io::Error),
    /// The server answered otherwise than with 101.
    #[error("gateway refused the upgrade with status {0}")]
    Status(u16),
    /// What came is no HTTP response, too long, or ended early.
    #[error("gateway answered the upgrade with something that is not http")]
    NotHttp,
    /// The headers do not accept this handshake.
    #[error("gateway accepted another websocket handshake than ours")]
    NotAccepted,
    /// It took too long.
    #[error("gateway did not answer the upgrade in time")]
    Timeout,
}

/// Connects and upgrades, with `zlib-stream` if compressed. Gives the socket and what came after the response head.
pub async fn connect(
    endpoint: &Endpoint,
    from: Option<IpAddr>,
    nonce: [u8; 16],
    is_compressed: bool,
) -> Result<(TcpStream, Vec<u8>), HandshakeError> {
    let mut stream = source::connect(endpoint.address, from).await?;
    stream.set_nodelay(true)?;
    let key = key_of(nonce);
    let path = if endpoint.path.is_empty() {
        "/"
    } else {
        &endpoint.path
    };
    let compression = if is_compressed {
        "&compress=zlib-stream"
    } else {
        ""
    };
    let target = format!("{path}?v=10&encoding=json{compression}");
    let request = request(&target, &endpoint.host, &key);
    stream.write_all(request.as_bytes()).await?;
    let mut received = Vec::with_capacity(1_024);
    loop {
        if stream.read_buf(&mut received).await? == 0 || received.len() > MAX_HEAD {
            return Err(HandshakeError::NotHttp);
        }
        if let Some(end) = accepted(&received, &key)? {
            received.drain(..end);
            return Ok((stream, received));
        }
    }
}

/// The key that 16 random bytes make.
pub(crate) fn key_of(nonce: [u8; 16]) -> String {
    STANDARD.encode(nonce)
}

/// The request for an upgrade at `target` (path and query).
pub(crate) fn request(target: &str, host: &str, key: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    )
}

/// Length of the response head, once it is whole and accepts `key`.
pub(crate) fn accepted(received: &[u8], key: &str) -> Result<Option<usize>, HandshakeError> {
    let mut headers = [httparse::EMPTY_HEADER; 48];
    let mut response = httparse::Response::new(&mut headers);
    let end = match response.parse(received) {
        Ok(httparse::Status::Complete(end)) => end,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(HandshakeError::NotHttp),
    };
    let status = response.code.unwrap_or_default();
    if status != 101 {
        return Err(HandshakeError::Status(status));
    }
    let header = |name: &str| {
        let found = response
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| header.value)
    };
    let is_websocket =
        header("upgrade").is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"));
    let is_ours = header("sec-websocket-accept") == Some(accept_of(key).as_bytes());
    // No extension was offered, so none may be in use.
    let is_plain = header("sec-websocket-extensions").is_none();
    if is_websocket && is_ours && is_plain {
        Ok(Some(end))
    } else {
        Err(HandshakeError::NotAccepted)
    }
}

/// What a server must answer to `key`.
pub(crate) fn accept_of(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(GUID);
    STANDARD.encode(hash.digest().bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn response(accept: &str) -> String {
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-accept: {accept}\r\n\r\n"
        )
    }

    #[test]
    fn the_rfcs_own_example_is_accepted_once_it_is_whole() {
        let head = response("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let full = format!("{head}\u{1}\u{2}");
        for end in 0..head.len() {
            assert!(accepted(&full.as_bytes()[..end], KEY).unwrap().is_none());
        }
        assert_eq!(accepted(full.as_bytes(), KEY).unwrap(), Some(head.len()));
    }

    #[test]
    fn wrong_answers_are_told_apart() {
        let wrong = accepted(response("AAAA").as_bytes(), KEY);
        assert!(matches!(wrong, Err(HandshakeError::NotAccepted)));
        let refused = accepted(b"HTTP/1.1 503 Busy\r\n\r\n", KEY);
        assert!(matches!(refused, Err(HandshakeError::Status(503))));
        let garbage = accepted(b"\x81\x05hello\r\n\r\n", KEY);
        assert!(matches!(garbage, Err(HandshakeError::NotHttp)));
    }
}
