//! `guildhall dev --nodes N`: a NATS server and further nodes beside this one, as processes of their own.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;

use crate::cli::NodeArgs;
use crate::clock;
use crate::config::Config;

/// Most nodes on one machine.
const MOST: u16 = 9;
/// Where packages put the NATS server, beside the folders of `PATH`.
const FOLDERS: [&str; 3] = ["/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];
/// How long the NATS server or a node may take to listen.
const STARTS: Duration = Duration::from_secs(20);
/// How long a process may take to end.
const ENDS: Duration = Duration::from_secs(20);
/// How long a node may take to say whether it is ready.
const ANSWERS: Duration = Duration::from_secs(1);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(20);

/// Why there is no cluster.
#[derive(Debug, thiserror::Error)]
pub enum DevClusterError {
    /// There can be 2 to 9 nodes.
    #[error("expected 2 to {MOST} nodes")]
    Count,
    /// The settings name a NATS server.
    #[error("--nodes starts a NATS server of its own: leave cluster.nats out")]
    OtherNats,
    /// The program is not there.
    #[error(
        "nats-server is not installed: on Debian and Ubuntu apt install nats-server, elsewhere see https://docs.nats.io"
    )]
    NoNats,
    /// A process does not start.
    #[error("{what}: {error}")]
    Start {
        /// Which.
        what: String,
        /// Why.
        error: io::Error,
    },
    /// A process does not listen in time.
    #[error("{what} does not listen; see {}", log.display())]
    Silent {
        /// Which.
        what: String,
        /// Where it says why.
        log: PathBuf,
    },
}

/// Where a further node is reached.
#[derive(Debug, Clone, Serialize)]
pub struct NodeAddress {
    /// Its name.
    pub name: String,
    /// Base of its REST API.
    pub api: String,
    /// Its gateway.
    pub gateway: String,
    /// Its admin API; the operator's token is that of the first node.
    pub admin: String,
}

/// A NATS server and nodes; they are ended when this is dropped.
#[derive(Debug)]
pub struct DevCluster {
    nats: Helper,
    nodes: Vec<Helper>,
    addresses: Vec<NodeAddress>,
}

#[derive(Debug)]
struct Helper(Child);

impl DevCluster {
    /// Starts the NATS server, and has `args` name it: they are those of the first node, which this process
    /// is to be.
    pub fn start(
        count: u16,
        args: &mut NodeArgs,
        config: &Config,
    ) -> Result<Self, DevClusterError> {
        if !(2..=MOST).contains(&count) {
            return Err(DevClusterError::Count);
        }
        if !config.cluster.nats.is_empty() {
            return Err(DevClusterError::OtherNats);
        }
        let program = nats_program().ok_or(DevClusterError::NoNats)?;
        let dir = config.store.dir.join("nats");
        let failed = |what: &str| {
            let what = what.to_owned();
            move |error| DevClusterError::Start { what, error }
        };
        fs::create_dir_all(&dir).map_err(failed("the folder of nats-server"))?;
        let local = IpAddr::from([127, 0, 0, 1]);
        let port = free_port(local).map_err(failed("a port for nats-server"))?;
        let log = config.store.dir.join("nats.log");
        let mut command = tethered(&program).map_err(failed("this program"))?;
        command
            .args(["-js", "-a", "127.0.0.1", "-p", &port.to_string(), "-sd"])
            .arg(&dir);
        let mut nats = Helper::start(&mut command, &log).map_err(failed("nats-server"))?;
        if !nats.comes_up(|| TcpStream::connect((local, port)).is_ok()) {
            let what = "nats-server".to_owned();
            return Err(DevClusterError::Silent { what, log });
        }
        args.set
            .push(format!("cluster.nats=nats://127.0.0.1:{port}"));
        Ok(Self {
            nats,
            nodes: Vec::with_capacity(usize::from(count)),
            addresses: Vec::new(),
        })
    }

    /// Starts the nodes after the first, which listens already. `secrets` are what tokens are signed with and
    /// the operator's token.
    pub fn join(
        &mut self,
        count: u16,
        args: &NodeArgs,
        config: &Config,
        secrets: (&str, &str),
    ) -> Result<(), DevClusterError> {
        for number in 2..=count {
            self.add(number, args, config, secrets)?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        number: u16,
        args: &NodeArgs,
        config: &Config,
        (secret, admin_token): (&str, &str),
    ) -> Result<(), DevClusterError> {
        let name = format!("node-{number}");
        let failed = |error| DevClusterError::Start {
            what: name.clone(),
            error,
        };
        let dir = config.store.dir.join(&name);
        fs::create_dir_all(&dir).map_err(failed)?;
        let main_port = free_port(config.listen.host).map_err(failed)?;
        let admin_port = free_port(config.admin.host).map_err(failed)?;
        let log = config.store.dir.join(format!("{name}.log"));
        let this = std::env::current_exe().map_err(failed)?;
        let mut command = tethered(&this).map_err(failed)?;
        command.arg("serve");
        if let Some(file) = &args.config {
            command.arg("--config").arg(file);
        }
        let own = [
            format!("node.number={number}"),
            format!("listen.host={}", config.listen.host),
            format!("admin.host={}", config.admin.host),
        ];
        for pair in args.set.iter().chain(&own) {
            command.arg("--set").arg(pair);
        }
        command
            .args(["--node", &name, "--port", &main_port.to_string()])
            .args(["--admin-port", &admin_port.to_string(), "--data"])
            .arg(&dir)
            // Not as arguments, which everybody on the machine can read.
            .env("GUILDHALL_AUTH__SECRET", secret)
            .env("GUILDHALL_ADMIN__TOKEN", admin_token);
        let mut node = Helper::start(&mut command, &log).map_err(failed)?;
        let (host, port) = (config.admin.host, admin_port);
        if !node.comes_up(|| is_ready(host, port)) {
            return Err(DevClusterError::Silent { what: name, log });
        }
        self.nodes.push(node);
        let at = format!("{}:{main_port}", config.listen.host);
        self.addresses.push(NodeAddress {
            name,
            api: format!("http://{at}/api/v10"),
            gateway: format!("ws://{at}/gateway"),
            admin: format!("http://{}:{admin_port}", config.admin.host),
        });
        Ok(())
    }

    /// Where the nodes after the first are reached.
    pub fn addresses(&self) -> &[NodeAddress] {
        &self.addresses
    }

    /// Asks the nodes to stop, while the first one does.
    pub fn stop_nodes(&mut self) {
        for node in &mut self.nodes {
            node.terminate();
        }
    }
}

impl Drop for DevCluster {
    fn drop(&mut self) {
        self.stop_nodes();
        for node in &mut self.nodes {
            node.end();
        }
        // Last: the nodes still write.
        self.nats.terminate();
        self.nats.end();
    }
}

impl Helper {
    fn start(command: &mut Command, log: &Path) -> io::Result<Self> {
        let log = File::options().create(true).append(true).open(log)?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // An interrupt at the terminal is for the first node alone, which ends the others in order.
            .process_group(0)
            .spawn()
            .map(Self)
    }

    /// Waits until it serves; false where it ends before, or takes too long.
    fn comes_up(&mut self, serves: impl Fn() -> bool) -> bool {
        let end = clock::now() + STARTS;
        while clock::now() < end {
            if serves() {
                return true;
            }
            if !matches!(self.0.try_wait(), Ok(None)) {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        false
    }

    fn terminate(&mut self) {
        if !matches!(self.0.try_wait(), Ok(None)) {
            return;
        }
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may end just now; it was not waited for, so that its id is nobody else's.
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    /// Waits for its end, and makes one where it takes too long.
    fn end(&mut self) {
        let end = clock::now() + ENDS;
        while clock::now() < end {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(LOOK);
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program that ends with this process, also where that is killed: `guildhall tethered` becomes it.
fn tethered(program: &Path) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("tethered")
        .arg(std::process::id().to_string())
        .arg("--")
        .arg(program);
    Ok(command)
}

/// Whether a node with its admin listener there takes traffic, so that it is on the list of nodes.
fn is_ready(host: IpAddr, port: u16) -> bool {
    let ask = || -> io::Result<bool> {
        let mut stream = TcpStream::connect((host, port))?;
        stream.set_read_timeout(Some(ANSWERS))?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")?;
        let mut start = [0; 12];
        stream.read_exact(&mut start)?;
        Ok(&start == b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}

/// A port that nobody listens on; somebody may take it before it is used.
fn free_port(host: IpAddr) -> io::Result<u16> {
    Ok(TcpListener::bind((host, 0))?.local_addr()?.port())
}

fn nats_program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(FOLDERS.iter().map(PathBuf::from));
    let mut programs = folders.map(|folder| folder.join("nats-server"));
    programs.find(|program| program.is_file())
}
