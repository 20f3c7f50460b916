//! One run: a fresh server, its connections, one load.

use std::cell::RefCell;

use anyhow::{Context as _, Result};

use super::engine::{Edge, Engine, Load};
use super::nearness::{Looks, Watch};
use super::peer::{Peer, Places, Started};
use super::sample::{Memory, Sample, Subject, Used};
use super::server::Server;
use super::{CompareArgs, Cores};
use crate::clock::{self, SECOND};
use crate::procfs::{ProcessCpu, busy, resident_bytes, sleeps, thread_cpu};

/// Microseconds between the last connection's being ready and the load, for what connecting leaves to be done.
const SETTLE: u64 = SECOND;

/// Everything that a run needs.
pub(super) struct Stage<'a> {
    pub(super) args: &'a CompareArgs,
    pub(super) places: Places,
    pub(super) cores: Cores,
    pub(super) watch: Option<Watch>,
}

/// A server with all its receivers.
pub(super) struct Connected {
    cores: Cores,
    pub(super) engine: Engine,
    pub(super) server: Server,
    pub(super) version: String,
    before: u64,
    idle: u64,
}

impl Stage<'_> {
    /// Starts `peer` and connects everyone.
    pub(super) fn connect(&self, peer: Peer) -> Result<Connected> {
        self.connect_by(peer, Engine::connect)
    }

    /// Starts `peer` and connects those who receive.
    pub(super) fn connect_receivers(&self, peer: Peer) -> Result<Connected> {
        self.connect_by(peer, Engine::connect_receivers)
    }

    fn connect_by(
        &self,
        peer: Peer,
        connect: impl FnOnce(&mut Engine, u64) -> Result<()>,
    ) -> Result<Connected> {
        let receivers = self.args.receivers();
        let Started {
            server,
            driver,
            version,
        } = peer.start(&self.places, self.cores, receivers)?;
        let mut engine = Engine::new(driver, receivers)?;
        let before = resident_bytes(server.pid())?;
        let connected = connect(&mut engine, self.connect_timeout());
        connected.with_context(|| format!("{}: {}", peer.name(), server.complaint()))?;
        engine.run_until(clock::now() + SETTLE)?;
        let idle = resident_bytes(server.pid())?;
        Ok(Connected {
            cores: self.cores,
            engine,
            server,
            version,
            before,
            idle,
        })
    }

    /// Microseconds for all connections to be ready.
    pub(super) fn connect_timeout(&self) -> u64 {
        clock::from_seconds(self.args.connect_timeout)
    }

    /// The load at `rate`, measured for `seconds`.
    pub(super) fn load(&self, rate: f64, seconds: f64) -> Load {
        Load {
            rate,
            warmup: clock::from_seconds(self.args.warmup),
            measured: clock::from_seconds(seconds),
            payload: self.args.payload as usize,
            drain: clock::from_seconds(self.args.drain),
        }
    }

    /// One run of a fresh server; also gives its version.
    pub(super) fn run(
        &self,
        peer: Peer,
        rate: f64,
        round: u32,
        seconds: f64,
    ) -> Result<(Sample, String)> {
        let mut connected = self.connect(peer)?;
        let subject = Subject {
            peer: peer.name(),
            rate,
            round,
            receivers: self.args.receivers(),
        };
        let before = self.looks();
        let sample = connected.measure(self.load(rate, seconds), subject);
        let mut sample = sample.with_context(|| {
            format!(
                "{} at {rate} messages/s: {}",
                peer.name(),
                connected.server.complaint()
            )
        })?;
        sample.apart = self.looks().since(before).apart();
        Ok((sample, connected.version))
    }

    fn looks(&self) -> Looks {
        self.watch.as_ref().map(Watch::looks).unwrap_or_default()
    }
}

impl Connected {
    /// Resident bytes that each of `receivers` connections added.
    pub(super) fn rss_per(&self, receivers: u32) -> f64 {
        self.added(self.idle, receivers)
    }

    /// The same by now.
    pub(super) fn rss_now(&self, receivers: u32) -> Result<f64> {
        let now = resident_bytes(self.server.pid())?;
        Ok(self.added(now, receivers))
    }

    fn added(&self, resident: u64, receivers: u32) -> f64 {
        resident.saturating_sub(self.before) as f64 / f64::from(receivers)
    }

    /// Carries out one load.
    pub(super) fn measure(&mut self, load: Load, subject: Subject) -> Result<Sample> {
        let pid = self.server.pid();
        let cores = self.cores;
        let edges = RefCell::new(Vec::new());
        let outcome = self.engine.load(load, |edge| {
            edges.borrow_mut().push(used(pid, cores, edge)?);
            Ok(())
        })?;
        let memory = Memory {
            before: self.before,
            idle: self.idle,
            after: resident_bytes(pid)?,
        };
        let edges = edges.into_inner();
        let [from, to] = &edges[..] else {
            anyhow::bail!("invariant: a load has two edges");
        };
        Ok(Sample::new(subject, &outcome, from, to, memory))
    }
}

fn used(pid: u32, cores: Cores, edge: Edge) -> Result<Used> {
    let own = rustix::thread::gettid()
        .as_raw_nonzero()
        .get()
        .cast_unsigned();
    Ok(Used {
        edge,
        server: ProcessCpu::of(pid).context("the server has ended")?,
        generator: thread_cpu(std::process::id(), own)?,
        sleeps: sleeps(pid)?,
        busy: match cores {
            Cores {
                server: Some(server),
                load: Some(load),
            } => Some((busy(server)?, busy(load)?)),
            _ => None,
        },
    })
}
