//! What can be compared, and how each is started.

mod guildhall;
mod nats;
mod soketi;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::Cores;
use super::driver::Driver;
use super::driver::plain::Plain;
use super::driver::socket_io::SocketIo;
use super::server::{Announcement, Scratch, Server};
use crate::endpoint::Endpoint;

/// A server to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// Bare epoll.
    Floor,
    /// The usual chat on actix-web-actors.
    ActixChat,
    /// The npm package of this name.
    Npm(&'static str),
    /// nats-server's WebSocket listener.
    Nats,
    /// Soketi, which speaks the Pusher protocol.
    Soketi,
    /// This project's server with a durability.
    Guildhall(&'static str),
}

/// All that there is, in the order of the table.
pub(super) const ALL: [Peer; 10] = [
    Peer::Floor,
    Peer::Npm("uwebsockets"),
    Peer::Guildhall("disk"),
    Peer::Guildhall("os"),
    Peer::Guildhall("memory"),
    Peer::ActixChat,
    Peer::Npm("ws"),
    Peer::Npm("socket.io"),
    Peer::Nats,
    Peer::Soketi,
];

/// Where the things are that peers are started from.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// The server's binary.
    pub(super) guildhall: PathBuf,
    /// The directory with the npm peers' scripts and their `node_modules`.
    pub(super) npm: PathBuf,
    /// The directory with Soketi's `node_modules`.
    pub(super) soketi: PathBuf,
}

/// A server that listens, and how to speak to it.
pub(super) struct Started {
    /// The process.
    pub(super) server: Server,
    /// The protocol.
    pub(super) driver: Box<dyn Driver>,
    /// Of what is compared.
    pub(super) version: String,
}

impl Peer {
    /// Its name on the command line and in tables.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::ActixChat => "actix-chat",
            Self::Npm(package) => package,
            Self::Nats => "nats",
            Self::Soketi => "soketi",
            Self::Guildhall("disk") => "guildhall",
            Self::Guildhall("os") => "guildhall-os",
            Self::Guildhall(_) => "guildhall-memory",
        }
    }

    /// What it is, in a few words.
    pub(super) fn about(self) -> &'static str {
        match self {
            Self::Floor => "one epoll loop, one write per connection and message, nothing else",
            Self::ActixChat => {
                "actix-web-actors as in every first chat: one do_send of a copy per session"
            }
            Self::Npm("uwebsockets") => "uWebSockets.js, `publish` to a topic",
            Self::Npm("ws") => "ws, a loop of `send`",
            Self::Npm(_) => "Socket.IO over its websocket transport, `emit` to a namespace",
            Self::Nats => "nats-server over websocket, one subject",
            Self::Soketi => "Soketi, Pusher protocol: client events to a private channel",
            Self::Guildhall("disk") => {
                "guildhall, one guild, posts over rest; durability disk: acknowledged after fdatasync"
            }
            Self::Guildhall("os") => {
                "guildhall, one guild, posts over rest; durability os: acknowledged after write"
            }
            Self::Guildhall(_) => "guildhall, one guild, posts over rest; durability memory",
        }
    }

    /// The one of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|peer| peer.name() == name)
    }

    /// Why it cannot be started here; `None` if it can.
    pub(super) fn missing(self, places: &Places) -> Option<String> {
        match self {
            Self::Floor | Self::ActixChat => None,
            Self::Guildhall(_) if places.guildhall.is_file() => None,
            Self::Guildhall(_) => Some(format!(
                "no binary at {}: build guildhall-server or name it with --guildhall",
                places.guildhall.display()
            )),
            Self::Npm(package) => {
                if places.npm.join("node_modules").join(package).is_dir() {
                    program_missing("node")
                } else {
                    Some(format!(
                        "not installed: npm ci --ignore-scripts in {}",
                        places.npm.display()
                    ))
                }
            }
            Self::Nats => program_missing("nats-server"),
            Self::Soketi if soketi::is_installed(&places.soketi) => program_missing("node"),
            Self::Soketi => Some(format!(
                "not installed: npm ci --ignore-scripts in {}",
                places.soketi.display()
            )),
        }
    }

    /// Starts it for `receivers` receivers and makes what they need.
    pub(super) fn start(self, places: &Places, cores: Cores, receivers: u32) -> Result<Started> {
        let started = match self {
            Self::Floor | Self::ActixChat => {
                let own = std::env::current_exe()?.into_os_string();
                plain(&[own, "peer".into(), self.name().into()], cores)
            }
            Self::Npm(package) => {
                let script = places.npm.join(format!("{package}.mjs")).into_os_string();
                if package == "socket.io" {
                    socket_io(&["node".into(), script], cores)
                } else {
                    plain(&["node".into(), script], cores)
                }
            }
            Self::Nats => nats::start(cores, receivers),
            Self::Soketi => soketi::start(&places.soketi, cores),
            Self::Guildhall(durability) => {
                guildhall::start(&places.guildhall, durability, cores, receivers)
            }
        };
        started.with_context(|| format!("starting {}", self.name()))
    }
}

/// A server that announces itself.
fn announced(command: &[OsString], cores: Cores) -> Result<(Server, Endpoint, String)> {
    let mut server = Server::start(command, cores, Scratch::new()?)?;
    let line = server.first_line()?;
    let said: Announcement = serde_json::from_str(&line).context(line)?;
    let endpoint = Endpoint::parse(&said.url, "ws")?;
    Ok((server, endpoint, said.version))
}

fn plain(command: &[OsString], cores: Cores) -> Result<Started> {
    let (server, endpoint, version) = announced(command, cores)?;
    Ok(Started {
        server,
        driver: Box::new(Plain { endpoint }),
        version,
    })
}

fn socket_io(command: &[OsString], cores: Cores) -> Result<Started> {
    let (server, endpoint, version) = announced(command, cores)?;
    Ok(Started {
        server,
        driver: Box::new(SocketIo { endpoint }),
        version,
    })
}

/// The last word of what `program --version` says.
fn version_of(program: &std::path::Path) -> Result<String> {
    let output = Command::new(program).arg("--version").output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.split_whitespace().next_back().unwrap_or("unknown");
    Ok(last.to_owned())
}

/// Why `program` cannot be run; `None` if it can.
fn program_missing(program: &str) -> Option<String> {
    version_of(std::path::Path::new(program))
        .err()
        .map(|_| format!("{program} is not installed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_has_a_name_of_its_own() {
        for peer in ALL {
            assert_eq!(Peer::named(peer.name()), Some(peer));
        }
        assert_eq!(Peer::named("nobody"), None);
    }

    #[test]
    fn what_is_not_installed_says_what_to_do() {
        let places = Places {
            guildhall: "/nowhere/guildhall".into(),
            npm: "/nowhere".into(),
            soketi: "/nowhere".into(),
        };
        assert!(Peer::Floor.missing(&places).is_none());
        let why = Peer::Guildhall("disk").missing(&places).unwrap();
        assert!(why.contains("/nowhere/guildhall"), "{why}");
        let why = Peer::Npm("ws").missing(&places).unwrap();
        assert!(why.contains("npm ci"), "{why}");
        let why = Peer::Soketi.missing(&places).unwrap();
        assert!(why.contains("npm ci"), "{why}");
    }
}
