//! A small keep-alive HTTP/1.1 client: one request at a time on one connection, no more copies than needed.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::endpoint::Endpoint;

/// Longest response in bytes, head included.
const MAX_RESPONSE: usize = 1 << 20;

/// Headers that a response may have.
const MAX_HEADERS: usize = 64;

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Seconds, from `Retry-After`.
    pub retry_after: Option<f64>,
    /// Whether the connection can be used again.
    pub keep_alive: bool,
    /// The body, decoded.
    pub body: Vec<u8>,
}

/// A connection that is kept between requests.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub async fn open(endpoint: &Endpoint) -> io::Result<Self> {
        let stream = TcpStream::connect(endpoint.address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: Vec::new(),
        })
    }

    /// Sends one whole request and reads its response.
    ///
    /// # Errors
    /// When the connection breaks or what comes is no HTTP/1.1 response of bounded size; then it cannot be used again.
    pub async fn request(&mut self, request: &[u8]) -> io::Result<Response> {
        self.received.clear();
        self.stream.write_all(request).await?;
        loop {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if self.received.len() > MAX_RESPONSE {
                return Err(invalid("response too long"));
            }
            if let Some(response) = parse(&self.received)? {
                return Ok(response);
            }
        }
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// How the end of a body is known.
#[derive(Debug, Clone, Copy)]
enum Body {
    Length(usize),
    Chunked,
}

/// The response in `received`; `None` if it is not whole.
pub(crate) fn parse(mut received: &[u8]) -> io::Result<Option<Response>> {
    loop {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        let end = match head.parse(received) {
            Ok(httparse::Status::Complete(end)) => end,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(error) => return Err(invalid(&error.to_string())),
        };
        let status = head.code.unwrap_or_default();
        if status / 100 == 1 {
            received = &received[end..];
            continue;
        }
        let mut response = Response {
            status,
            retry_after: None,
            keep_alive: true,
            body: Vec::new(),
        };
        let framing = read_headers(head.headers, &mut response)?;
        let rest = &received[end..];
        return match (status, framing) {
            (204 | 304, _) => Ok(Some(response)),
            (_, Some(Body::Length(length))) => Ok(rest.get(..length).map(|body| {
                response.body = body.to_vec();
                response
            })),
            (_, Some(Body::Chunked)) => Ok(dechunk(rest)?.map(|body| {
                response.body = body;
                response
            })),
            // Until the connection ends: not worth supporting for a server that keeps connections.
            (_, None) => Err(invalid("response without a length")),
        };
    }
}

fn read_headers(
    headers: &[httparse::Header<'_>],
    response: &mut Response,
) -> io::Result<Option<Body>> {
    let mut framing = None;
    for header in headers {
        let value = str::from_utf8(header.value).unwrap_or_default().trim();
        if header.name.eq_ignore_ascii_case("content-length") && framing.is_none() {
            let length = value.parse().map_err(|_| invalid("bad content-length"))?;
            if length > MAX_RESPONSE {
                return Err(invalid("response too long"));
            }
            framing = Some(Body::Length(length));
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            framing = Some(Body::Chunked);
        } else if header.name.eq_ignore_ascii_case("connection") {
            response.keep_alive = !value.eq_ignore_ascii_case("close");
        } else if header.name.eq_ignore_ascii_case("retry-after") {
            response.retry_after = value.parse().ok().filter(|after: &f64| *after >= 0.0);
        }
    }
    Ok(framing)
}

/// A chunked body; `None` if its end is missing. Trailers are dropped.
fn dechunk(mut rest: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    loop {
        let (start, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(invalid("bad chunk size")),
        };
        rest = &rest[start..];
        if size == 0 {
            let ended =
                rest.starts_with(b"\r\n") || memchr::memmem::find(rest, b"\r\n\r\n").is_some();
            return Ok(ended.then_some(body));
        }
        if size > MAX_RESPONSE as u64 {
            return Err(invalid("response too long"));
        }
        let size = size as usize;
        let Some(chunk) = rest.get(..size + 2) else {
            return Ok(None);
        };
        if !chunk.ends_with(b"\r\n") {
            return Err(invalid("bad chunk end"));
        }
        body.extend_from_slice(&chunk[..size]);
        rest = &rest[size + 2..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Response {
        for end in 0..text.len() {
            assert_eq!(parse(&text.as_bytes()[..end]).unwrap(), None, "{end}");
        }
        parse(text.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn a_response_is_read_once_it_is_whole() {
        let text = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0.25\r\ncontent-length: 5\r\n\
            Connection: close\r\n\r\nhello";
        let response = whole(text);
        assert_eq!(response.status, 429);
        assert_eq!(response.retry_after, Some(0.25));
        assert!(!response.keep_alive);
        assert_eq!(response.body, b"hello");
    }

    #[test]
    fn chunks_and_interim_responses_are_understood() {
        let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
            3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
        let response = whole(text);
        assert_eq!(response.body, b"abcde");
        assert!(response.keep_alive);
    }

    #[test]
    fn no_content_needs_no_length() {
        assert_eq!(whole("HTTP/1.1 204 No Content\r\n\r\n").status, 204);
    }

    #[test]
    fn nonsense_is_an_error() {
        for text in [
            "\u{1}\u{2}\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\nuntil the end",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
