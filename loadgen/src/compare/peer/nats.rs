//! nats-server with a WebSocket listener.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::{Cores, Scratch, Server, Started, version_of};
use crate::clock::{self, SECOND};
use crate::compare::driver::nats::Nats;
use crate::endpoint::Endpoint;

/// How long it may take to listen, in microseconds.
const STARTING: u64 = 10 * SECOND;

/// What it writes about its ports.
#[derive(Debug, Deserialize)]
struct Ports {
    websocket: Vec<String>,
}

/// Starts it on free ports.
pub(super) fn start(cores: Cores, receivers: u32) -> Result<Started> {
    let scratch = Scratch::new()?;
    let directory = scratch.path().display().to_string();
    let file = scratch.path().join("nats.conf");
    let settings = format!(
        "host: \"127.0.0.1\"\nport: -1\nports_file_dir: \"{directory}\"\n\
         websocket {{ host: \"127.0.0.1\", port: -1, no_tls: true }}\n"
    );
    fs::write(&file, settings)?;
    let command = [
        "nats-server".into(),
        "--config".into(),
        file.into_os_string(),
    ];
    let mut server = Server::start(&command, cores, scratch)?;
    let url = ports(&mut server)?;
    let endpoint = Endpoint::parse(&url, "ws")?;
    Ok(Started {
        server,
        driver: Box::new(Nats::new(endpoint, receivers)),
        version: version_of(Path::new("nats-server"))?,
    })
}

/// The WebSocket listener's URL, once it is known.
fn ports(server: &mut Server) -> Result<String> {
    let deadline = clock::now() + STARTING;
    loop {
        for entry in fs::read_dir(server.directory())? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "ports")
                // It may be half written.
                && let Ok(ports) = serde_json::from_slice::<Ports>(&fs::read(&path)?)
            {
                let url = ports.websocket.into_iter().next();
                return url.context("it has no websocket listener");
            }
        }
        if !server.is_alive() || clock::now() > deadline {
            bail!("it does not listen: {}", server.complaint());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
