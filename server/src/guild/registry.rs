//! Which guilds run on this node, and where.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use dashmap::DashMap;

use super::actor::{GuildActor, GuildMail, GuildTools};
use super::executors::{ExecutorId, Executors, Seat};
use super::stats::{GuildStats, Health};
use crate::clock;
use crate::counters::Counters;
use crate::fanout::mail::GuildNews;
use crate::protocol::GuildId;
use crate::supervision::guarded;
use crate::supervision::mail::{MailBounds, MailGauge, Mailer};

/// The running guilds of a node. Cheap to clone.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    running: DashMap<GuildId, Running>,
    executors: Executors,
    tools: GuildTools,
    bounds: MailBounds,
    incarnations: AtomicU64,
}

struct Running {
    tenure: Tenure,
    mailer: Mailer<GuildActor>,
    seat: Seat,
    stats: Arc<GuildStats>,
    started_ms: u64,
    _counted: Counted,
}

/// Whether an actor has lost its guild to another one, because its executor was stuck.
#[derive(Debug, Clone, Default)]
pub struct Evicted(Arc<AtomicBool>);

impl Evicted {
    /// Whether it has: then it must write, answer and broadcast nothing any more.
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Counts a running guild as long as there is one.
struct Counted(Arc<Counters>);

impl Counted {
    fn new(counters: &Arc<Counters>) -> Self {
        counters.guilds_running.inc();
        Self(Arc::clone(counters))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.guilds_running.dec();
    }
}

/// What the registry knows of a running guild.
#[derive(Clone)]
pub struct RunningGuild {
    /// The guild.
    pub id: GuildId,
    /// Where it runs.
    pub executor: ExecutorId,
    /// Its figures.
    pub stats: Arc<GuildStats>,
    /// What waits for it.
    pub mail: Arc<MailGauge>,
    /// When its actor was started, in milliseconds since the Unix epoch.
    pub started_ms: u64,
}

impl Registry {
    /// An empty registry that starts guilds on these executors.
    pub fn new(executors: Executors, tools: GuildTools, bounds: MailBounds) -> Self {
        let inner = Inner {
            running: DashMap::new(),
            executors,
            tools,
            bounds,
            incarnations: AtomicU64::new(0),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    fn start(&self, id: GuildId) -> Running {
        self.start_with(id, GuildStats::default())
    }

    fn start_with(&self, id: GuildId, stats: GuildStats) -> Running {
        let seat = self.inner.executors.take_seat();
        let stats = Arc::new(stats);
        let gauge = Arc::new(MailGauge::new(self.inner.bounds));
        let actor_stats = Arc::clone(&stats);
        let tenure = Tenure {
            incarnation: self.inner.incarnations.fetch_add(1, Ordering::Relaxed),
            evicted: Evicted::default(),
        };
        let (registry, tools) = (self.clone(), self.inner.tools.clone());
        let actor_tenure = tenure.clone();
        let address = guarded::start_on(seat.arbiter(), seat.mark(id, &stats), move |_| {
            GuildActor::new(id, tools, registry, actor_stats, actor_tenure)
        });
        Running {
            tenure,
            mailer: Mailer::new(address, gauge),
            seat,
            stats,
            started_ms: clock::unix_ms(),
            _counted: Counted::new(&self.inner.tools.counters),
        }
    }

    /// Posts mail to the guild's actor, started where it does not run; `post` is also told which
    /// [one](Self::is_current) that is.
    ///
    /// The entry is held meanwhile, so that the actor cannot [retire](Self::retire) in between.
    pub fn with_mailer<T>(
        &self,
        id: GuildId,
        post: impl FnOnce(&Mailer<GuildActor>, u64) -> T,
    ) -> T {
        if let Some(running) = self.inner.running.get(&id)
            && running.mailer.is_open()
        {
            return post(&running.mailer, running.tenure.incarnation);
        }
        let mut running = self
            .inner
            .running
            .entry(id)
            .or_insert_with(|| self.start(id));
        if !running.mailer.is_open() {
            *running = self.start(id);
        }
        post(&running.mailer, running.tenure.incarnation)
    }

    /// Posts mail to the guild's actor where it runs.
    pub fn with_running<T>(
        &self,
        id: GuildId,
        post: impl FnOnce(&Mailer<GuildActor>) -> T,
    ) -> Option<T> {
        let running = self.inner.running.get(&id)?;
        running.mailer.is_open().then(|| post(&running.mailer))
    }

    /// Forgets a guild whose actor is about to stop; false where mail is on its way to it: then it
    /// must not stop.
    pub(super) fn retire(&self, id: GuildId, incarnation: u64) -> bool {
        let idle = |_: &GuildId, running: &Running| {
            running.tenure.incarnation == incarnation && running.mailer.gauge().count() == 0
        };
        self.inner.running.remove_if(&id, idle).is_some()
    }

    /// Whether the guild's actor is this one.
    pub(super) fn is_current(&self, id: GuildId, incarnation: u64) -> bool {
        let running = self.inner.running.get(&id);
        running.is_some_and(|running| running.tenure.incarnation == incarnation)
    }

    /// Takes every guild off an executor that is stuck; answers how many. They are started on another
    /// one when somebody asks for them: hubs that have sessions of them are told to, at once. The
    /// guild that the executor does not get away from is started in quarantine.
    pub(super) fn evacuate(&self, executor: ExecutorId, culprit: Option<GuildId>) -> usize {
        let sits = |running: &Running| running.seat.id() == executor;
        let running = &self.inner.running;
        let guilds: Vec<GuildId> = running
            .iter()
            .filter(|running| sits(running))
            .map(|running| *running.key())
            .collect();
        let mut count = 0;
        for id in guilds {
            let is_culprit = culprit == Some(id);
            let former = if is_culprit {
                let Some(mut entry) = running.get_mut(&id).filter(|it| sits(it)) else {
                    continue;
                };
                let successor = self.start_with(id, entry.stats.in_quarantine());
                std::mem::replace(&mut *entry, successor)
            } else {
                let Some((_, former)) = running.remove_if(&id, |_, it| sits(it)) else {
                    continue;
                };
                former
            };
            let is_in_use = former.is_in_use();
            former.evict();
            count += 1;
            let hubs = &self.inner.tools.hubs;
            if is_culprit {
                hubs.tell_all(|| GuildNews::Unavailable { guild: id });
            } else if is_in_use {
                hubs.tell_all(|| GuildNews::Lost { guild: id });
            }
        }
        count
    }

    /// What runs now, in no order.
    pub fn running(&self) -> Vec<RunningGuild> {
        self.inner
            .running
            .iter()
            .map(|entry| describe(*entry.key(), &entry))
            .collect()
    }

    /// A running guild.
    pub fn find(&self, id: GuildId) -> Option<RunningGuild> {
        self.inner
            .running
            .get(&id)
            .map(|entry| describe(id, &entry))
    }

    /// How many guilds run.
    pub fn count(&self) -> usize {
        self.inner.running.len()
    }

    /// The node's figures.
    pub(super) fn counters(&self) -> &Counters {
        &self.inner.tools.counters
    }

    /// The executors that guilds run on.
    pub fn executors(&self) -> &Executors {
        &self.inner.executors
    }
}

/// Tells an actor from the others of its guild.
#[derive(Debug, Clone)]
pub struct Tenure {
    /// Which one it is.
    pub incarnation: u64,
    /// Set when its executor was stuck and another one took over.
    pub evicted: Evicted,
}

impl Running {
    /// Whether somebody may wait for something of it.
    fn is_in_use(&self) -> bool {
        GuildStats::get(&self.stats.hubs) > 0
            || self.mailer.gauge().count() > 0
            || self.stats.health() != Health::Serving
    }

    /// Has the actor stop as soon as it runs again.
    fn evict(self) {
        self.tenure.evicted.0.store(true, Ordering::Release);
        self.mailer.post_control(GuildMail::Evicted);
    }
}

fn describe(id: GuildId, running: &Running) -> RunningGuild {
    RunningGuild {
        id,
        executor: running.seat.id(),
        stats: Arc::clone(&running.stats),
        mail: Arc::clone(running.mailer.gauge()),
        started_ms: running.started_ms,
    }
}
