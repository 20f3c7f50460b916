//! Soketi, a server of the Pusher protocol, with the application that it has by default.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::{Cores, Scratch, Server, Started};
use crate::clock::{self, SECOND};
use crate::compare::driver::pusher::{App, Pusher};
use crate::endpoint::Endpoint;

/// How long it may take to listen, in microseconds.
const STARTING: u64 = 30 * SECOND;

#[derive(Deserialize)]
struct Package {
    version: String,
}

/// Whether it is installed there.
pub(super) fn is_installed(directory: &Path) -> bool {
    package(directory).is_dir()
}

fn package(directory: &Path) -> std::path::PathBuf {
    directory.join("node_modules/@soketi/soketi")
}

/// Starts it on a free port.
pub(super) fn start(directory: &Path, cores: Cores) -> Result<Started> {
    let package = package(directory);
    let about = std::fs::read(package.join("package.json"))?;
    let about: Package = serde_json::from_slice(&about).context("its package.json")?;
    // It cannot choose them itself.
    let (port, metrics) = (free_port()?, free_port()?);
    let mut command: Vec<std::ffi::OsString> = vec!["env".into()];
    for setting in [
        "SOKETI_HOST=127.0.0.1".to_owned(),
        format!("SOKETI_PORT={port}"),
        "SOKETI_METRICS_HOST=127.0.0.1".to_owned(),
        format!("SOKETI_METRICS_SERVER_PORT={metrics}"),
        "SOKETI_DEFAULT_APP_ENABLE_CLIENT_MESSAGES=1".to_owned(),
        // Otherwise it would only begin to end when it is asked to.
        "SOKETI_SHUTDOWN_GRACE_PERIOD=0".to_owned(),
    ] {
        command.push(setting.into());
    }
    command.push("node".into());
    command.push(package.join("bin/server.js").into_os_string());
    command.push("start".into());
    let mut server = Server::start(&command, cores, Scratch::new()?)?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let deadline = clock::now() + STARTING;
    while TcpStream::connect(address).is_err() {
        if !server.is_alive() || clock::now() > deadline {
            bail!("it does not listen: {}", server.complaint());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let app = App {
        key: "app-key".to_owned(),
        secret: "app-secret".to_owned(),
    };
    let endpoint = Endpoint::parse(&format!("ws://{address}"), "ws")?;
    Ok(Started {
        server,
        driver: Box::new(Pusher { endpoint, app }),
        version: about.version,
    })
}

fn free_port() -> Result<u16> {
    let free = TcpListener::bind(("127.0.0.1", 0))?;
    Ok(free.local_addr()?.port())
}
