//! The threads that guilds run on, apart from the HTTP workers.
//!
//! The ring chooses a guild's node; load chooses the executor. A thread that is stuck gets no guild
//! until it goes on.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use actix::{Arbiter, ArbiterHandle, System};

use crate::protocol::GuildId;
use crate::supervision::guarded::Mark;
use crate::supervision::lifeline::{BEAT, Lifeline, Stuck, Turn};

/// Most threads started in place of stuck ones, each of which holds on to what it had.
const MAX_REPLACEMENTS: usize = 16;

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
}

struct Executor {
    id: ExecutorId,
    arbiter: ArbiterHandle,
    guilds: AtomicUsize,
    line: Arc<Lifeline>,
}

/// What is to be seen of an executor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecutorState {
    /// Its number.
    pub id: ExecutorId,
    /// Guilds that run on it.
    pub guilds: usize,
    /// Since when it has been stuck, in milliseconds since the Unix epoch.
    pub stuck: Option<Stuck>,
}

/// A guild's place on an executor; given back when dropped.
pub struct Seat {
    executor: Arc<Executor>,
}

impl Executors {
    /// Starts `count` executors (at least one). Call it inside an actix system.
    pub fn start(count: usize) -> Self {
        let wanted = count.max(1);
        let threads = (0..wanted)
            .map(|id| Executor::start(id).expect("a thread can be started"))
            .collect();
        let inner = Inner {
            threads: RwLock::new(threads),
            wanted,
            system: System::current(),
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

    /// Takes a seat on the executor with the fewest guilds; on one that is stuck only where all are.
    pub fn take_seat(&self) -> Seat {
        let threads = self.inner.threads.read();
        let executor = threads
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .min_by_key(|it| (it.is_stuck(), it.guilds.load(Ordering::Relaxed)))
            .map(Arc::clone)
            .expect("there is at least one executor");
        executor.guilds.fetch_add(1, Ordering::Relaxed);
        Seat { executor }
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
            let executor = match Executor::start(threads.len()) {
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
    fn start(id: ExecutorId) -> io::Result<Arc<Self>> {
        let line = Arc::new(Lifeline::new(name_of(id)));
        let arbiter = Arbiter::try_new()?.handle();
        let beating = Arc::clone(&line);
        arbiter.spawn(async move {
            let mut beats = tokio::time::interval(BEAT);
            loop {
                beats.tick().await;
                beating.beat();
            }
        });
        Ok(Arc::new(Self {
            id,
            arbiter,
            guilds: AtomicUsize::new(0),
            line,
        }))
    }

    fn is_stuck(&self) -> bool {
        self.line.stuck().is_some()
    }

    fn state(&self) -> ExecutorState {
        ExecutorState {
            id: self.id,
            guilds: self.guilds.load(Ordering::Relaxed),
            stuck: self.line.stuck(),
        }
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
    pub(super) fn mark(&self, guild: GuildId) -> Mark {
        Mark {
            line: Arc::clone(&self.executor.line),
            work: guild.get(),
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.executor.guilds.fetch_sub(1, Ordering::Relaxed);
    }
}
