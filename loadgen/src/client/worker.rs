//! One thread of sessions: their sockets, their read buffer, their heartbeats.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hdrhistogram::Histogram;
use rustix::net::Shutdown;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::{Notify, Semaphore};
use tokio::task::LocalSet;

use super::beats::{self, Beats};
use super::close::Policy;
use super::connection::{self, Target};
use super::fleet::{Finished, Fleet, Gauges, Orders};
use super::frames::Opcode;
use super::handshake::HandshakeError;
use super::noise;
use super::outgoing;
use super::session::Session;
use super::storm;
use super::tally::{LONGEST, Tally, histogram};
use crate::check::history::Log;
use crate::check::{Checker, Expects};
use crate::clock::{self, Alarm};
use crate::endpoint::Endpoint;
use crate::plan::Client;

/// Bytes of a worker's read buffer. Larger than what a session gets between two reads under load.
const SCRATCH: usize = 64 << 10;

/// How often a worker measures how late its own loop runs, in microseconds.
const PROBE_TICK: u64 = 20_000;

/// How long the closing handshakes at the end may take.
const CLOSING: Duration = Duration::from_secs(3);

/// Runs worker number `number` on this thread until `stop` becomes true.
pub(super) fn run(
    fleet: Arc<Fleet>,
    number: u32,
    gauges: Arc<Gauges>,
    orders: Orders,
) -> io::Result<Finished> {
    let thread = rustix::thread::gettid().as_raw_nonzero().get();
    gauges
        .thread
        .store(thread.cast_unsigned(), Ordering::Relaxed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let worker = Rc::new(Worker::new(fleet, number, gauges));
    let tasks = LocalSet::new();
    tasks.block_on(&runtime, Rc::clone(&worker).serve(orders))?;
    drop(tasks);
    let worker = Rc::into_inner(worker).expect("invariant: the tasks are gone");
    let tally = worker.tally.into_inner();
    if let Some(log) = tally.log {
        log.close()?;
    }
    Ok(Finished {
        checker: tally.checker,
        latency: tally.latency,
        naive: tally.naive,
        counters: tally.counters,
        lag: worker.lag.into_inner(),
    })
}

/// How far a slot has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Has never had all its guilds.
    New,
    /// Has all its guilds and a working connection.
    Settled,
    /// Had them, but its connection ended.
    Detached,
}

/// One session's place in the worker.
#[derive(Debug)]
pub(super) struct Slot {
    /// Number within the run.
    pub(super) number: u32,
    pub(super) session: RefCell<Session>,
    /// There while connected.
    pub(super) writer: RefCell<Option<OwnedWriteHalf>>,
    /// Counts connections, so that a heartbeat meant for an old one is known.
    pub(super) generation: Cell<u32>,
    pub(super) stage: Cell<Stage>,
    /// What a storm wants of the slot's next connection.
    pub(super) after_storm: Cell<Option<AfterStorm>>,
    /// Connections in a row that were of no use.
    pub(super) failed: Cell<u32>,
}

/// How a slot goes on after a storm.
#[derive(Debug, Clone, Copy)]
pub(super) struct AfterStorm {
    /// It connects after this time.
    pub(super) wait: Duration,
    pub(super) resumes: bool,
}

/// The state that all tasks of one worker share.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) fleet: Arc<Fleet>,
    pub(super) slots: Vec<Slot>,
    pub(super) tally: RefCell<Tally>,
    pub(super) scratch: RefCell<Box<[u8]>>,
    /// One for each connect under way.
    pub(super) permits: Semaphore,
    pub(super) gauges: Arc<Gauges>,
    pub(super) random: RefCell<fastrand::Rng>,
    stopping: Cell<bool>,
    open: Cell<u32>,
    closed: Notify,
    pub(super) beats: RefCell<Beats>,
    lag: RefCell<Histogram<u64>>,
}

impl Worker {
    fn new(fleet: Arc<Fleet>, number: u32, gauges: Arc<Gauges>) -> Self {
        let plan = &fleet.plan;
        let sessions: Vec<(u32, Vec<u32>)> = plan
            .sessions_of(number, fleet.threads)
            .map(|session| (session, plan.rooms_of(session, &fleet.guild_ids)))
            .collect();
        let guilds = |session| plan.guilds_of(session, &fleet.guild_ids).len() as u32;
        let slot = |(index, (number, _)): (usize, &(u32, Vec<u32>))| Slot {
            number: *number,
            session: RefCell::new(Session::new(index as u32, guilds(*number))),
            writer: RefCell::new(None),
            generation: Cell::new(0),
            stage: Cell::new(Stage::New),
            after_storm: Cell::new(None),
            failed: Cell::new(0),
        };
        let slots: Vec<Slot> = sessions.iter().enumerate().map(slot).collect();
        let log = fleet
            .recorder
            .clone()
            .map(|recorder| Log::new(recorder, number));
        let kinds = sessions
            .iter()
            .map(|(session, _)| Expects::of(&plan.sessions[*session as usize]));
        let expects: Vec<Expects> = kinds.collect();
        let mut checker =
            Checker::new(sessions, fleet.planned.clone()).in_guilds(Arc::clone(&fleet.guild_of));
        for (session, expected) in (0..).zip(expects) {
            checker.expect(session, expected);
        }
        let mut tally = Tally::new(
            checker,
            fleet.codec.clone(),
            Arc::clone(&fleet.places),
            Arc::clone(&fleet.window),
        );
        tally.log = log;
        let permits = (fleet.connecting / fleet.threads).max(1);
        let seed = fleet.seed.wrapping_add(u64::from(number));
        Self {
            fleet,
            slots,
            tally: RefCell::new(tally),
            scratch: RefCell::new(vec![0; SCRATCH].into()),
            permits: Semaphore::new(permits as usize),
            gauges,
            random: RefCell::new(fastrand::Rng::with_seed(seed)),
            stopping: Cell::new(false),
            open: Cell::new(0),
            closed: Notify::new(),
            beats: RefCell::default(),
            lag: RefCell::new(histogram()),
        }
    }

    async fn serve(self: Rc<Self>, mut orders: Orders) -> io::Result<()> {
        let presence = self.fleet.presence / f64::from(self.fleet.threads);
        for index in 0..self.slots.len() {
            tokio::task::spawn_local(connection::keep(Rc::clone(&self), index));
        }
        tokio::select! {
            result = beats::run(&self) => result?,
            result = self.probe() => result?,
            result = noise::run(&self, presence) => result?,
            () = storm::run(&self, orders.storms) => {}
            // The other end gone means the same as being told.
            _ = orders.stop.wait_for(|stop| *stop) => {}
        }
        self.stopping.set(true);
        for index in 0..self.slots.len() {
            self.send(index, Opcode::Close, &1_000_u16.to_be_bytes());
        }
        // What does not close by itself is closed by the end of this thread.
        let _ = tokio::time::timeout(CLOSING, async {
            while self.open.get() > 0 {
                self.closed.notified().await;
            }
        })
        .await;
        Ok(())
    }

    /// What slot `index` is like.
    pub(super) fn client(&self, index: usize) -> Client {
        self.fleet.plan.sessions[self.slots[index].number as usize]
    }

    /// Whether the run is over.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    /// Takes a new connection of slot `index` into the books.
    pub(super) fn opened(&self, index: usize, writer: OwnedWriteHalf) {
        let slot = &self.slots[index];
        *slot.writer.borrow_mut() = Some(writer);
        slot.generation.set(slot.generation.get().wrapping_add(1));
        self.open.set(self.open.get() + 1);
        self.tally.borrow_mut().counters.connections += 1;
    }

    /// Takes it out again; the logical session goes on by `policy`.
    pub(super) fn ended(&self, index: usize, policy: Policy) {
        let slot = &self.slots[index];
        slot.writer.borrow_mut().take();
        let forgets = slot.after_storm.get().is_some_and(|after| !after.resumes);
        let policy = if forgets && policy == Policy::Resume {
            Policy::Identify
        } else {
            policy
        };
        slot.session.borrow_mut().disconnected(policy);
        if slot.stage.get() == Stage::Settled {
            slot.stage.set(Stage::Detached);
            self.gauges.detached.fetch_add(1, Ordering::Relaxed);
        }
        self.open.set(self.open.get() - 1);
        self.closed.notify_one();
    }

    /// Slot `index` has all its guilds, or was resumed.
    pub(super) fn settled(&self, index: usize) {
        match self.slots[index].stage.replace(Stage::Settled) {
            Stage::New => self.gauges.ready.fetch_add(1, Ordering::Relaxed),
            Stage::Detached => self.gauges.detached.fetch_sub(1, Ordering::Relaxed),
            Stage::Settled => 0,
        };
    }

    /// Slot `index` will not connect again.
    pub(super) fn give_up(&self, index: usize) {
        if self.slots[index].stage.get() == Stage::Detached {
            self.gauges.detached.fetch_sub(1, Ordering::Relaxed);
        }
        self.gauges.lost.fetch_add(1, Ordering::Relaxed);
        self.tally.borrow_mut().counters.lost += 1;
    }

    /// A connect or an upgrade failed.
    pub(super) fn connect_failed(&self, error: &HandshakeError) {
        self.tally.borrow_mut().counters.connect_failures += 1;
        if let Ok(mut last) = self.gauges.last_error.lock() {
            *last = Some(error.to_string());
        }
    }

    /// The server broke the protocol towards slot `index`.
    pub(super) fn protocol_error(&self, index: usize, seen: String) {
        let mut tally = self.tally.borrow_mut();
        tally
            .checker
            .protocol_error(index as u32, "the websocket and gateway protocol", seen);
    }

    /// Publishes what was counted, after each read.
    pub(super) fn show_progress(&self) {
        let mut tally = self.tally.borrow_mut();
        tally.counters.reads += 1;
        let checker = &tally.checker;
        self.gauges
            .reads
            .store(tally.counters.reads, Ordering::Relaxed);
        self.gauges
            .delivered
            .store(checker.delivered(), Ordering::Relaxed);
        self.gauges
            .violations
            .store(checker.violations().total(), Ordering::Relaxed);
    }

    /// Where slot `index` has to connect to.
    pub(super) fn endpoint_of(&self, index: usize) -> Target<'_> {
        let slot = &self.slots[index];
        let failed = slot.failed.get();
        let session = slot.session.borrow();
        // Where a session should resume may be gone: every second attempt is at another node, if there are any.
        let tries_others = failed % 2 == 1 && !self.fleet.more.is_empty();
        let resume = session
            .resume_point()
            .filter(|point| *point.url != *self.fleet.gateway_url || !self.fleet.more.is_empty())
            .filter(|_| !tries_others)
            .and_then(|point| Endpoint::parse(&point.url, "ws").ok());
        let gateway = self.fleet.gateway_of(slot.number, failed);
        resume.map_or(Target::Gateway(gateway), Target::Resume)
    }

    /// From which address slot `index` connects.
    pub(super) fn source_of(&self, index: usize) -> Option<IpAddr> {
        self.fleet.sources.of_session(self.slots[index].number)
    }

    /// A random time between two numbers of milliseconds.
    pub(super) fn random_within(&self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.random.borrow_mut().u64(least..=most))
    }

    /// Sends one frame to slot `index`. A socket that cannot take it at once is dead: nothing that loadgen sends fills a
    /// send buffer.
    pub(super) fn send(&self, index: usize, opcode: Opcode, payload: &[u8]) {
        let writer = self.slots[index].writer.borrow();
        let Some(writer) = writer.as_ref() else {
            return;
        };
        let mask = self.random.borrow_mut().u32(..).to_be_bytes();
        let mut bytes = Vec::with_capacity(payload.len() + 14);
        outgoing::frame(opcode, payload, mask, &mut bytes);
        if writer.try_write(&bytes).ok() != Some(bytes.len()) {
            self.cut(writer);
        }
    }

    /// Ends a connection under its reader, which then sees its end.
    pub(super) fn cut(&self, writer: &OwnedWriteHalf) {
        self.tally.borrow_mut().counters.zombies += 1;
        // Not connected any more: just what is wanted.
        let _ = rustix::net::shutdown(writer.as_ref(), Shutdown::Both);
    }

    /// Breaks the connection of slot `index`, as an outage of the network would.
    pub(super) fn drop_connection(&self, index: usize, wait: Duration, resumes: bool) {
        let slot = &self.slots[index];
        if let Some(writer) = slot.writer.borrow().as_ref() {
            slot.after_storm.set(Some(AfterStorm { wait, resumes }));
            // Not connected any more: just what is wanted.
            let _ = rustix::net::shutdown(writer.as_ref(), Shutdown::Both);
        }
    }

    /// Measures how late this worker's loop runs, and shows what came.
    async fn probe(&self) -> io::Result<()> {
        let alarm = Alarm::new()?;
        let mut shown = Vec::new();
        loop {
            if let Ok(mut lately) = self.gauges.lately.try_lock() {
                self.tally.borrow_mut().show(&mut lately, &mut shown);
            }
            let due = clock::now() + PROBE_TICK;
            alarm.until(due).await?;
            let now = clock::now();
            if self.fleet.window.contains(now) {
                // A loop that stood still was late at each tick that it missed.
                let mut lag = self.lag.borrow_mut();
                lag.record_correct((now - due).min(LONGEST), PROBE_TICK)
                    .expect("invariant: the histogram goes this far");
            }
        }
    }
}
