//! The guild actor: a thin shell that gives the core its inputs and does what it wants done.

mod append;
mod asked;
mod company;
mod departure;
mod handover;
mod load;
mod mail;
mod passage;
mod preload;
mod recall;
mod recovery;
mod rejoin;
mod retention;
mod rounds;
mod snapshots;
mod tools;
mod waits;

use std::sync::Arc;
use std::time::Instant;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler, Supervised};
pub use mail::GuildMail;
pub use preload::Preloads;
pub use retention::RetentionSettings;
use slab::Slab;
use smallvec::SmallVec;
pub use tools::{GuildSettings, GuildTools};

use super::command::Request;
use super::core::{Attach, GuildCore, Moment, Output};
use super::recent::RecentItems;
use super::registry::{Registry, Tenure};
use super::seldom::{Blank, Seldom};
use super::stats::{GuildStats, Health};
use crate::clock;
use crate::fanout::mail::{GuildNews, HubLink};
use crate::fanout::{HubId, Item};
use crate::protocol::{GuildId, MessageId, Position, UserId};
use crate::spans::{self, Stretch};
use crate::supervision::mail::Mail;
use passage::Passage;
use retention::{Trimming, Trims};
use snapshots::Unripe;

/// Messages handled before the executor's other guilds get their turn.
const SLICE: u32 = 64;

/// A hub that has sessions of the guild.
struct Subscription {
    hub: HubId,
    link: Arc<dyn HubLink>,
    /// It was told that it lost items; it gets none until its sessions attach anew.
    lost: bool,
}

/// Most guilds have sessions on one hub or on none.
type Subscriptions = SmallVec<[Subscription; 1]>;

impl Blank for Subscriptions {
    const BLANK: &'static Self = &Self::new_const();

    fn is_blank(&self) -> bool {
        self.is_empty()
    }
}

/// A request that is being handled: should the guild panic, it is tried once more.
struct InHand {
    ticket: u64,
    request: Request,
    /// Panics so far.
    attempts: u8,
}

/// The actor of one guild.
pub struct GuildActor {
    id: GuildId,
    core: GuildCore,
    tools: Arc<GuildTools>,
    registry: Registry,
    stats: Arc<GuildStats>,
    tickets: Seldom<Slab<asked::Asked>>,
    stages: Option<Box<asked::Stages>>,
    subscriptions: Seldom<Subscriptions>,
    recent: RecentItems,
    /// Who comes back with a past.
    returns: Seldom<rejoin::Returns>,
    /// The position at the last housekeeping.
    seen_position: Position,
    appends: Seldom<append::Appends>,
    /// Messages handled since the last yield.
    handled: u32,
    /// Tells this actor from another one of the guild.
    tenure: Tenure,
    /// Tells the state from the ones before it: what was begun for those is of no use to it.
    life: u64,
    /// The position of the last claim of this actor, or of those that handed over to it; 0 where there is none.
    epoch: Position,
    /// Whether the log is this actor's; without it, only reads are served.
    claimed: bool,
    /// Whether its next housekeeping is arranged for, on the thread that it is on.
    in_rounds: bool,
    mishaps: Seldom<recovery::Mishaps>,
    // Boxed, as what follows and some of what is above: a guild at rest has none of it, and each would make room for it.
    in_hand: Option<Box<InHand>>,
    /// Requests that wait for messages to be read back.
    recalls: Option<Box<recall::Recalls>>,
    trims: Seldom<Trims>,
    /// Bytes of records after the snapshot, and of the snapshot.
    tail_bytes: usize,
    snapshot_bytes: usize,
    /// A snapshot that is not wholly acknowledged.
    unripe: Option<Box<Unripe>>,
    /// When something last asked for the guild; never where it was only woken.
    used: Option<Instant>,
    /// While the guild passes to this actor or from it, and once it has gone to another node.
    passage: Option<Box<Passage>>,
}

impl GuildActor {
    /// An actor that loads the guild when it starts.
    pub fn new(
        id: GuildId,
        tools: Arc<GuildTools>,
        registry: Registry,
        stats: Arc<GuildStats>,
        tenure: Tenure,
    ) -> Self {
        Self {
            id,
            core: GuildCore::with_settings(id, tools.settings.core.clone()),
            tools,
            registry,
            stats,
            tickets: Seldom::new(),
            stages: None,
            subscriptions: Seldom::new(),
            recent: RecentItems::default(),
            returns: Seldom::new(),
            seen_position: 0,
            appends: Seldom::new(),
            handled: 0,
            tenure,
            life: 0,
            epoch: 0,
            claimed: false,
            in_rounds: false,
            mishaps: Seldom::new(),
            in_hand: None,
            recalls: None,
            trims: Seldom::new(),
            tail_bytes: 0,
            snapshot_bytes: 0,
            unripe: None,
            used: Some(clock::now()),
            passage: None,
        }
    }

    fn moment(&self) -> Moment {
        let now_ms = clock::unix_ms();
        Moment {
            now_ms,
            fresh_id: MessageId::new(self.tools.ids.next(now_ms)),
        }
    }

    /// Does what the core wants done, in its order.
    fn release(&mut self) {
        // Before anybody is answered, so that who asks next sees it.
        GuildStats::set(&self.stats.position, self.core.acknowledged());
        let outputs: SmallVec<[Output; 2]> = self.core.outputs().collect();
        let mut items: Vec<Item> = Vec::new();
        let mut answers = Vec::new();
        for output in outputs {
            match output {
                Output::Reply { ticket, outcome } => answers.push((ticket, outcome)),
                Output::Item(item) => {
                    self.recent.push(&item, self.is_recent_awaited());
                    items.push(item);
                }
                Output::Attached {
                    hub,
                    session,
                    result,
                } => {
                    self.broadcast(&mut items);
                    let missed = match self.returned(hub, session) {
                        Some(since) => self.recent.since(since),
                        None => Some(Arc::default()),
                    };
                    let news = GuildNews::Attached {
                        guild: self.id,
                        session,
                        result,
                        missed,
                    };
                    self.post(hub, news);
                }
            }
        }
        self.broadcast(&mut items);
        // After the broadcast: who was answered finds the event on its way.
        for (ticket, outcome) in answers {
            self.answer(ticket, outcome);
        }
        if self.core.is_settled() {
            self.drop_empty_subscriptions();
        }
    }

    /// Hubs without a session left get nothing more; not before all that they wait for is out.
    fn drop_empty_subscriptions(&mut self) {
        let core = &self.core;
        if let Some(subscriptions) = self.subscriptions.made() {
            subscriptions.retain(|entry| core.sessions_on(entry.hub) > 0);
        }
        let sessions: usize = self
            .subscriptions
            .iter()
            .map(|entry| core.sessions_on(entry.hub))
            .sum();
        GuildStats::set(&self.stats.sessions, sessions as u64);
        GuildStats::set(&self.stats.hubs, self.subscriptions.len() as u64);
    }

    /// *Invariant I5*: one message per hub, whatever the number of sessions.
    fn broadcast(&mut self, items: &mut Vec<Item>) {
        if items.is_empty() {
            return;
        }
        GuildStats::add(&self.stats.items, items.len() as u64);
        let sessions = GuildStats::get(&self.stats.sessions);
        GuildStats::add(&self.stats.offered, items.len() as u64 * sessions);
        self.tools.counters.publishes.inc_by(items.len() as u64);
        if self.subscriptions.is_empty() {
            items.clear();
            return;
        }
        let begun = spans::is_on().then(clock::now);
        let items: Arc<[Item]> = items.drain(..).collect();
        for subscription in self.subscriptions.iter_mut() {
            if !subscription.lost {
                let items = Arc::clone(&items);
                subscription.post(
                    self.id,
                    GuildNews::Items {
                        guild: self.id,
                        items,
                    },
                );
            }
        }
        let fan_out = begun.map(|begun| (begun, clock::now()));
        self.note_stage(|stages| &mut stages.fan_out, fan_out);
    }

    fn post(&mut self, hub: HubId, news: GuildNews) {
        let subscriptions = self.subscriptions.made();
        let subscribed = subscriptions.and_then(|all| all.iter_mut().find(|it| it.hub == hub));
        if let Some(subscription) = subscribed {
            subscription.post(self.id, news);
        } else if let Some(link) = self.tools.hubs.get(hub) {
            // A refused attachment of a hub without other sessions of the guild.
            link.post_control(news);
        }
    }

    /// Subscribes the hub first, so that it misses nothing after the snapshot that it is sent.
    fn attach(&mut self, attach: &Attach) {
        self.core.attach(&self.moment(), attach);
        let hub = attach.hub;
        if self.core.sessions_on(hub) == 0 {
            return;
        }
        self.subscribe(hub);
    }

    /// From now on the hub gets what happens.
    fn subscribe(&mut self, hub: HubId) {
        let subscribed = self.subscriptions.iter_mut().find(|entry| entry.hub == hub);
        if let Some(subscription) = subscribed {
            subscription.lost = false;
        } else if let Some(link) = self.tools.hubs.get(hub) {
            self.subscriptions.push(Subscription {
                hub,
                link,
                lost: false,
            });
            GuildStats::set(&self.stats.hubs, self.subscriptions.len() as u64);
        }
    }

    fn hub_gone(&mut self, hub: HubId) {
        if let Some(returns) = self.returns.made() {
            returns.sessions.retain(|(of, _), _| *of != hub);
        }
        self.core.forget_hub(&self.moment(), hub);
    }

    fn detach(&mut self, hub: HubId, session: u64, user: UserId) {
        self.returned(hub, session);
        self.core.detach(&self.moment(), hub, session, user);
    }

    /// Keeps the memory and the journal's tail short; a guild that nobody uses goes.
    fn housekeeping(&mut self, ctx: &mut Context<Self>) {
        if self.is_gone() {
            // It stops with its last mail.
            return;
        }
        if self.tenure.evicted.is_set() {
            self.leave(ctx);
            return;
        }
        if self.stats.health() != Health::Serving {
            return;
        }
        let position = self.core.acknowledged();
        let quiet = std::mem::replace(&mut self.seen_position, position) == position;
        if quiet && !self.is_recent_awaited() {
            // Nothing happened for a while: nobody is on the way between two hubs any more.
            self.recent.clear();
            self.give_back();
        }
        // In this order: the snapshot without old history comes first.
        self.trim_history(ctx);
        self.look_at_tail(ctx);
        let idle = self.subscriptions.is_empty()
            && self.tickets.is_empty()
            && self.returns.parked.is_empty()
            && self.core.is_settled();
        let unused_after = self.tools.settings.passivate_after;
        let unused = self.used.is_none_or(|at| at.elapsed() >= unused_after);
        if idle && !self.core.exists() && !self.forget_deleted(ctx) {
            return;
        }
        let idle = idle && !matches!(self.trims.stage, Trimming::UnderWay(_));
        let leaves = idle && (unused || !self.core.exists());
        if leaves && self.registry.retire(self.id, self.tenure.incarnation) {
            ctx.stop();
        }
    }

    /// A session attaches with a past.
    fn returns(&mut self, hub: HubId, session: u64, since: Position) {
        self.returns.sessions.insert((hub, session), since);
    }

    /// The position that it came with, where it did.
    fn returned(&mut self, hub: HubId, session: u64) -> Option<Position> {
        self.returns.made()?.sessions.remove(&(hub, session))
    }

    /// Whether somebody has come back and is yet to be told what it missed: until then that stays at hand.
    fn is_recent_awaited(&self) -> bool {
        !self.returns.is_blank()
    }

    /// Notes when something was done that requests wait for, or that nobody wants to know.
    fn note_stage(
        &mut self,
        stage: impl FnOnce(&mut asked::Stages) -> &mut Option<Stretch>,
        stretch: Option<Stretch>,
    ) {
        if stretch.is_some() || self.stages.is_some() {
            *stage(self.stages.get_or_insert_default()) = stretch;
        }
    }

    /// Gives back the room of queues that are empty.
    fn give_back(&mut self) {
        self.tickets.give_back();
        self.returns.give_back();
        self.subscriptions.give_back();
        if let Some(subscriptions) = self.subscriptions.made() {
            subscriptions.shrink_to_fit();
        }
        self.appends.give_back();
        self.mishaps.give_back();
        self.trims.give_back();
        self.core.give_back();
    }
}

impl Subscription {
    /// Posts to the hub; where its mailbox is full, it loses the guild until its sessions attach
    /// anew, and is told so.
    fn post(&mut self, guild: GuildId, news: GuildNews) {
        if self.link.post(news).is_err() {
            self.lost = true;
            self.link.post_control(GuildNews::Lost { guild });
        }
    }
}

impl Actor for GuildActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if self.tenure.evicted.is_set() {
            self.leave(ctx);
            return;
        }
        if self.awaits_handover(ctx) || self.hand_over(ctx) {
            return;
        }
        self.join_rounds(ctx);
        if self.stats.health() != Health::Quarantined {
            self.load(ctx);
        }
    }
}

impl Supervised for GuildActor {
    fn restarting(&mut self, _: &mut Self::Context) {
        self.after_panic();
    }
}

impl Handler<Mail<GuildMail>> for GuildActor {
    type Result = ();

    fn handle(&mut self, mail: Mail<GuildMail>, ctx: &mut Self::Context) {
        if self.is_gone() {
            self.send_after(mail.message, ctx);
            return;
        }
        if self.tenure.evicted.is_set() {
            self.leave(ctx);
            self.send_after(mail.message, ctx);
            return;
        }
        let started = clock::now();
        self.used = Some(started);
        self.stats.meter.waited(mail.permit.waited(started));
        if let GuildMail::Wake = mail.message {
            self.used = None;
            return;
        }
        if let GuildMail::Restart = mail.message {
            self.restart(ctx);
            return;
        }
        if let GuildMail::Evicted = mail.message {
            // It went to another node before it could come to rest.
            self.tenure.evicted.set();
            self.leave(ctx);
            ctx.stop();
            return;
        }
        if let GuildMail::Release(handing) = mail.message {
            self.release_to(*handing, ctx);
            return;
        }
        if let GuildMail::Depart(farewell) = mail.message {
            self.depart(*farewell, ctx);
            return;
        }
        if self.stats.health() != Health::Serving {
            self.refuse(mail.message);
            return;
        }
        match mail.message {
            GuildMail::Ask {
                request,
                reply,
                way,
            } => {
                GuildStats::add(&self.stats.requests, 1);
                let writes = !request.command.only_reads();
                if writes && !(self.claimed && self.tools.journal.accepts_writes()) {
                    self.refuse(GuildMail::Ask {
                        request,
                        reply,
                        way,
                    });
                    return;
                }
                let asked = asked::Asked::new(started, &request.command, way, reply);
                let ticket = self.tickets.insert(asked) as u64;
                self.handle_request(InHand {
                    ticket,
                    request,
                    attempts: 0,
                });
            }
            GuildMail::Attach(attach) => self.attach(&attach),
            GuildMail::Reattach(attach, since) => self.reattach(attach, since, ctx),
            GuildMail::Rejoin {
                hub,
                since,
                sessions,
            } => self.rejoin(hub, since, sessions, ctx),
            GuildMail::Detach { hub, session, user } => self.detach(hub, session, user),
            GuildMail::HubGone(hub) => self.hub_gone(hub),
            GuildMail::Presence { user, presence } => {
                self.core.set_presence(&self.moment(), user, &presence);
            }
            GuildMail::Wake
            | GuildMail::Restart
            | GuildMail::Evicted
            | GuildMail::Release(_)
            | GuildMail::Depart(_) => unreachable!("dealt with above"),
        }
        self.advance(ctx);
        self.handled += 1;
        if self.handled >= SLICE {
            self.handled = 0;
            // A flooded guild must not keep its executor from the others.
            ctx.wait(actix::fut::wrap_future(tokio::task::yield_now()));
        }
    }
}

#[cfg(test)]
mod tests;
