//! A NATS server of a test's own.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::{ClusterThread, Nats, NatsSettings};
use crate::clock;

/// How long a server may take to listen.
const STARTS: Duration = Duration::from_secs(20);

/// The server; killed when this is dropped.
pub(crate) struct Server {
    port: u16,
    dir: tempfile::TempDir,
    child: Child,
    thread: ClusterThread,
}

impl Server {
    pub(crate) fn start() -> Self {
        let port = TcpListener::bind(("127.0.0.1", 0))
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let dir = tempfile::tempdir().unwrap();
        let child = spawn(port, &dir);
        Self {
            port,
            dir,
            child,
            thread: ClusterThread::start().unwrap(),
        }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it anew with the same data.
    pub(crate) fn restart(&mut self) {
        self.child = spawn(self.port, &self.dir);
    }

    pub(crate) fn connect(&self, name: &str) -> Nats {
        let settings = NatsSettings {
            servers: vec![format!("nats://127.0.0.1:{}", self.port)],
            login: None,
            name: name.to_owned(),
            node: "test".to_owned(),
            replicas: 1,
            partitions: 4,
            append_timeout: Duration::from_secs(5),
            sessions_max_age: Duration::from_secs(240),
            sessions_max_bytes: 64 << 20,
        };
        let connected = self
            .thread
            .wait_for(Nats::connect(settings, Arc::default()));
        connected.unwrap().unwrap()
    }

    pub(crate) fn thread(&self) -> &ClusterThread {
        &self.thread
    }

    /// Runs a part of a test on the thread of the connection.
    pub(crate) fn wait_for(&self, part: impl Future<Output = ()> + Send + 'static) {
        let done = self.thread.wait_for(part);
        done.expect("a part of the test failed");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(port: u16, dir: &tempfile::TempDir) -> Child {
    let child = Command::new(program())
        .args(["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-sd"])
        .arg(dir.path())
        .stderr(Stdio::null())
        .spawn()
        .expect("nats-server is installed (Debian: apt install nats-server)");
    let end = clock::now() + STARTS;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(clock::now() < end, "nats-server does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

fn program() -> &'static str {
    let debian = "/usr/sbin/nats-server";
    if std::path::Path::new(debian).exists() {
        debian
    } else {
        "nats-server"
    }
}
