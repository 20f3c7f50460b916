//! A slow network in this process: a TCP proxy that delays, cuts, or lets nothing through without telling anybody.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// Bytes of a read.
const PART: usize = 16 << 10;

/// Parts that may be on their way in one direction of a connection: 2 MiB.
const ON_THE_WAY: usize = 128;

/// What the network is like now.
#[derive(Debug, Clone, Copy, Default)]
struct Weather {
    delay: Duration,
    is_silent: bool,
    /// Connections of an earlier number break.
    cuts: u32,
}

/// A proxy in front of one address. Runs on a thread of its own until it is dropped.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Where to connect to instead.
    pub address: SocketAddr,
    weather: Arc<watch::Sender<Weather>>,
}

impl Proxy {
    /// A proxy that lets everything through at once.
    pub fn start(server: SocketAddr) -> Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (sender, weather) = watch::channel(Weather::default());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        thread::Builder::new()
            .name("proxy".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    let mut gone = weather.clone();
                    let listener = TcpListener::from_std(listener);
                    let Ok(listener) = listener else { return };
                    tokio::select! {
                        () = accept(listener, server, weather) => {}
                        // The last one who could change the weather is gone.
                        () = async { while gone.changed().await.is_ok() {} } => {}
                    }
                });
            })?;
        Ok(Self {
            address,
            weather: Arc::new(sender),
        })
    }

    /// From now on everything takes this much longer.
    pub fn delay(&self, delay: Duration) {
        self.weather.send_modify(|weather| weather.delay = delay);
    }

    /// From now on nothing comes through, or everything does again.
    pub fn silence(&self, is_silent: bool) {
        self.weather
            .send_modify(|weather| weather.is_silent = is_silent);
    }

    /// Breaks all connections.
    pub fn cut(&self) {
        self.weather.send_modify(|weather| weather.cuts += 1);
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, weather: watch::Receiver<Weather>) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            // Out of files: others will end.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        tokio::spawn(connection(client, server, weather.clone()));
    }
}

async fn connection(client: TcpStream, server: SocketAddr, mut weather: watch::Receiver<Weather>) {
    let cuts = weather.borrow().cuts;
    let Ok(upstream) = TcpStream::connect(server).await else {
        return;
    };
    let _ = client.set_nodelay(true);
    let _ = upstream.set_nodelay(true);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = upstream.into_split();
    tokio::select! {
        () = carry(from_client, to_server, weather.clone()) => {}
        () = carry(from_server, to_client, weather.clone()) => {}
        _ = weather.wait_for(|weather| weather.cuts != cuts) => {}
    }
}

/// Carries one direction to its end.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
) {
    let (sender, mut parts) = mpsc::channel::<(Instant, Vec<u8>)>(ON_THE_WAY);
    let now = weather.clone();
    let read = async move {
        loop {
            let mut part = vec![0; PART];
            let count = from.read(&mut part).await.unwrap_or(0);
            if count == 0 {
                return;
            }
            part.truncate(count);
            // The timer's own clock.
            let due = Instant::now() + now.borrow().delay;
            if sender.send((due, part)).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((due, part)) = parts.recv().await {
            sleep_until(due).await;
            if weather
                .wait_for(|weather| !weather.is_silent)
                .await
                .is_err()
            {
                return;
            }
            if to.write_all(&part).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(read, write);
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    /// A connection through a proxy to a server that sends everything back.
    async fn echo() -> (Proxy, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        let proxy = Proxy::start(server).unwrap();
        let stream = TcpStream::connect(proxy.address).await.unwrap();
        (proxy, stream)
    }

    async fn round_trip(stream: &mut TcpStream) -> std::io::Result<Duration> {
        let began = Instant::now();
        stream.write_all(b"hello").await?;
        let mut back = [0; 5];
        stream.read_exact(&mut back).await?;
        assert_eq!(&back, b"hello");
        Ok(began.elapsed())
    }

    #[tokio::test]
    async fn a_delay_delays_and_a_cut_cuts() {
        let (proxy, mut stream) = echo().await;
        round_trip(&mut stream).await.unwrap();
        proxy.delay(Duration::from_millis(40));
        assert!(round_trip(&mut stream).await.unwrap() >= Duration::from_millis(80));
        proxy.delay(Duration::ZERO);
        proxy.cut();
        let mut rest = [0; 1];
        // An end or an error, but not silence.
        let read = timeout(Duration::from_secs(20), stream.read(&mut rest)).await;
        assert!(matches!(read.unwrap(), Ok(0) | Err(_)));
        let mut again = TcpStream::connect(proxy.address).await.unwrap();
        round_trip(&mut again).await.unwrap();
    }

    #[tokio::test]
    async fn silence_holds_everything_and_tells_nobody() {
        let (proxy, mut stream) = echo().await;
        round_trip(&mut stream).await.unwrap();
        proxy.silence(true);
        let trip = timeout(Duration::from_millis(200), round_trip(&mut stream));
        assert!(trip.await.is_err());
        proxy.silence(false);
        let mut back = [0; 5];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"hello");
    }
}
