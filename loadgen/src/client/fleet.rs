//! The threads of sessions as the rest of the program sees them: what they share, what they show, what they leave.

use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex};
use std::{io, thread};

use hdrhistogram::Histogram;
use tokio::sync::watch;

use super::storm::Storm;
use super::tally::{Lately, Tally};
use super::worker;
use crate::check::history::Recorder;
use crate::endpoint::Endpoint;
use crate::marker::MarkerCodec;
use crate::plan::Plan;
use crate::shared::{Places, Published, Window};

/// What all workers of a run share.
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
    /// The measured part of the run.
    pub window: Arc<Window>,
    /// How much was published.
    pub published: Arc<Published>,
    /// Where observations are kept, if they are wanted.
    pub recorder: Option<Recorder>,
    /// Presence updates per second, over all workers.
    pub presence: f64,
    /// Workers of the run.
    pub workers: u32,
    /// Connects under way at a time, over all workers.
    pub connecting: u32,
    /// Makes heartbeats and reconnects spread the same way again.
    pub seed: u64,
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
    fn new(rooms: usize) -> Self {
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
    /// What its sessions observed.
    pub tally: Tally,
    /// How late its loop ran in the measured part, in microseconds.
    pub lag: Histogram<u64>,
}

/// A running worker.
#[derive(Debug)]
pub struct Handle {
    /// What it shows.
    pub gauges: Arc<Gauges>,
    thread: thread::JoinHandle<io::Result<Finished>>,
}

impl Handle {
    /// Starts worker number `number`; it connects at once and runs until `stop` becomes true.
    pub fn start(fleet: Arc<Fleet>, number: u32, orders: Orders) -> io::Result<Self> {
        let gauges = Arc::new(Gauges::new(fleet.plan.rooms.len()));
        let shown = Arc::clone(&gauges);
        let thread = thread::Builder::new()
            .name(format!("sessions-{number}"))
            .spawn(move || worker::run(fleet, number, shown, orders))?;
        Ok(Self { gauges, thread })
    }

    /// Waits for its end, after `stop`.
    pub fn join(self) -> io::Result<Finished> {
        match self.thread.join() {
            Ok(finished) => finished,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}
