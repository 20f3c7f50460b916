//! The command line of `loadgen compare`.

use std::num::NonZeroU32;
use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use clap::{Args, ValueEnum};

use super::footprint;
use super::peer::{ALL, Peer, Places};

/// Settings of `loadgen compare`.
#[derive(Debug, Clone, Args)]
pub struct CompareArgs {
    /// Servers to compare, separated by commas: floor, uwebsockets, guildhall, guildhall-os, guildhall-memory,
    /// actix-chat, ws, socket.io, nats, soketi [default: all but guildhall-os]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub peers: Vec<String>,
    /// The server that the others are set against
    #[arg(long, value_name = "NAME", default_value = "uwebsockets")]
    pub base: String,
    /// Connections that get every message
    #[arg(long, value_name = "N", default_value = "1000")]
    pub sessions: NonZeroU32,
    /// Messages per second, separated by commas; each is a run of its own
    #[arg(long, value_name = "RATES", value_delimiter = ',', default_value = "50,200,400", value_parser = crate::cli::positive)]
    pub rates: Vec<f64>,
    /// How often each server is measured at each rate; the servers take turns
    #[arg(long, value_name = "N", default_value = "3")]
    pub rounds: NonZeroU32,
    /// Seconds measured of each run
    #[arg(long, value_name = "S", default_value = "10", value_parser = crate::cli::positive)]
    pub seconds: f64,
    /// Seconds of the same load before that
    #[arg(long, value_name = "S", default_value = "2", value_parser = crate::cli::not_negative)]
    pub warmup: f64,
    /// Seconds after the last message in which deliveries still count
    #[arg(long, value_name = "S", default_value = "5", value_parser = crate::cli::positive)]
    pub drain: f64,
    /// Bytes of a message, at least 50
    #[arg(long, value_name = "BYTES", default_value = "200", value_parser = clap::value_parser!(u32).range(50..=2_000))]
    pub payload: u32,
    /// Search for the highest rate with a p99 below 100 ms instead, from the first of the rates on
    #[arg(long, conflicts_with = "spread")]
    pub highest: bool,
    /// Instead, one message to this many sessions: from the first to the last delivery
    #[arg(long, value_name = "N")]
    pub spread: Option<NonZeroU32>,
    /// Instead, the memory that each of this many sessions takes: idle, after a burst of 64,000 bytes to each, and when that is over
    #[arg(long, value_name = "N", conflicts_with_all = ["spread", "highest"])]
    pub memory: Option<NonZeroU32>,
    /// Seconds between that burst and the last look
    #[arg(long, value_name = "S", default_value = "60", requires = "memory", value_parser = crate::cli::not_negative)]
    pub rest: f64,
    /// Seconds for all connections to be ready
    #[arg(long, value_name = "S", default_value = "90", value_parser = crate::cli::positive)]
    pub connect_timeout: f64,
    /// Core for the servers [default: the first]
    #[arg(long, value_name = "CORE")]
    pub server_cpu: Option<usize>,
    /// Core for the load [default: the second]
    #[arg(long, value_name = "CORE")]
    pub load_cpu: Option<usize>,
    /// The server's binary [default: beside loadgen's own]
    #[arg(long, value_name = "FILE", env = "GUILDHALL_BIN")]
    pub guildhall: Option<PathBuf>,
    /// Where the npm servers are installed
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/npm"), hide_default_value = true)]
    pub npm: PathBuf,
    /// Where Soketi is installed
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/soketi"), hide_default_value = true)]
    pub soketi: PathBuf,
    /// Where to write everything as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// Settings of `loadgen peer`.
#[derive(Debug, Clone, Copy, Args)]
pub struct PeerArgs {
    /// Which server to be
    pub which: OwnPeer,
}

/// The servers that loadgen brings along.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum OwnPeer {
    /// Bare epoll
    Floor,
    /// The usual actix chat
    ActixChat,
}

impl CompareArgs {
    /// The servers asked for.
    pub(super) fn chosen(&self) -> Result<Vec<Peer>> {
        if self.peers.is_empty() {
            let default = |peer: &Peer| *peer != Peer::Guildhall("os");
            return Ok(ALL.into_iter().filter(default).collect());
        }
        let mut chosen = Vec::new();
        for name in &self.peers {
            let Some(peer) = Peer::named(name.trim()) else {
                let names: Vec<&str> = ALL.iter().map(|peer| peer.name()).collect();
                bail!("no peer {name}: there are {}", names.join(", "));
            };
            ensure!(!chosen.contains(&peer), "{name} is named twice");
            chosen.push(peer);
        }
        Ok(chosen)
    }

    /// Connections of one run.
    pub(super) fn receivers(&self) -> u32 {
        self.memory.or(self.spread).unwrap_or(self.sessions).get()
    }

    /// Bytes of a message.
    pub(super) fn payload(&self) -> u32 {
        if self.memory.is_some() {
            footprint::MESSAGE
        } else {
            self.payload
        }
    }

    /// Where peers are started from.
    pub(super) fn places(&self) -> Result<Places> {
        let guildhall = match &self.guildhall {
            Some(path) => path.clone(),
            None => std::env::current_exe()?.with_file_name("guildhall"),
        };
        Ok(Places {
            guildhall,
            npm: self.npm.clone(),
            soketi: self.soketi.clone(),
        })
    }
}
