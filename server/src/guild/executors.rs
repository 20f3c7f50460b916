//! The threads that guilds run on, apart from the HTTP workers.
//!
//! The ring chooses a guild's node; load chooses the executor. A thread that is stuck gets no guild
//! until it goes on.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use actix::{Arbiter, ArbiterHandle, System};

use super::loads::ThreadLoad;
use super::stats::GuildStats;
use crate::clock;
use crate::placement::executors::{Candidate, choose};
use crate::protocol::GuildId;
use crate::supervision::guarded::Mark;
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
    /// How many are to be able to work.
    wanted: usize,
    /// What threads belong to that are started later, by whomever.
    system: System,
    /// Guilds that were at work.
    roster: Arc<Roster>,
}

struct Executor {
    id: ExecutorId,
    arbiter: ArbiterHandle,
    guilds: AtomicUsize,
    /// Guilds that got a seat since the load was shown last: they are not in it yet.
    newcomers: AtomicUsize,
    line: Arc<Lifeline>,
    meter: Arc<ThreadMeter>,
    load: Mutex<ThreadLoad>,
}

/// What is to be seen of an executor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExecutorState {
    /// Its number.
    pub id: ExecutorId,
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
    /// Starts `count` executors (at least one). Call it inside an actix system.
    pub fn start(count: usize) -> Self {
        let wanted = count.max(1);
        let roster = Arc::new(Roster::default());
        let threads = (0..wanted)
            .map(|id| Executor::start(id, &roster).expect("a thread can be started"))
            .collect();
        let inner = Inner {
            threads: RwLock::new(threads),
            wanted,
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

    /// How many there are, the stuck ones included.
    pub fn count(&self) -> usize {
        let threads = self.inner.threads.read();
        threads.unwrap_or_else(PoisonError::into_inner).len()
    }

    /// What is to be seen of each, by rising id.
    pub fn states(&self) -> Vec<ExecutorState> {
        self.threads()
            .iter()
            .map(|executor| executor.state())
            .collect()
    }

    /// Takes a seat on the executor with the least to do; on one that is stuck only where all are.
    pub fn take_seat(&self) -> Seat {
        let threads = self.inner.threads.read();
        let threads = threads.unwrap_or_else(PoisonError::into_inner);
        let candidates: Vec<Candidate> = threads.iter().map(|it| it.as_candidate()).collect();
        let chosen = choose(&candidates).expect("invariant: there is at least one executor");
        let executor = threads.iter().find(|it| it.id == chosen);
        let executor = Arc::clone(executor.expect("invariant: one of the candidates is chosen"));
        executor.guilds.fetch_add(1, Ordering::Relaxed);
        executor.newcomers.fetch_add(1, Ordering::Relaxed);
        Seat { executor }
    }

    /// Where guilds are listed that were at work.
    pub(super) fn roster(&self) -> &Roster {
        &self.inner.roster
    }

    /// What each thread uses.
    pub(super) fn meters(&self) -> Vec<(ExecutorId, Arc<ThreadMeter>)> {
        let threads = self.threads();
        let meters = threads.iter().map(|it| (it.id, Arc::clone(&it.meter)));
        meters.collect()
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
        self.threads()
            .iter()
            .filter_map(|executor| {
                let turn = executor.line.look(passed, limit)?;
                Some((executor.state(), turn))
            })
            .collect()
    }

    /// Starts executors in place of those that are stuck.
    pub(super) fn replace_stuck(&self) {
        System::set_current(self.inner.system.clone());
        loop {
            let threads = self.threads();
            let working = threads.iter().filter(|it| !it.is_stuck()).count();
            if working >= self.inner.wanted || threads.len() >= self.inner.wanted + MAX_REPLACEMENTS
            {
                return;
            }
            let executor = match Executor::start(threads.len(), &self.inner.roster) {
                Ok(executor) => executor,
                Err(error) => {
                    tracing::error!(%error, "no executor in place of a stuck one");
                    return;
                }
            };
            let threads = self.inner.threads.write();
            let mut threads = threads.unwrap_or_else(PoisonError::into_inner);
            threads.push(executor);
        }
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
    fn start(id: ExecutorId, roster: &Arc<Roster>) -> io::Result<Arc<Self>> {
        let line = Arc::new(Lifeline::new(name_of(id)));
        let arbiter = Arbiter::try_new()?.handle();
        let meter = Arc::new(ThreadMeter::new(Arc::clone(roster)));
        arbiter.spawn(beat(Arc::clone(&line), Arc::clone(&meter)));
        Ok(Arc::new(Self {
            id,
            arbiter,
            guilds: AtomicUsize::new(0),
            newcomers: AtomicUsize::new(0),
            line,
            meter,
            load: Mutex::default(),
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

    fn is_stuck(&self) -> bool {
        self.line.stuck().is_some()
    }

    fn state(&self) -> ExecutorState {
        ExecutorState {
            id: self.id,
            guilds: self.guilds.load(Ordering::Relaxed),
            stuck: self.line.stuck(),
            load: self.load(),
        }
    }
}

/// Gives signs of life, and measures how late the thread comes round to what is due there.
async fn beat(line: Arc<Lifeline>, meter: Arc<ThreadMeter>) {
    let mut beats = tokio::time::interval(BEAT);
    beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let due = beats.tick().await.into_std();
        let came = clock::now();
        line.beat();
        tokio::task::yield_now().await;
        let late = came.saturating_duration_since(due).saturating_sub(TIMER);
        meter.own.waited(late.max(came.elapsed()));
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
    /// The executor.
    pub fn id(&self) -> ExecutorId {
        self.executor.id
    }

    /// The executor's thread.
    pub fn arbiter(&self) -> &ArbiterHandle {
        &self.executor.arbiter
    }

    /// Lets the executor know when the guild has it.
    pub(super) fn mark(&self, guild: GuildId, stats: &GuildStats) -> Mark {
        Mark {
            line: Arc::clone(&self.executor.line),
            thread: Arc::clone(&self.executor.meter),
            work: guild.get(),
            meter: Arc::clone(&stats.meter),
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.executor.guilds.fetch_sub(1, Ordering::Relaxed);
    }
}
