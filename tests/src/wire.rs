//! A client's end of a connection, with TLS or without.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A connection.
pub enum Wire {
    /// A bare socket.
    Plain(TcpStream),
    /// One under TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    /// Connects, under TLS where a configuration is given.
    pub async fn connect(
        address: SocketAddr,
        tls: Option<Arc<rustls::ClientConfig>>,
    ) -> io::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let Some(tls) = tls else {
            return Ok(Self::Plain(socket));
        };
        let name = ServerName::from(address.ip());
        let stream = TlsConnector::from(tls).connect(name, socket).await?;
        Ok(Self::Tls(Box::new(stream)))
    }

    /// The socket itself.
    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

/// Does with either kind what `$method` does.
macro_rules! either {
    ($self:expr, $method:ident($($argument:expr),*)) => {
        match $self.get_mut() {
            Wire::Plain(socket) => Pin::new(socket).$method($($argument),*),
            Wire::Tls(stream) => Pin::new(&mut **stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, poll_read(cx, buffer))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_shutdown(cx))
    }
}
