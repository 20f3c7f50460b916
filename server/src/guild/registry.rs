//! Which guilds run on this node, and where.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;

use super::actor::{GuildActor, GuildTools};
use super::executors::{ExecutorId, Executors, Seat};
use super::stats::GuildStats;
use crate::clock;
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
    incarnation: u64,
    mailer: Mailer<GuildActor>,
    seat: Seat,
    stats: Arc<GuildStats>,
    started_ms: u64,
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
        self.inner.tools.counters.guilds_running.inc();
        let seat = self.inner.executors.take_seat();
        let stats = Arc::new(GuildStats::default());
        let gauge = Arc::new(MailGauge::new(self.inner.bounds));
        let actor_stats = Arc::clone(&stats);
        let incarnation = self.inner.incarnations.fetch_add(1, Ordering::Relaxed);
        let (registry, tools) = (self.clone(), self.inner.tools.clone());
        let address = guarded::start_on(seat.arbiter(), move |_| {
            GuildActor::new(id, tools, registry, actor_stats, incarnation)
        });
        Running {
            incarnation,
            mailer: Mailer::new(address, gauge),
            seat,
            stats,
            started_ms: clock::unix_ms(),
        }
    }

    /// Posts mail to the guild's actor, started where it does not run.
    ///
    /// The entry is held meanwhile, so that the actor cannot [retire](Self::retire) in between.
    pub fn with_mailer<T>(&self, id: GuildId, post: impl FnOnce(&Mailer<GuildActor>) -> T) -> T {
        if let Some(running) = self.inner.running.get(&id)
            && running.mailer.is_open()
        {
            return post(&running.mailer);
        }
        let entry = self
            .inner
            .running
            .entry(id)
            .or_insert_with(|| self.start(id));
        let mut running = entry;
        if !running.mailer.is_open() {
            self.inner.tools.counters.guilds_running.dec();
            *running = self.start(id);
        }
        post(&running.mailer)
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
    pub(super) fn retire(&self, id: GuildId) -> bool {
        let idle = |_: &GuildId, running: &Running| running.mailer.gauge().count() == 0;
        let retired = self.inner.running.remove_if(&id, idle).is_some();
        if retired {
            self.inner.tools.counters.guilds_running.dec();
        }
        retired
    }

    /// Whether the guild's actor is this one.
    pub(super) fn is_current(&self, id: GuildId, incarnation: u64) -> bool {
        let running = self.inner.running.get(&id);
        running.is_some_and(|running| running.incarnation == incarnation)
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

    /// The executors that guilds run on.
    pub fn executors(&self) -> &Executors {
        &self.inner.executors
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
