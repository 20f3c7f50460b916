//! The threads of sessions as the rest of the program sees them: what they share, what they show, what they leave.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex};
use std::{io, thread};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::storm::Storm;
use super::tally::{Counters, Lately};
use super::worker;
use crate::check::Checker;
use crate::check::history::Recorder;
use crate::endpoint::Endpoint;
use crate::marker::MarkerCodec;
use crate::plan::Plan;
use crate::scenario::Scenario;
use crate::shared::{Places, Window};
use crate::source::Sources;

/// What the threads of one process are to do, in a form that another process understands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Charge {
    /// The scenario as TOML, which keeps every digit: plan and seed make the same plan everywhere.
    pub scenario: String,
    /// Makes plan, heartbeats and reconnects the same again.
    pub seed: u64,
    /// The run's id, which is part of its mark on messages.
    pub run: u32,
    /// Snowflake of each guild.
    pub guild_ids: Vec<u64>,
    /// Snowflake of the channel of each room.
    pub channels: Vec<u64>,
    /// Token of each user.
    pub tokens: Vec<Box<str>>,
    /// Where the gateway is, as `GET /gateway` says.
    pub gateway_url: String,
    /// The same, resolved.
    pub gateway: Endpoint,
    /// Gateways of the other nodes of its cluster.
    pub more: Vec<Endpoint>,
    /// From where sessions connect.
    pub sources: Sources,
    /// Publishes of each room in the whole run.
    pub planned: Vec<u32>,
    /// Session threads of the run, over all processes.
    pub threads: u32,
    /// Number of the first thread of this process.
    pub first: u32,
    /// Threads of this process.
    pub count: u32,
    /// Connects under way at a time, over all threads of the run.
    pub connecting: u32,
    /// Where observations are kept, if they are wanted.
    pub record: Option<PathBuf>,
}

impl Charge {
    /// Numbers of this process's threads.
    pub fn own_threads(&self) -> Range<u32> {
        self.first..self.first + self.count
    }
}

/// What all session threads of a process share.
#[derive(Debug)]
pub struct Fleet {
    /// Who is where.
    pub plan: Arc<Plan>,
    /// Snowflake of each guild.
    pub guild_ids: Vec<u64>,
    /// Where the gateway is, as `GET /gateway` says.
    pub gateway_url: String,
    /// The same, resolved.
    pub gateway: Endpoint,
    /// Gateways of the other nodes of its cluster.
    pub more: Vec<Endpoint>,
    /// From where sessions connect.
    pub sources: Sources,
    /// Token of each user.
    pub tokens: Vec<Box<str>>,
    /// What snowflakes stand for.
    pub places: Arc<Places>,
    /// Guild of each room.
    pub guild_of: Arc<[u32]>,
    /// The run's mark on messages.
    pub codec: MarkerCodec,
    /// Publishes of each room in the whole run.
    pub planned: Vec<u32>,
    /// When messages begin, and what is measured.
    pub window: Arc<Window>,
    /// Where observations are kept, if they are wanted.
    pub recorder: Option<Recorder>,
    /// Presence updates per second, over all threads of the run.
    pub presence: f64,
    /// Session threads of the run, over all processes.
    pub threads: u32,
    /// Connects under way at a time, over all threads of the run.
    pub connecting: u32,
    /// Makes heartbeats and reconnects spread the same way again.
    pub seed: u64,
}

impl Fleet {
    /// What follows from a charge; `scenario` and `plan` are those that it names.
    pub fn new(
        charge: Charge,
        scenario: &Scenario,
        plan: Arc<Plan>,
        recorder: Option<Recorder>,
    ) -> Self {
        let places = Places::new(&plan, &charge.guild_ids, &charge.channels);
        Self {
            places: Arc::new(places),
            guild_of: plan.guild_of().into(),
            plan,
            guild_ids: charge.guild_ids,
            gateway_url: charge.gateway_url,
            gateway: charge.gateway,
            more: charge.more,
            sources: charge.sources,
            tokens: charge.tokens,
            codec: MarkerCodec::new(charge.run),
            planned: charge.planned,
            window: Arc::default(),
            recorder,
            presence: scenario.traffic.presence,
            threads: charge.threads,
            connecting: charge.connecting,
            seed: charge.seed,
        }
    }

    /// The gateway of a session whose last so many connections failed: its own, or the next one's.
    pub fn gateway_of(&self, session: u32, failed: u32) -> &Endpoint {
        let all = self.more.len() + 1;
        let at = (session as usize + failed as usize) % all;
        at.checked_sub(1)
            .map_or(&self.gateway, |other| &self.more[other])
    }
}

/// What a worker shows while it runs. Written by the worker alone.
#[derive(Debug)]
pub struct Gauges {
    /// The worker's thread id; 0 before it runs.
    pub thread: AtomicU32,
    /// Sessions that have had all their guilds.
    pub ready: AtomicU32,
    /// Sessions without a working connection, among those that were ready.
    pub detached: AtomicU32,
    /// Sessions given up.
    pub lost: AtomicU32,
    /// Publishes that came to a session.
    pub delivered: AtomicU64,
    /// Reads that brought something.
    pub reads: AtomicU64,
    /// Violations found while running.
    pub violations: AtomicU64,
    /// The last connect that failed, in words.
    pub last_error: Mutex<Option<String>>,
    /// What came lately; taken by whoever looks.
    pub lately: Mutex<Lately>,
}

impl Gauges {
    /// Nothing yet, of this many rooms.
    pub fn new(rooms: usize) -> Self {
        Self {
            thread: AtomicU32::default(),
            ready: AtomicU32::default(),
            detached: AtomicU32::default(),
            lost: AtomicU32::default(),
            delivered: AtomicU64::default(),
            reads: AtomicU64::default(),
            violations: AtomicU64::default(),
            last_error: Mutex::default(),
            lately: Mutex::new(Lately::new(rooms)),
        }
    }
}

/// What a worker is told while it runs.
#[derive(Debug, Clone)]
pub struct Orders {
    /// Becomes true to end it.
    pub stop: watch::Receiver<bool>,
    /// All connections break, again and again.
    pub storms: watch::Receiver<Storm>,
}

/// What is left of a worker.
#[derive(Debug)]
pub struct Finished {
    /// The judge of its sessions.
    pub checker: Checker,
    /// Intended send time to reception, in microseconds, of the messages of the measured part.
    pub latency: Histogram<u64>,
    /// The same from the time at which the message was really sent.
    pub naive: Histogram<u64>,
    /// What happened to connections.
    pub counters: Counters,
    /// How late its loop ran in the measured part, in microseconds.
    pub lag: Histogram<u64>,
}

/// A running worker.
#[derive(Debug)]
struct Handle {
    gauges: Arc<Gauges>,
    thread: thread::JoinHandle<io::Result<Finished>>,
}

impl Handle {
    fn start(fleet: Arc<Fleet>, number: u32, orders: Orders) -> io::Result<Self> {
        let gauges = Arc::new(Gauges::new(fleet.plan.rooms.len()));
        let shown = Arc::clone(&gauges);
        let thread = thread::Builder::new()
            .name(format!("sessions-{number}"))
            .spawn(move || worker::run(fleet, number, shown, orders))?;
        Ok(Self { gauges, thread })
    }

    fn join(self) -> io::Result<Finished> {
        match self.thread.join() {
            Ok(finished) => finished,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// The session threads of one process. Dropping it ends them.
#[derive(Debug)]
pub struct Crew {
    /// What they share.
    pub fleet: Arc<Fleet>,
    /// Begins storms.
    pub storms: watch::Sender<Storm>,
    handles: Vec<Handle>,
    stop: watch::Sender<bool>,
}

impl Crew {
    /// Starts the threads with these numbers; they connect at once.
    pub fn start(fleet: &Arc<Fleet>, numbers: Range<u32>) -> io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let (storms, weather) = watch::channel(Storm::default());
        let orders = Orders {
            stop: stopped,
            storms: weather,
        };
        let start = |number| Handle::start(Arc::clone(fleet), number, orders.clone());
        Ok(Self {
            fleet: Arc::clone(fleet),
            handles: numbers.map(start).collect::<io::Result<_>>()?,
            storms,
            stop,
        })
    }

    /// What each thread shows.
    pub fn gauges(&self) -> Vec<Arc<Gauges>> {
        let gauges = self.handles.iter().map(|handle| Arc::clone(&handle.gauges));
        gauges.collect()
    }

    /// Closes all sessions and gives what they observed.
    pub fn stop(self) -> io::Result<Vec<Finished>> {
        self.stop.send_replace(true);
        self.handles.into_iter().map(Handle::join).collect()
    }
}
