//! What stands between a node and NATS, and can become silent.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A way to one address.
#[derive(Debug)]
pub(super) struct Proxy {
    /// Where to connect to instead.
    pub(super) port: u16,
    silent: watch::Sender<bool>,
}

impl Proxy {
    /// Lets everything through. Ends with the runtime.
    pub(super) async fn start(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.expect("a free port");
        let own = listener.local_addr().expect("it listens").port();
        let (silent, is_silent) = watch::channel(false);
        tokio::spawn(accept(listener, ([127, 0, 0, 1], port).into(), is_silent));
        Self { port: own, silent }
    }

    /// From now on nothing comes through and nobody is told, or everything does again.
    pub(super) fn silence(&self, silent: bool) {
        self.silent.send_replace(silent);
    }
}

async fn accept(listener: TcpListener, to: SocketAddr, silent: watch::Receiver<bool>) {
    while let Ok((client, _)) = listener.accept().await {
        let silent = silent.clone();
        tokio::spawn(async move {
            let Ok(server) = TcpStream::connect(to).await else {
                return;
            };
            // As on the way that it stands for: a message is not to wait for the last one's acknowledgement.
            for socket in [&client, &server] {
                socket.set_nodelay(true).expect("an option of TCP");
            }
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            // Where one direction ends the other is of no use.
            tokio::select! {
                () = copy(from_client, to_server, silent.clone()) => {}
                () = copy(from_server, to_client, silent) => {}
            }
        });
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut silent: watch::Receiver<bool>) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let Ok(read @ 1..) = from.read(&mut buffer).await else {
            return;
        };
        if silent.wait_for(|silent| !silent).await.is_err()
            || to.write_all(&buffer[..read]).await.is_err()
        {
            return;
        }
    }
}
