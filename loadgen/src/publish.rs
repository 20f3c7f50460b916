//! Posts messages at an open-loop rate: a message leaves when the schedule says so, whatever became of those before it.
//!
//! One thread of its own. [`scheduler`] hands each message, at its time, to the next free connection ([`post`] over
//! [`http`]); what is refused for now is retried with the same nonce ([`retry`]), and keeps its intended time.

pub mod http;
mod post;
pub mod retry;
mod scheduler;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use hdrhistogram::Histogram;
use tokio::task::LocalSet;

use crate::check::Outcome;
use crate::client::tally::histogram;
use crate::endpoint::Endpoint;
use crate::marker::MarkerCodec;
use crate::plan::Schedule;
use crate::shared::Window;

/// Messages that may wait for a free connection; one more is given up unsent and counted.
pub const MAX_WAITING: usize = 65_536;

/// A send that leaves the scheduler later than this (microseconds) counts as late.
pub const LATE: u64 = 5_000;

/// What is to be posted where.
#[derive(Debug)]
pub struct Order {
    /// The REST API; its path is the prefix of all routes.
    pub api: Endpoint,
    /// Those of the other nodes of its cluster.
    pub more: Vec<Endpoint>,
    /// What to post when.
    pub schedule: Schedule,
    /// Channel of each room.
    pub channels: Vec<u64>,
    /// Token of each user.
    pub tokens: Vec<Box<str>>,
    /// The run's mark.
    pub codec: MarkerCodec,
    /// The run's id, for the nonces.
    pub run: u32,
    /// Length of a message's content in bytes.
    pub payload: usize,
    /// Posts under way at a time, each on a connection of its own.
    pub in_flight: u32,
    /// The measured part of the run.
    pub window: Arc<Window>,
}

impl Order {
    /// The node that is posted to at this turn.
    fn node(&self, turn: usize) -> &Endpoint {
        let at = turn % (self.more.len() + 1);
        at.checked_sub(1)
            .map_or(&self.api, |other| &self.more[other])
    }
}

/// What the publisher shows while it runs.
#[derive(Debug, Default)]
pub struct Gauges {
    /// The publisher's thread id; 0 before it runs.
    pub thread: AtomicU32,
    /// Messages whose time has come.
    pub due: AtomicU64,
    /// Messages acknowledged.
    pub acked: AtomicU64,
    /// Becomes true to end the schedule early.
    pub stop: AtomicBool,
    /// Each message has its outcome.
    pub done: AtomicBool,
}

/// What became of the messages.
#[derive(Debug)]
pub struct Ledger {
    /// By room and publish number.
    pub outcomes: Vec<Vec<Outcome>>,
    /// By room and publish number: when it was sent for the first time, in microseconds; `u64::MAX` if it was not.
    pub sent: Vec<Vec<u64>>,
    /// How late messages left the scheduler, in microseconds: the generator's fault.
    pub late: Histogram<u64>,
    /// Messages later than [`LATE`].
    pub late_sends: u64,
    /// How long messages waited for a free connection, in microseconds: too many unanswered ones.
    pub waited: Histogram<u64>,
    /// Intended send time to acknowledgement, in microseconds.
    pub acked_after: Histogram<u64>,
    /// Messages acknowledged in the measured part.
    pub acked_measured: u64,
    /// What else was counted.
    pub counters: Counters,
    /// The first different refusals and failures in words, each with its number.
    pub errors: Vec<(String, u64)>,
}

/// Figures of the publisher.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counters {
    /// Messages acknowledged.
    pub acked: u64,
    /// Messages refused for good.
    pub refused: u64,
    /// Messages without a definite answer.
    pub unknown: u64,
    /// Messages never sent as too many waited, or as the run was ended early.
    pub unsent: u64,
    /// Posts beyond the first of a message.
    pub retries: u64,
    /// Answers 429.
    pub rate_limited: u64,
    /// Answers 5xx, and answers that make no sense.
    pub failed: u64,
    /// Connections that broke, or did not answer in time.
    pub broken: u64,
    /// Connections opened.
    pub connections: u64,
}

/// Different errors kept in words.
const MAX_ERRORS: usize = 10;

impl Ledger {
    fn new(schedule: &Schedule) -> Self {
        let counts = schedule.per_room().iter().map(|count| *count as usize);
        Self {
            sent: counts.clone().map(|count| vec![u64::MAX; count]).collect(),
            outcomes: counts.map(|count| vec![Outcome::Unsent; count]).collect(),
            late: histogram(),
            late_sends: 0,
            waited: histogram(),
            acked_after: histogram(),
            acked_measured: 0,
            counters: Counters::default(),
            errors: Vec::new(),
        }
    }

    fn note(&mut self, error: String) {
        let known = self.errors.iter_mut().find(|(known, _)| *known == error);
        if let Some((_, count)) = known {
            *count += 1;
        } else if self.errors.len() < MAX_ERRORS {
            self.errors.push((error, 1));
        }
    }
}

/// A running publisher.
#[derive(Debug)]
pub struct Handle {
    /// What it shows.
    pub gauges: Arc<Gauges>,
    thread: thread::JoinHandle<io::Result<Ledger>>,
    /// Dropped to let the thread go.
    release: mpsc::Sender<()>,
}

impl Handle {
    /// Starts it. Its thread stays until [`Handle::join`], so that its CPU time can be read.
    pub fn start(order: Order) -> io::Result<Self> {
        let gauges = Arc::new(Gauges::default());
        let shown = Arc::clone(&gauges);
        let (release, released) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("publisher".to_owned())
            .spawn(move || {
                let ledger = run(order, &shown);
                shown.done.store(true, Ordering::Relaxed);
                // An error: the other end is gone, which is the sign.
                let _ = released.recv();
                ledger
            })?;
        Ok(Self {
            gauges,
            thread,
            release,
        })
    }

    /// Whether each message has its outcome.
    pub fn is_finished(&self) -> bool {
        self.gauges.done.load(Ordering::Relaxed) || self.thread.is_finished()
    }

    /// Waits for its end.
    pub fn join(self) -> io::Result<Ledger> {
        drop(self.release);
        match self.thread.join() {
            Ok(ledger) => ledger,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

fn run(order: Order, gauges: &Arc<Gauges>) -> io::Result<Ledger> {
    let thread = rustix::thread::gettid().as_raw_nonzero().get();
    gauges
        .thread
        .store(thread.cast_unsigned(), Ordering::Relaxed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, scheduler::run(order, Arc::clone(gauges)))
}
