//! Which guilds run on this node, and where.

use std::sync::Arc;

use actix::{Actor, Context};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use super::actor::{GuildActor, GuildTools};
use super::executors::{ExecutorId, Executors, Seat};
use super::stats::GuildStats;
use crate::clock;
use crate::protocol::GuildId;
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
}

struct Running {
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
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The guild's actor, started where it does not run.
    pub fn get_or_start(&self, id: GuildId) -> Mailer<GuildActor> {
        if let Some(running) = self.inner.running.get(&id)
            && running.mailer.is_open()
        {
            return running.mailer.clone();
        }
        match self.inner.running.entry(id) {
            Entry::Occupied(mut entry) => {
                if !entry.get().mailer.is_open() {
                    self.inner.tools.counters.guilds_running.dec();
                    entry.insert(self.start(id));
                }
                entry.get().mailer.clone()
            }
            Entry::Vacant(entry) => entry.insert(self.start(id)).mailer.clone(),
        }
    }

    fn start(&self, id: GuildId) -> Running {
        self.inner.tools.counters.guilds_running.inc();
        let seat = self.inner.executors.take_seat();
        let stats = Arc::new(GuildStats::default());
        let gauge = Arc::new(MailGauge::new(self.inner.bounds));
        let actor_stats = Arc::clone(&stats);
        let (registry, tools) = (self.clone(), self.inner.tools.clone());
        let address = GuildActor::start_in_arbiter(seat.arbiter(), move |ctx: &mut Context<_>| {
            // The bound is the gauge's; the channel itself only has to never be the narrower one.
            ctx.set_mailbox_capacity(usize::MAX >> 4);
            GuildActor::new(id, tools, registry, actor_stats)
        });
        Running {
            mailer: Mailer::new(address, gauge),
            seat,
            stats,
            started_ms: clock::unix_ms(),
        }
    }

    /// Forgets a guild whose actor stops.
    pub(super) fn forget(&self, id: GuildId) {
        if self.inner.running.remove(&id).is_some() {
            self.inner.tools.counters.guilds_running.dec();
        }
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
