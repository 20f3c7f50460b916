//! The threads that guilds run on, apart from the HTTP workers.
//!
//! The ring chooses a guild's node; load chooses the executor. A thread that is stuck gets no guild
//! until it goes on. Beside the threads that guilds share, a guild can have one of its own
//! (`dedicated`).

mod dedicated;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use actix::{Arbiter, ArbiterHandle, System};

use super::loads::ThreadLoad;
use super::stats::GuildStats;
use crate::clock;
use crate::placement::executors::{Candidate, choose};
use crate::protocol::GuildId;
use crate::supervision::guarded::{Mark, WatchedThread};
use crate::supervision::lifeline::{BEAT, Lifeline, Stuck, Turn};
use crate::supervision::meter::{Roster, ThreadMeter};

/// Most threads started in place of stuck ones, each of which holds on to what it had.
const MAX_REPLACEMENTS: usize = 16;

/// What a timer may be late by itself: it goes off at whole milliseconds.
const TIMER: Duration = Duration::from_millis(1);

/// Names an executor of this node.
pub type ExecutorId = usize;

/// The executors of a node.
#[derive(Clone)]
pub struct Executors {
    inner: Arc<Inner>,
}

struct Inner {
    threads: RwLock<Vec<Arc<Executor>>>,
    /// Held while one is started, so that numbers and counts hold.
    starting: Mutex<()>,
    /// How many shared ones are to be able to work.
    wanted: usize,
    /// Most dedicated ones.
    dedicated: usize,
    /// What threads belong to that are started later, by whomever.
    system: System,
    /// Guilds that were at work.
    roster: Arc<Roster>,
}

struct Executor {
    id: ExecutorId,
    kind: ExecutorKind,
    arbiter: ArbiterHandle,
    guilds: AtomicUsize,
    /// Guilds that got a seat since the load was shown last: they are not in it yet.
    newcomers: AtomicUsize,
    thread: Arc<WatchedThread>,
    load: Mutex<ThreadLoad>,
    /// A dedicated one that its guild has left: its thread ends.
    ending: AtomicBool,
    /// Set by its thread when that ends.
    ended: Arc<AtomicBool>,
}

/// Whom an executor is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutorKind {
    /// Any guild.
    Shared,
    /// This guild alone.
    Dedicated(GuildId),
}

/// Why there is no place for a guild.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSeat {
    /// There is no such executor.
    #[error("there is no executor {0}")]
    Unknown(ExecutorId),
    /// It is another guild's own.
    #[error("executor {0} is not shared")]
    NotShared(ExecutorId),
    /// It is stuck.
    #[error("executor {0} is stuck")]
    Stuck(ExecutorId),
    /// There is no other shared one that works.
    #[error("there is no other executor")]
    NoOther,
    /// There may be no more dedicated ones than this.
    #[error("all {0} dedicated executors are taken")]
    NoneLeft(usize),
    /// The same, but one of them ends.
    #[error("a former dedicated executor has not ended yet")]
    Ending,
    /// The system gives no thread.
    #[error("no thread can be started: {0}")]
    NotStarted(String),
}

/// What is to be seen of an executor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExecutorState {
    /// Its number: the lowest one that no other had when it was started.
    pub id: ExecutorId,
    /// Whom it is for.
    pub kind: ExecutorKind,
    /// Guilds that run on it.
    pub guilds: usize,
    /// Since when it has been stuck, in milliseconds since the Unix epoch.
    pub stuck: Option<Stuck>,
    /// How busy it is.
    pub load: ThreadLoad,
}

/// A guild's place on an executor; given back when dropped.
pub struct Seat {
    executor: Arc<Executor>,
}

impl Executors {
    /// Starts `count` shared executors (at least one); there are no dedicated ones. Call it inside an
    /// actix system.
    pub fn start(count: usize) -> Self {
        Self::start_with(count, 0)
    }

    /// Starts `count` shared executors (at least one); up to `dedicated` guilds can have one of their
    /// own. Call it inside an actix system.
    pub fn start_with(count: usize, dedicated: usize) -> Self {
        let wanted = count.max(1);
        let roster = Arc::new(Roster::default());
        let threads = (0..wanted)
            .map(|id| {
                Executor::start(id, ExecutorKind::Shared, &roster).expect("a thread can be started")
            })
            .collect();
        let inner = Inner {
            threads: RwLock::new(threads),
            starting: Mutex::new(()),
            wanted,
            dedicated,
            system: System::current(),
            roster,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    fn threads(&self) -> Vec<Arc<Executor>> {
        let threads = self.inner.threads.read();
        threads.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many there are, the stuck ones included, without those that are ending.
    pub fn count(&self) -> usize {
        self.states().len()
    }

    /// What is to be seen of each, by rising id; of those that are ending only of the stuck ones.
    pub fn states(&self) -> Vec<ExecutorState> {
        let threads = self.threads();
        let shown = threads.iter().filter(|it| !it.is_ending() || it.is_stuck());
        let mut states: Vec<ExecutorState> = shown.map(|it| it.state()).collect();
        states.sort_unstable_by_key(|state| state.id);
        states
    }

    /// Takes a seat on the shared executor with the least to do; on one that is stuck only where all
    /// are.
    pub fn take_seat(&self) -> Seat {
        let threads = self.inner.threads.read();
        let threads = threads.unwrap_or_else(PoisonError::into_inner);
        let shared = threads.iter().filter(|it| it.is_shared());
        Seat::on_idlest(shared).expect("invariant: there is at least one shared executor")
    }

    /// Takes a seat on the shared executor of this number.
    pub fn seat_on(&self, id: ExecutorId) -> Result<Seat, NoSeat> {
        let threads = self.threads();
        let executor = threads.iter().find(|it| it.id == id && !it.is_ending());
        let executor = executor.ok_or(NoSeat::Unknown(id))?;
        if !executor.is_shared() {
            return Err(NoSeat::NotShared(id));
        }
        if executor.is_stuck() {
            return Err(NoSeat::Stuck(id));
        }
        Ok(Seat::on(executor))
    }

    /// Takes a seat on the shared executor with the least to do, but not on this one.
    pub fn seat_elsewhere(&self, than: ExecutorId) -> Result<Seat, NoSeat> {
        let threads = self.threads();
        let others = threads
            .iter()
            .filter(|it| it.is_shared() && it.id != than && !it.is_stuck());
        Seat::on_idlest(others).ok_or(NoSeat::NoOther)
    }

    /// Where guilds are listed that were at work.
    pub(super) fn roster(&self) -> &Roster {
        &self.inner.roster
    }

    /// What each thread uses.
    pub(super) fn watched(&self) -> Vec<(ExecutorId, Arc<WatchedThread>)> {
        let threads = self.threads();
        let watched = threads.iter().map(|it| (it.id, Arc::clone(&it.thread)));
        watched.collect()
    }

    /// Shows how busy a thread is, every guild that has a seat there included.
    pub(super) fn show_load(&self, id: ExecutorId, load: ThreadLoad) {
        if let Some(executor) = self.threads().iter().find(|it| it.id == id) {
            executor.newcomers.store(0, Ordering::Relaxed);
            let shown = executor.load.lock();
            *shown.unwrap_or_else(PoisonError::into_inner) = load;
        }
    }

    /// Looks for signs of life, `passed` after the last look; answers what changed. Only the watchdog
    /// may call it.
    pub(super) fn look(&self, passed: Duration, limit: Duration) -> Vec<(ExecutorState, Turn)> {
        let look = |executor: &Arc<Executor>| {
            let turn = executor.thread.line.look(passed, limit)?;
            Some((executor.state(), turn))
        };
        let turns = self.threads().iter().filter_map(look).collect();
        self.forget_ended();
        turns
    }

    /// Starts executors in place of those that are stuck.
    pub(super) fn replace_stuck(&self) {
        let starting = self.inner.starting.lock();
        let _starting = starting.unwrap_or_else(PoisonError::into_inner);
        loop {
            let mut threads = self.threads();
            threads.retain(|it| it.is_shared());
            let working = threads.iter().filter(|it| !it.is_stuck()).count();
            if working >= self.inner.wanted || threads.len() >= self.inner.wanted + MAX_REPLACEMENTS
            {
                return;
            }
            if let Err(error) = self.add(ExecutorKind::Shared) {
                tracing::error!(%error, "no executor in place of a stuck one");
                return;
            }
        }
    }

    /// Starts one more. [`Inner::starting`] must be held.
    fn add(&self, kind: ExecutorKind) -> io::Result<Arc<Executor>> {
        System::set_current(self.inner.system.clone());
        let threads = self.threads();
        let is_free = |id: &ExecutorId| threads.iter().all(|it| it.id != *id);
        let id = (0..=threads.len()).find(is_free).unwrap_or(threads.len());
        let executor = Executor::start(id, kind, &self.inner.roster)?;
        let threads = self.inner.threads.write();
        let mut threads = threads.unwrap_or_else(PoisonError::into_inner);
        threads.push(Arc::clone(&executor));
        Ok(executor)
    }

    /// Stops the threads once what is running there yields.
    pub fn stop(&self) {
        for executor in self.threads() {
            executor.arbiter.stop();
        }
    }
}

fn name_of(executor: ExecutorId) -> String {
    format!("executor {executor}")
}

impl Executor {
    fn start(id: ExecutorId, kind: ExecutorKind, roster: &Arc<Roster>) -> io::Result<Arc<Self>> {
        let thread = Arc::new(WatchedThread {
            line: Lifeline::new(name_of(id)),
            meter: ThreadMeter::new(Arc::clone(roster)),
        });
        let arbiter = Arbiter::try_new()?.handle();
        let ended = Arc::new(AtomicBool::new(false));
        let ends = dedicated::Ends(Arc::clone(&ended));
        arbiter.spawn(beat(Arc::clone(&thread), ends));
        Ok(Arc::new(Self {
            id,
            kind,
            arbiter,
            guilds: AtomicUsize::new(0),
            newcomers: AtomicUsize::new(0),
            thread,
            load: Mutex::default(),
            ending: AtomicBool::new(false),
            ended,
        }))
    }

    fn load(&self) -> ThreadLoad {
        *self.load.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn as_candidate(&self) -> Candidate {
        Candidate {
            id: self.id,
            stuck: self.is_stuck(),
            share: self.load().guilds,
            guilds: self.guilds.load(Ordering::Relaxed),
            newcomers: self.newcomers.load(Ordering::Relaxed),
        }
    }

    fn is_shared(&self) -> bool {
        self.kind == ExecutorKind::Shared
    }

    fn is_stuck(&self) -> bool {
        self.thread.line.stuck().is_some()
    }

    fn state(&self) -> ExecutorState {
        ExecutorState {
            id: self.id,
            kind: self.kind,
            guilds: self.guilds.load(Ordering::Relaxed),
            stuck: self.thread.line.stuck(),
            load: self.load(),
        }
    }
}

/// Gives signs of life, and measures how late the thread comes round to what is due there.
async fn beat(thread: Arc<WatchedThread>, _ends: dedicated::Ends) {
    let mut beats = tokio::time::interval(BEAT);
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let due = beats.tick().await.into_std();
        let came = clock::now();
        thread.line.beat();
        tokio::task::yield_now().await;
        let late = came.saturating_duration_since(due).saturating_sub(TIMER);
        thread.meter.own.waited(late.max(came.elapsed()));
    }
}

impl ExecutorState {
    /// The guild that a stuck executor does not get away from, where it is one.
    pub fn stuck_in(&self) -> Option<GuildId> {
        let stuck = self.stuck.filter(|stuck| stuck.work != 0)?;
        Some(GuildId::new(stuck.work))
    }

    /// What there is to complain of.
    pub fn complaint(&self) -> Option<String> {
        let complaint = self.stuck?.complaint(&name_of(self.id));
        Some(match self.stuck_in() {
            Some(guild) => format!("{complaint} in guild {guild}"),
            None => complaint,
        })
    }
}

impl Seat {
    fn on(executor: &Arc<Executor>) -> Self {
        executor.guilds.fetch_add(1, Ordering::Relaxed);
        executor.newcomers.fetch_add(1, Ordering::Relaxed);
        Self {
            executor: Arc::clone(executor),
        }
    }

    /// On the one of these with the least to do.
    fn on_idlest<'a>(threads: impl Iterator<Item = &'a Arc<Executor>>) -> Option<Self> {
        let threads: Vec<&Arc<Executor>> = threads.collect();
        let candidates: Vec<Candidate> = threads.iter().map(|it| it.as_candidate()).collect();
        let chosen = choose(&candidates)?;
        threads.into_iter().find(|it| it.id == chosen).map(Self::on)
    }

    /// The executor.
    pub fn id(&self) -> ExecutorId {
        self.executor.id
    }

    /// Whom the executor is for.
    pub fn kind(&self) -> ExecutorKind {
        self.executor.kind
    }

    /// The executor's thread.
    pub fn arbiter(&self) -> &ArbiterHandle {
        &self.executor.arbiter
    }

    /// Lets the executor know when the guild has it.
    pub(super) fn mark(&self, guild: GuildId, stats: &Arc<GuildStats>) -> Mark {
        Mark {
            thread: Arc::clone(&self.executor.thread),
            work: guild.get(),
            meter: Arc::clone(stats) as _,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.executor.guilds.fetch_sub(1, Ordering::Relaxed);
        if !self.executor.is_shared() {
            self.executor.end();
        }
    }
}
