//! The threads of sessions as the rest of the program sees them: what they share, what they show, what they leave.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex};
use std::{io, thread};

use hdrhistogram::Histogram;
use tokio::sync::watch;

use super::tally::Tally;
use super::worker;
use crate::endpoint::Endpoint;
use crate::marker::MarkerCodec;
use crate::plan::Plan;
use crate::shared::{Published, Window};

/// What all workers of a run share.
#[derive(Debug)]
pub struct Fleet {
    /// Who is where.
    pub plan: Plan,
    /// Where the gateway is, as `GET /gateway` says.
    pub gateway_url: String,
    /// The same, resolved.
    pub gateway: Endpoint,
    /// Token of each session's user.
    pub tokens: Vec<Box<str>>,
    /// Guild snowflake to index.
    pub guilds: Arc<HashMap<u64, u32>>,
    /// The run's mark on messages.
    pub codec: MarkerCodec,
    /// Publishes of each guild in the whole run.
    pub planned: Vec<u32>,
    /// The measured part of the run.
    pub window: Arc<Window>,
    /// How much was published.
    pub published: Arc<Published>,
    /// Workers of the run.
    pub workers: u32,
    /// Connects under way at a time, over all workers.
    pub connecting: u32,
    /// Makes heartbeats and reconnects spread the same way again.
    pub seed: u64,
}

/// What a worker shows while it runs. Written by the worker alone.
#[derive(Debug, Default)]
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
    pub fn start(fleet: Arc<Fleet>, number: u32, stop: watch::Receiver<bool>) -> io::Result<Self> {
        let gauges = Arc::new(Gauges::default());
        let shown = Arc::clone(&gauges);
        let thread = thread::Builder::new()
            .name(format!("sessions-{number}"))
            .spawn(move || worker::run(fleet, number, shown, stop))?;
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
