//! A NATS server of a test's own.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::deadline::eventually;
use crate::ports;
use crate::server::Setup;

/// Where Debian's package has it.
const DEBIAN: &str = "/usr/sbin/nats-server";
/// Ports that are tried.
const TRIES: usize = 5;
/// What tokens of nodes that share a NATS server are signed with.
const SECRET: &str = "a secret that the nodes of a test share";

/// A server with JetStream and a directory of its own; killed when dropped.
#[derive(Debug)]
pub struct NatsServer {
    port: u16,
    monitor: u16,
    dir: TempDir,
    /// What it is told beside its ports and its directory.
    more: Vec<String>,
    child: Child,
}

impl NatsServer {
    /// Starts one on a free port.
    pub async fn start() -> Self {
        Self::start_with(Vec::new()).await
    }

    /// Starts one that lets in nobody but this user.
    pub async fn guarded(user: &str, password: &str) -> Self {
        let more = ["--user", user, "--pass", password].map(str::to_owned);
        Self::start_with(more.to_vec()).await
    }

    /// Starts so many that keep everything together, and waits until they do.
    pub async fn cluster(count: u16) -> Vec<Self> {
        let routes: Vec<u16> = (0..count).map(|_| ports::any()).collect();
        let url = |port: &u16| format!("nats://127.0.0.1:{port}");
        let all: Vec<String> = routes.iter().map(url).collect();
        let mut servers = Vec::new();
        for (number, route) in routes.iter().enumerate() {
            let more = [
                "--name",
                &format!("nats-{number}"),
                "--cluster_name",
                "test",
            ];
            let more = more.into_iter().map(str::to_owned);
            let cluster = ["--cluster".to_owned(), url(route)];
            let others = ["--routes".to_owned(), all.join(",")];
            let more = more.chain(cluster).chain(others).collect();
            servers.push(Self::start_with(more).await);
        }
        for server in &servers {
            server.is_healthy().await;
        }
        servers
    }

    async fn start_with(more: Vec<String>) -> Self {
        let dir = tempfile::tempdir().expect("a directory for NATS");
        for _ in 0..TRIES {
            let (port, monitor) = (ports::any(), ports::any());
            let mut child = spawn((port, monitor), &dir, &more);
            if listens(port, &mut child).await {
                return Self {
                    port,
                    monitor,
                    dir,
                    more,
                    child,
                };
            }
            // Another test was quicker to take one of its ports.
        }
        panic!("nats-server ended at each of {TRIES} starts");
    }

    /// As `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().expect("nats-server is a child");
        self.child.wait().expect("nats-server is a child");
    }

    /// Starts it anew with the same data.
    pub async fn restart(&mut self) {
        self.child = spawn((self.port, self.monitor), &self.dir, &self.more);
        let listens = listens(self.port, &mut self.child).await;
        assert!(listens, "nats-server ended at its start");
    }

    /// Where clients connect.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Waits until it serves JetStream.
    pub async fn is_healthy(&self) {
        eventually("JetStream", || async {
            let health = self.monitor("healthz").await?;
            (health["status"] == "ok").then_some(())
        })
        .await;
    }

    /// Bytes that came in and went out so far.
    pub async fn bytes(&self) -> (u64, u64) {
        let varz = eventually("figures of NATS", || self.monitor("varz")).await;
        let figure = |name: &str| varz[name].as_u64().unwrap_or_default();
        (figure("in_bytes"), figure("out_bytes"))
    }

    async fn monitor(&self, path: &str) -> Option<Value> {
        let client = reqwest::Client::builder().no_proxy().build().ok()?;
        let url = format!("http://127.0.0.1:{}/{path}", self.monitor);
        let text = client.get(url).send().await.ok()?.bytes().await.ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// A node that keeps everything here.
    pub fn node(&self) -> Setup {
        node_at(&format!("nats://127.0.0.1:{}", self.port))
    }
}

/// A node that keeps everything on these servers, separated by commas.
pub fn node_at(servers: &str) -> Setup {
    Setup::new()
        .set(format!("cluster.nats={servers}"))
        .set(format!("auth.secret={SECRET}"))
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn((port, monitor): (u16, u16), dir: &TempDir, more: &[String]) -> Child {
    let program = if Path::new(DEBIAN).exists() {
        DEBIAN
    } else {
        "nats-server"
    };
    Command::new(program)
        .args(["-js", "-a", "127.0.0.1", "-p", &port.to_string()])
        .args(["-m", &monitor.to_string(), "-sd"])
        .arg(dir.path())
        .args(more)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nats-server is installed (tests/run does it)")
}

/// Waits until it takes connections; false where it ends instead.
async fn listens(port: u16, child: &mut Child) -> bool {
    eventually("a NATS server", || {
        let has_ended = child.try_wait().expect("nats-server is a child").is_some();
        async move {
            let address = ([127, 0, 0, 1], port).into();
            let connected = TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok();
            (has_ended || connected).then_some(!has_ended)
        }
    })
    .await
}
