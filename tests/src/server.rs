//! A server process of a test's own.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tempfile::TempDir;

use crate::binary;
use crate::deadline::{DEADLINE, eventually};
use crate::identity::Identity;
use crate::process::Process;
use crate::rest::Rest;

/// Settings that keep the server's own limits out of a test's way.
const GENEROUS: [&str; 5] = [
    "limits.rest_per_second=1000000",
    "limits.messages_per_second=1000000",
    "limits.upgrades_per_address_per_second=1000000",
    "limits.upgrades_burst=1000000",
    "limits.identifies_per_day=1000000000",
];

/// Lines of a log shown when a test fails.
const LOG_LINES: usize = 40;

/// How a server is to be started.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    settings: Vec<String>,
    data: Option<Arc<TempDir>>,
    strict: bool,
    faults: bool,
    port: u16,
    prefix: Vec<String>,
    folder: Option<PathBuf>,
    tls: Option<Identity>,
    trusted: Vec<Identity>,
}

impl Setup {
    /// Generous rate limits, two workers, everything else by default.
    pub fn new() -> Self {
        Self::default()
    }

    /// The server's own defaults, rate limits included.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// A server in which faults can be set; see [`binary::with_faults`].
    #[must_use]
    pub fn faults(mut self) -> Self {
        self.faults = true;
        self
    }

    /// Adds a setting such as `gateway.resume_window_s=5`. The last of a key counts.
    #[must_use]
    pub fn set(mut self, pair: impl Into<String>) -> Self {
        self.settings.push(pair.into());
        self
    }

    /// Both listeners speak TLS and show this certificate, which lies in [`Server::folder`].
    #[must_use]
    pub fn tls(mut self, identity: &Identity) -> Self {
        self.tls = Some(identity.clone());
        self.trust(identity)
    }

    /// Clients of the REST APIs take this certificate as well.
    #[must_use]
    pub fn trust(mut self, identity: &Identity) -> Self {
        self.trusted.push(identity.clone());
        self
    }

    /// Uses the data directory of another server.
    #[must_use]
    pub fn data_of(mut self, server: &Server) -> Self {
        self.data = Some(Arc::clone(&server.data));
        self
    }

    /// Uses this directory, which has the data in its folder `data`.
    #[must_use]
    pub fn data(mut self, directory: TempDir) -> Self {
        self.data = Some(Arc::new(directory));
        self
    }

    /// Starts the server through a command that runs the rest of its arguments, with its data in
    /// `folder`, which may exist for that command only.
    #[must_use]
    pub fn through(mut self, prefix: Vec<String>, folder: PathBuf) -> Self {
        self.prefix = prefix;
        self.folder = Some(folder);
        self
    }

    /// Listens on this port instead of a free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Uses the data directory and the main port of a server that has ended: its clients find the
    /// new one where the old one was.
    #[must_use]
    pub fn after(mut self, server: &Server) -> Self {
        self.port = server.address().port();
        self.data_of(server)
    }

    /// Starts `guildhall dev --json` and reads its line.
    pub fn start(self) -> Server {
        Server::start(self)
    }
}

/// What `dev --json` prints.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartLine {
    /// Base of the REST API.
    pub api: String,
    /// The gateway's URL.
    pub gateway: String,
    /// Base of the admin API.
    pub admin: String,
    /// The demo guild.
    pub guild_id: String,
    /// Its #general.
    pub channel_id: String,
    /// The demo bot's token.
    pub bot_token: String,
    /// The demo users' tokens.
    pub user_tokens: [String; 2],
    /// The operator's token.
    pub admin_token: String,
}

/// A running server. It is killed when dropped; its log is shown if the test has failed.
#[derive(Debug)]
pub struct Server {
    child: Child,
    data: Arc<TempDir>,
    log: PathBuf,
    line: StartLine,
    started_in: Duration,
    http: reqwest::Client,
    tls: Option<Identity>,
}

impl Server {
    fn start(mut setup: Setup) -> Self {
        let data = setup.data.unwrap_or_else(|| {
            Arc::new(tempfile::tempdir().expect("a directory for the server's data"))
        });
        if let Some(identity) = &setup.tls {
            identity.write(data.path());
            let (certificate, key) = Identity::paths(data.path());
            for listener in ["listen", "admin"] {
                for (name, path) in [("cert", &certificate), ("key", &key)] {
                    let pair = format!("{listener}.tls_{name}={}", path.display());
                    setup.settings.push(pair);
                }
            }
        }
        let log = data.path().join("server.log");
        let log_file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .expect("a file for the server's log");
        let binary = if setup.faults {
            binary::with_faults()
        } else {
            binary::path()
        };
        let mut command = guildhall(&binary, data.path(), &setup.prefix);
        command.args(["dev", "--json", "--admin-port=0", "--workers=2"]);
        command.arg(format!("--port={}", setup.port));
        let generous = if setup.strict {
            &GENEROUS[..0]
        } else {
            &GENEROUS
        };
        for pair in generous
            .iter()
            .map(ToString::to_string)
            .chain(setup.settings)
        {
            command.arg("--set").arg(pair);
        }
        let began = Instant::now();
        let mut child = command
            .arg("--data")
            .arg(setup.folder.unwrap_or_else(|| data.path().join("data")))
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn()
            .expect("the server's binary runs");
        let stdout = child.stdout.take().expect("standard output is piped");
        let Some(line) = first_line(stdout) else {
            let _ = child.kill();
            panic!("the server printed no line:\n{}", tail(&log));
        };
        let started_in = began.elapsed();
        let line = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{error} in the start line {line}"));
        let http = client(&setup.trusted);
        Self {
            child,
            data,
            log,
            line,
            started_in,
            http,
            tls: setup.tls,
        }
    }

    /// What the server said at its start.
    pub const fn line(&self) -> &StartLine {
        &self.line
    }

    /// From the start of the process to its line.
    pub const fn started_in(&self) -> Duration {
        self.started_in
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.data.path().join("data")
    }

    /// The folder that the data directory is in, and certificates are.
    pub fn folder(&self) -> PathBuf {
        self.data.path().to_owned()
    }

    /// What a gateway client connects with, where the server speaks TLS: trust in the certificate that it
    /// was started with.
    pub fn tls(&self) -> Option<Arc<rustls::ClientConfig>> {
        self.tls.as_ref().map(Identity::trusted)
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The process.
    pub fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// Where the main listener is.
    pub fn address(&self) -> SocketAddr {
        address_of(&self.line.gateway)
    }

    /// Where the admin listener is.
    pub fn admin_address(&self) -> SocketAddr {
        address_of(&self.line.admin)
    }

    /// The REST API as somebody without a token sees it.
    pub fn stranger(&self) -> Rest {
        Rest::new(self.http.clone(), &self.line.api, None)
    }

    /// The REST API with this `Authorization` header.
    pub fn rest(&self, authorization: &str) -> Rest {
        Rest::new(self.http.clone(), &self.line.api, Some(authorization))
    }

    /// The operator's API with this token.
    pub fn operator(&self, token: Option<&str>) -> Rest {
        let bearer = token.map(|token| format!("Bearer {token}"));
        Rest::new(self.http.clone(), &self.line.admin, bearer.as_deref())
    }

    /// Asks the server to stop, as `kill PID` does.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.expect("a process has a positive id");
        kill_process(pid, signal).expect("the server can be signalled");
    }

    /// Waits for the end of the process.
    pub async fn exit(&mut self) -> ExitStatus {
        eventually("the end of the server", || {
            let ended = self.ended();
            async move { ended }
        })
        .await
    }

    /// How the process ended, where it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the server is a child")
    }

    /// Panics where the process has ended.
    pub fn assert_running(&mut self) {
        let ended = self.ended();
        assert!(ended.is_none(), "the server has ended: {ended:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the server's log:\n{}---", tail(&self.log));
        }
    }
}

/// An HTTP client that trusts these certificates and no other.
fn client(trusted: &[Identity]) -> reqwest::Client {
    // The client asks the process for its cryptography; another one may have chosen it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut client = reqwest::Client::builder().no_proxy().timeout(DEADLINE);
    for identity in trusted {
        let pem = identity.certificate.as_bytes();
        let certificate = reqwest::Certificate::from_pem(pem).expect("the certificate is PEM");
        client = client.add_root_certificate(certificate);
    }
    client.build().expect("an HTTP client")
}

/// Runs a command of the server's binary to its end, in an empty environment and this directory.
pub fn run(directory: &Path, args: &[&str]) -> Output {
    guildhall(&binary::path(), directory, &[])
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("the server's binary runs")
}

/// A binary of the server, run through a command if there is one, away from settings of whoever runs the
/// tests.
fn guildhall(binary: &Path, directory: &Path, prefix: &[String]) -> Command {
    let mut command = match prefix {
        [] => Command::new(binary),
        [program, rest @ ..] => {
            let mut command = Command::new(program);
            command.args(rest).arg(binary);
            command
        }
    };
    command.current_dir(directory).env_clear();
    for kept in ["PATH", "HOME", "RUST_BACKTRACE"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command
}

/// The first line that comes; `None` where the output ends or nothing comes in time.
fn first_line(output: impl std::io::Read + Send + 'static) -> Option<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let mut output = BufReader::new(output);
        if output.read_line(&mut line).is_ok() && line.ends_with('\n') {
            // Where nobody waits any more nobody is told.
            let _ = sender.send(line);
        }
        // Whatever else is printed is taken, so that the server never blocks on it.
        let _ = std::io::copy(&mut output, &mut std::io::sink());
    });
    receiver.recv_timeout(DEADLINE).ok()
}

fn address_of(url: &str) -> SocketAddr {
    let rest = url.split("://").nth(1).unwrap_or(url);
    let authority = rest.split('/').next().unwrap_or(rest);
    authority
        .parse()
        .unwrap_or_else(|error| panic!("{error}: {url}"))
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let mut shown = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n");
    shown.push('\n');
    shown
}
