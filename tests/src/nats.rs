//! A NATS server of a test's own.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::deadline::eventually;
use crate::server::Setup;

/// Where Debian's package has it.
const DEBIAN: &str = "/usr/sbin/nats-server";
/// What tokens of nodes that share a NATS server are signed with.
const SECRET: &str = "a secret that the nodes of a test share";

/// A server with JetStream and a directory of its own; killed when dropped.
#[derive(Debug)]
pub struct NatsServer {
    port: u16,
    dir: TempDir,
    child: Child,
}

impl NatsServer {
    /// Starts one on a free port.
    pub async fn start() -> Self {
        let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|free| free.local_addr());
        let port = free.expect("a free port").port();
        let dir = tempfile::tempdir().expect("a directory for NATS");
        let child = spawn(port, &dir);
        listens(port).await;
        Self { port, dir, child }
    }

    /// As `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().expect("nats-server is a child");
        self.child.wait().expect("nats-server is a child");
    }

    /// Starts it anew with the same data.
    pub async fn restart(&mut self) {
        self.child = spawn(self.port, &self.dir);
        listens(self.port).await;
    }

    /// A node that keeps everything here.
    pub fn node(&self) -> Setup {
        Setup::new()
            .set(format!("cluster.nats=nats://127.0.0.1:{}", self.port))
            .set(format!("auth.secret={SECRET}"))
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(port: u16, dir: &TempDir) -> Child {
    let program = if Path::new(DEBIAN).exists() {
        DEBIAN
    } else {
        "nats-server"
    };
    Command::new(program)
        .args(["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-sd"])
        .arg(dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nats-server is installed (tests/run does it)")
}

async fn listens(port: u16) {
    let connect = || async move {
        let address = ([127, 0, 0, 1], port).into();
        TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()
    };
    eventually("a NATS server", connect).await;
}
