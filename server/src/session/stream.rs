//! A connection's way to the network: a bare socket, or one under TLS.
//!
//! Under TLS the session of rustls is driven by hand, so that both kinds have the same calls that never
//! wait: what is written is encrypted at once into a small buffer of the session's own, and what the
//! socket does not take of that is handed on by [`Stream::try_flush`].

use std::cell::RefCell;
use std::io::{self, IoSlice, Read as _, Write};
use std::task::{Context, Poll};

use actix_rt::net::TcpStream;
use actix_tls::accept::rustls_0_23::TlsStream;
use rustls::ServerConnection;

/// Most bytes that a TLS session takes while its socket takes none, with what encryption adds. What it does not take of a
/// write stays with the lane.
const TLS_BUFFER: usize = 80 * 1024;

/// One connection's socket.
#[derive(Debug)]
pub enum Stream {
    /// As it is.
    Plain(TcpStream),
    /// Under TLS.
    Tls(Box<Tls>),
}

/// A socket and the TLS session on it. No call holds the borrow beyond its own end.
pub struct Tls(RefCell<TlsStream<TcpStream>>);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl From<TcpStream> for Stream {
    fn from(socket: TcpStream) -> Self {
        Self::Plain(socket)
    }
}

impl From<TlsStream<TcpStream>> for Stream {
    fn from(mut stream: TlsStream<TcpStream>) -> Self {
        stream.get_mut().1.set_buffer_limit(Some(TLS_BUFFER));
        Self::Tls(Box::new(Tls(RefCell::new(stream))))
    }
}

impl Stream {
    /// Looks at the socket itself.
    pub fn with_socket<T>(&self, look: impl FnOnce(&TcpStream) -> T) -> T {
        match self {
            Self::Plain(socket) => look(socket),
            Self::Tls(tls) => look(tls.0.borrow().get_ref().0),
        }
    }

    /// Whether there may be something to read.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(socket) => socket.poll_read_ready(cx),
            Self::Tls(tls) => {
                let mut stream = tls.0.borrow_mut();
                let (socket, session) = stream.get_mut();
                match session.process_new_packets() {
                    // Decrypted already: no news of the socket will tell of it.
                    Ok(state) if state.plaintext_bytes_to_read() > 0 => Poll::Ready(Ok(())),
                    Ok(_) => socket.poll_read_ready(cx),
                    Err(error) => Poll::Ready(Err(invalid(error))),
                }
            }
        }
    }

    /// Whether the socket may take something.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with_socket(|socket| socket.poll_write_ready(cx))
    }

    /// Reads what is there; `WouldBlock` where that is nothing yet, 0 at the end.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.try_read(buffer),
            Self::Tls(tls) => {
                let mut stream = tls.0.borrow_mut();
                let (socket, session) = stream.get_mut();
                read(socket, session, buffer)
            }
        }
    }

    /// Writes what is taken of `bytes`; `WouldBlock` where that is nothing.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.try_write(bytes),
            Self::Tls(tls) => {
                let mut stream = tls.0.borrow_mut();
                let (socket, session) = stream.get_mut();
                if !drain(socket, session)?.is_empty {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                let taken = session.writer().write(bytes)?;
                drain(socket, session)?;
                Ok(taken)
            }
        }
    }

    /// Hands on what was taken earlier and is not with the socket yet.
    pub fn try_flush(&self) -> io::Result<Drained> {
        match self {
            Self::Plain(_) => Ok(Drained::NOTHING),
            Self::Tls(tls) => {
                let mut stream = tls.0.borrow_mut();
                let (socket, session) = stream.get_mut();
                drain(socket, session)
            }
        }
    }

    /// Whether something was taken that is not with the socket yet.
    pub fn has_unsent(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.0.borrow().get_ref().1.wants_write(),
        }
    }

    /// Says under TLS that nothing follows, as far as the socket takes it.
    pub fn finish(&self) {
        if let Self::Tls(tls) = self {
            let mut stream = tls.0.borrow_mut();
            let (socket, session) = stream.get_mut();
            session.send_close_notify();
            // The connection is over either way.
            let _ = drain(socket, session);
        }
    }
}

/// What became of bytes that waited for the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// How many it took.
    pub bytes: usize,
    /// Whether none is left.
    pub is_empty: bool,
}

impl Drained {
    const NOTHING: Self = Self {
        bytes: 0,
        is_empty: true,
    };
}

/// At most one read of the socket, so that a peer that sends nothing but TLS' own messages gets no more
/// of the thread than others.
fn read(socket: &TcpStream, session: &mut ServerConnection, out: &mut [u8]) -> io::Result<usize> {
    match session.reader().read(out) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        done => return done,
    }
    session.read_tls(&mut Wire(socket))?;
    let processed = session.process_new_packets();
    // An answer of TLS' own, such as the alert that says what is wrong.
    let sent = drain(socket, session);
    processed.map_err(invalid)?;
    sent?;
    session.reader().read(out)
}

fn drain(socket: &TcpStream, session: &mut ServerConnection) -> io::Result<Drained> {
    let mut bytes = 0;
    while session.wants_write() {
        match session.write_tls(&mut Wire(socket)) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(Drained {
        bytes,
        is_empty: !session.wants_write(),
    })
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// The socket as rustls takes it.
struct Wire<'a>(&'a TcpStream);

impl io::Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
