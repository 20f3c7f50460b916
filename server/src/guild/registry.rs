//! Which guilds run on this node, and where.

mod departures;
mod evicted;
mod moves;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use dashmap::DashMap;
pub use evicted::Evicted;
use tokio::sync::oneshot;

use super::actor::{GuildActor, GuildMail, GuildTools};
use super::executors::{ExecutorId, ExecutorKind, Executors, Seat};
use super::handoff::baton::{Baton, Word};
use super::handoff::{MoveKind, Moved, Reason};
use super::seldom::{Blank, Seldom};
use super::stats::{GuildStats, Health};
use crate::clock;
use crate::counters::Counters;
use crate::fanout::HubId;
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
    // Boxed: a table of many has nearly as many empty places as taken ones.
    running: DashMap<GuildId, Box<Running>>,
    executors: Executors,
    tools: Arc<GuildTools>,
    bounds: MailBounds,
    incarnations: AtomicU64,
    /// Whether the node stops: then no guild is moved any more.
    draining: AtomicBool,
}

struct Running {
    tenure: Tenure,
    /// The first of the actors whose requests this one has: it was handed over from one to the next.
    heir_of: u64,
    mailer: Mailer<GuildActor>,
    seat: Seat,
    stats: Arc<GuildStats>,
    started_ms: u64,
    moves: Seldom<Moves>,
    _counted: Counted,
}

/// How a guild came to its executor; there is nothing of it where it was just started there.
#[derive(Default)]
struct Moves {
    /// Why it was started.
    reason: Reason,
    under_way: Option<Moving>,
    /// The last ones, the newest first.
    done: Option<Arc<[Moved]>>,
}

impl Blank for Moves {
    const BLANK: &'static Self = &Self {
        reason: Reason::Started,
        under_way: None,
        done: None,
    };

    fn is_blank(&self) -> bool {
        self.reason == Reason::Started && self.under_way.is_none() && self.done.is_none()
    }
}

impl Moves {
    fn last(&self) -> Option<&Moved> {
        self.done.as_ref()?.first()
    }
}

/// A move that is under way.
enum Moving {
    /// The successor is being started; the guild may still stay.
    Preparing,
    /// Mail goes to the successor, which waits for the former actor to hand over.
    Releasing(Box<Releasing>),
    /// It may go to another node: who tells its actor that it does.
    Departing(oneshot::Sender<()>),
}

struct Releasing {
    /// The former actor.
    tenure: Tenure,
    mailer: Mailer<GuildActor>,
    baton: Baton,
    from: ExecutorId,
    kind: MoveKind,
    reason: Reason,
    done: oneshot::Sender<Moved>,
}

impl Releasing {
    /// The former actor's executor is stuck: it shall stop when it runs again, and the successor is not to
    /// wait for it. Tells whether it had not handed over yet.
    fn abandon(&self) -> bool {
        self.tenure.evict(&self.mailer);
        self.baton.say(Word::Load).is_ok()
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
    /// Whether the executor is its own or shared.
    pub kind: ExecutorKind,
    /// When it came to that executor, in milliseconds since the Unix epoch.
    pub placed_ms: u64,
    /// Why.
    pub reason: Reason,
    /// Whether it is being moved.
    pub moving: bool,
    /// Its last moves since it was started, the newest first; at most
    /// [`REMEMBERED`](super::handoff::REMEMBERED).
    pub moves: Option<Arc<[Moved]>>,
}

impl Registry {
    /// An empty registry that starts guilds on these executors.
    pub fn new(executors: Executors, tools: GuildTools, bounds: MailBounds) -> Self {
        let inner = Inner {
            running: DashMap::new(),
            executors,
            tools: Arc::new(tools),
            bounds,
            incarnations: AtomicU64::new(0),
            draining: AtomicBool::new(false),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    fn new_tenure(&self) -> Tenure {
        Tenure {
            incarnation: self.inner.incarnations.fetch_add(1, Ordering::Relaxed),
            evicted: Evicted::default(),
        }
    }

    fn start(&self, id: GuildId) -> Running {
        self.start_with(id, GuildStats::default(), Reason::Started)
    }

    fn start_with(&self, id: GuildId, stats: GuildStats, reason: Reason) -> Running {
        let seat = self.inner.executors.take_seat();
        let stats = Arc::new(stats);
        let gauge = Arc::new(MailGauge::new(self.inner.bounds));
        let actor_stats = Arc::clone(&stats);
        let tenure = self.new_tenure();
        let (registry, tools) = (self.clone(), Arc::clone(&self.inner.tools));
        let actor_tenure = tenure.clone();
        let address = guarded::start_on(seat.arbiter(), seat.mark(id, &stats), move |_| {
            GuildActor::new(id, tools, registry, actor_stats, actor_tenure)
        });
        let now_ms = clock::unix_ms();
        Running {
            heir_of: tenure.incarnation,
            tenure,
            mailer: Mailer::new(address, gauge),
            seat,
            stats,
            started_ms: now_ms,
            moves: Seldom::from(Moves {
                reason,
                ..Moves::default()
            }),
            _counted: Counted::new(&self.inner.tools.counters),
        }
    }

    /// Posts mail to the guild's actor, started where it does not run; `post` is also told which
    /// [one](Self::answers_for) that is.
    ///
    /// The entry is held meanwhile, so that the actor cannot [retire](Self::retire) in between.
    pub fn with_mailer<T>(
        &self,
        id: GuildId,
        post: impl FnOnce(&Mailer<GuildActor>, &Tenure) -> T,
    ) -> T {
        if let Some(running) = self.inner.running.get(&id)
            && running.mailer.is_open()
        {
            return post(&running.mailer, &running.tenure);
        }
        let mut running = self
            .inner
            .running
            .entry(id)
            .or_insert_with(|| Box::new(self.start(id)));
        if !running.mailer.is_open() {
            **running = self.start(id);
        }
        post(&running.mailer, &running.tenure)
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
        let is_idle = |running: &Running| {
            running.tenure.incarnation == incarnation && running.mailer.gauge().count() == 0
        };
        let running = &self.inner.running;
        running.remove_if(&id, |_, it| is_idle(it)).is_some()
    }

    /// Whether the guild's actor is this one.
    pub(super) fn is_current(&self, id: GuildId, incarnation: u64) -> bool {
        let running = self.inner.running.get(&id);
        running.is_some_and(|running| running.tenure.incarnation == incarnation)
    }

    /// Whether what was asked of that actor of the guild is answered: it is the guild's, or it handed over
    /// to the one that is.
    pub(super) fn answers_for(&self, id: GuildId, incarnation: u64) -> bool {
        let running = self.inner.running.get(&id);
        running.is_some_and(|it| (it.heir_of..=it.tenure.incarnation).contains(&incarnation))
    }

    /// Takes every guild off an executor that is stuck; answers how many. They are started on another
    /// one when somebody asks for them: hubs that have sessions of them are told to, at once. One that is
    /// just being moved away is read from its journal where it is to go. The guild that the executor does
    /// not get away from is started in quarantine.
    pub(super) fn evacuate(&self, executor: ExecutorId, culprit: Option<GuildId>) -> usize {
        let sits = |running: &Running| running.seat.id() == executor;
        let leaves = |running: &Running| matches!(&running.moves.under_way, Some(Moving::Releasing(it)) if it.from == executor);
        let running = &self.inner.running;
        let guilds: Vec<GuildId> = running
            .iter()
            .filter(|running| sits(running) || leaves(running))
            .map(|running| *running.key())
            .collect();
        let mut count = 0;
        for id in guilds {
            let is_culprit = culprit == Some(id);
            let former = if is_culprit {
                let entry = running.get_mut(&id);
                let Some(mut entry) = entry.filter(|it| sits(it) || leaves(it)) else {
                    continue;
                };
                let stats = entry.stats.in_quarantine();
                let successor = self.start_with(id, stats, Reason::Stuck);
                std::mem::replace(&mut *entry, Box::new(successor))
            } else if self.abandon_release(id, executor) {
                count += 1;
                continue;
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

    /// Has every guild forget hubs that are no more.
    pub fn hubs_gone(&self, hubs: &[HubId]) {
        for running in &self.inner.running {
            for hub in hubs {
                running.mailer.post_control(GuildMail::HubGone(*hub));
            }
        }
    }

    /// Has a guild's successor begin from the journal, where it waits for an actor of this executor.
    fn abandon_release(&self, id: GuildId, executor: ExecutorId) -> bool {
        let Some(mut entry) = self.inner.running.get_mut(&id) else {
            return false;
        };
        let Some(Moving::Releasing(releasing)) = &entry.moves.under_way else {
            return false;
        };
        if releasing.from != executor || entry.seat.id() == executor || !releasing.abandon() {
            return false;
        }
        // What was asked of the former one is answered by nobody.
        entry.heir_of = entry.tenure.incarnation;
        true
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
    /// Set when another one has the guild: its executor was stuck, or another node owns it.
    pub evicted: Evicted,
}

impl Tenure {
    /// Has the actor stop as soon as it runs again.
    fn evict(&self, mailer: &Mailer<GuildActor>) {
        self.evicted.set();
        mailer.post_control(GuildMail::Evicted);
    }
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
        if let Some(Moving::Releasing(releasing)) = &self.moves.under_way {
            releasing.abandon();
        }
        self.tenure.evict(&self.mailer);
    }
}

fn describe(id: GuildId, running: &Running) -> RunningGuild {
    let moved = running.moves.last();
    RunningGuild {
        id,
        executor: running.seat.id(),
        stats: Arc::clone(&running.stats),
        mail: Arc::clone(running.mailer.gauge()),
        started_ms: running.started_ms,
        kind: running.seat.kind(),
        placed_ms: moved.map_or(running.started_ms, |it| it.at_ms),
        reason: moved.map_or(running.moves.reason, |it| it.reason),
        moving: running.moves.under_way.is_some(),
        moves: running.moves.done.clone(),
    }
}
