//! The guild actor: a thin shell that gives the core its inputs and does what it wants done.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};
use slab::Slab;
use smallvec::SmallVec;
use tokio::sync::oneshot;

use super::command::{Command, Outcome, Request};
use super::core::{Attach, Batch, GuildCore, Moment, Output, record};
use super::recent::RecentItems;
use super::registry::Registry;
use super::stats::GuildStats;
use crate::clock;
use crate::counters::Counters;
use crate::fanout::mail::{GuildNews, HubLink, HubLinks};
use crate::fanout::{HubId, Item};
use crate::journal::{Journal, JournalError};
use crate::protocol::ids::SnowflakeSource;
use crate::protocol::objects::Presence;
use crate::protocol::{ApiError, GuildId, MessageId, Position, UserId};
use crate::supervision::mail::Mail;

/// Records read from the journal at a time while a guild is loaded.
const LOAD_CHUNK: usize = 1_024;
/// Messages handled before the executor's other guilds get their turn.
const SLICE: u32 = 64;
/// How often an actor looks whether it is still needed.
const HOUSEKEEPING: Duration = Duration::from_secs(10);

/// What can be sent to a guild's actor.
#[derive(Debug)]
pub enum GuildMail {
    /// A request and the way back.
    Ask {
        /// The request.
        request: Request,
        /// Answered once what the reply depends on is in the journal.
        reply: oneshot::Sender<Outcome>,
    },
    /// Attach a session.
    Attach(Attach),
    /// Attach a session that comes from another hub and has everything up to a position.
    Reattach(Attach, Position),
    /// A session is gone.
    Detach {
        /// Where it was.
        hub: HubId,
        /// Which it was.
        session: u64,
        /// Whose it was.
        user: UserId,
    },
    /// A session changed its presence.
    Presence {
        /// Whose.
        user: UserId,
        /// The new one.
        presence: Presence,
    },
}

/// What every guild of a node works with.
#[derive(Clone)]
pub struct GuildTools {
    /// The log.
    pub journal: Arc<dyn Journal>,
    /// Ids for messages.
    pub ids: Arc<SnowflakeSource>,
    /// The ways to the hubs.
    pub hubs: HubLinks,
    /// The node's name, for claims.
    pub node: Arc<str>,
    /// The node's figures.
    pub counters: Arc<Counters>,
}

/// A hub that has sessions of the guild.
struct Subscription {
    hub: HubId,
    link: Arc<dyn HubLink>,
    /// It was told that it lost items; it gets none until its sessions attach anew.
    lost: bool,
}

/// The actor of one guild.
pub struct GuildActor {
    id: GuildId,
    core: GuildCore,
    tools: GuildTools,
    registry: Registry,
    stats: Arc<GuildStats>,
    tickets: Slab<(Option<Instant>, oneshot::Sender<Outcome>)>,
    subscriptions: SmallVec<[Subscription; 4]>,
    recent: RecentItems,
    /// Sessions that attach with a past: the position that they have.
    returning: HashMap<(HubId, u64), Position>,
    outputs: Vec<Output>,
    /// The position at the last housekeeping.
    seen_position: Position,
    append_started: Option<Instant>,
    /// Messages handled since the last yield.
    handled: u32,
    /// Why the guild could not be loaded; then it answers nothing else.
    failed: Option<JournalError>,
}

impl GuildActor {
    /// An actor that loads the guild when it starts.
    pub fn new(id: GuildId, tools: GuildTools, registry: Registry, stats: Arc<GuildStats>) -> Self {
        Self {
            id,
            core: GuildCore::new(id),
            tools,
            registry,
            stats,
            tickets: Slab::new(),
            subscriptions: SmallVec::new(),
            recent: RecentItems::default(),
            returning: HashMap::new(),
            outputs: Vec::new(),
            seen_position: 0,
            append_started: None,
            handled: 0,
            failed: None,
        }
    }

    fn moment(&self) -> Moment {
        let now_ms = clock::unix_ms();
        Moment {
            now_ms,
            fresh_id: MessageId::new(self.tools.ids.next(now_ms)),
        }
    }

    /// Reads the journal; mail waits meanwhile.
    fn load(&mut self, ctx: &mut Context<Self>) {
        let journal = Arc::clone(&self.tools.journal);
        let id = self.id;
        let load = async move {
            let mut core = GuildCore::new(id);
            loop {
                let entries = journal.read(id, core.position(), LOAD_CHUNK).await?;
                let count = entries.len();
                for entry in entries {
                    let event = record::decode(&entry.record)
                        .map_err(|error| JournalError::Damaged(error.to_string()))?;
                    core.apply(entry.position, event);
                }
                if count < LOAD_CHUNK {
                    return Ok(core);
                }
                tokio::task::yield_now().await;
            }
        };
        ctx.wait(
            load.into_actor(self)
                .map(|loaded, actor, ctx| match loaded {
                    Ok(core) => {
                        actor.core = core;
                        actor.recent = RecentItems::starting_after(actor.core.position());
                        if actor.core.exists() {
                            actor.core.claim(&*actor.tools.node);
                        }
                        actor.failed = None;
                        actor.advance(ctx);
                    }
                    Err(error) => {
                        tracing::error!(guild = %actor.id, %error, "guild could not be loaded");
                        actor.failed = Some(error);
                    }
                }),
        );
    }

    /// Appends what is pending and lets out what may leave.
    fn advance(&mut self, ctx: &mut Context<Self>) {
        if let Some(batch) = self.core.next_batch() {
            self.append(batch, ctx);
        }
        self.release();
    }

    fn append(&mut self, batch: Batch, ctx: &mut Context<Self>) {
        self.append_started = Some(clock::now());
        let append = self
            .tools
            .journal
            .append(self.id, batch.expected, batch.records);
        ctx.spawn(append.into_actor(self).map(|result, actor, ctx| {
            if let Some(started) = actor.append_started.take() {
                actor
                    .tools
                    .counters
                    .append_seconds
                    .observe(started.elapsed());
            }
            match result {
                Ok(position) => {
                    GuildStats::add(&actor.stats.appends, 1);
                    actor.core.appended(position);
                    actor.advance(ctx);
                }
                Err(error) => actor.append_failed(&error, ctx),
            }
        }));
    }

    /// The core holds what the journal does not: it is thrown away, and whoever waits is told.
    fn append_failed(&mut self, error: &JournalError, ctx: &mut Context<Self>) {
        tracing::error!(guild = %self.id, %error, "append failed");
        self.tools.counters.append_failures.inc();
        let core = std::mem::replace(&mut self.core, GuildCore::new(self.id));
        self.outputs.extend(core.give_up());
        self.release();
        for subscription in &self.subscriptions {
            subscription
                .link
                .post_control(GuildNews::Lost { guild: self.id });
        }
        self.subscriptions.clear();
        self.returning.clear();
        self.load(ctx);
    }

    /// Does what the core wants done, in its order.
    fn release(&mut self) {
        // Before anybody is answered, so that who asks next sees it.
        GuildStats::set(&self.stats.position, self.core.acknowledged());
        let mut outputs = std::mem::take(&mut self.outputs);
        outputs.extend(self.core.outputs());
        let mut items: Vec<Item> = Vec::new();
        let mut answers = Vec::new();
        for output in outputs.drain(..) {
            match output {
                Output::Reply { ticket, outcome } => answers.push((ticket, outcome)),
                Output::Item(item) => {
                    self.recent.push(&item);
                    items.push(item);
                }
                Output::Attached {
                    hub,
                    session,
                    result,
                } => {
                    self.broadcast(&mut items);
                    let missed = match self.returning.remove(&(hub, session)) {
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
        self.outputs = outputs;
        if self.core.is_settled() {
            self.drop_empty_subscriptions();
        }
    }

    fn answer(&mut self, ticket: u64, outcome: Outcome) {
        let Some((asked, reply)) = self.tickets.try_remove(ticket as usize) else {
            return;
        };
        let counters = &self.tools.counters;
        if let Some(asked) = asked {
            counters.publish_ack_seconds.observe(asked.elapsed());
        }
        let answered = outcome.as_ref().map(drop).map_err(|error| error.status);
        counters.guild_answered(answered);
        // The asker may have given up waiting.
        let _ = reply.send(outcome);
    }

    /// Hubs without a session left get nothing more; not before all that they wait for is out.
    fn drop_empty_subscriptions(&mut self) {
        let core = &self.core;
        self.subscriptions
            .retain(|entry| core.sessions_on(entry.hub) > 0);
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
        self.tools.counters.publishes.inc_by(items.len() as u64);
        if self.subscriptions.is_empty() {
            items.clear();
            return;
        }
        let items: Arc<[Item]> = items.drain(..).collect();
        for subscription in &mut self.subscriptions {
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
    }

    fn post(&mut self, hub: HubId, news: GuildNews) {
        if let Some(subscription) = self.subscriptions.iter_mut().find(|entry| entry.hub == hub) {
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
        let subscribed = self.subscriptions.iter_mut().find(|entry| entry.hub == hub);
        if let Some(subscription) = subscribed {
            subscription.lost = false;
        } else if let Some(link) = self.tools.hubs.get(hub) {
            self.subscriptions.push(Subscription {
                hub,
                link,
                lost: false,
            });
        }
    }

    fn detach(&mut self, hub: HubId, session: u64, user: UserId) {
        self.returning.remove(&(hub, session));
        self.core.detach(&self.moment(), hub, session, user);
    }

    /// An actor of a guild that was never made, or is deleted, goes.
    fn housekeeping(&mut self, ctx: &mut Context<Self>) {
        let position = self.core.acknowledged();
        if std::mem::replace(&mut self.seen_position, position) == position {
            // Nothing happened for a while: nobody is on the way between two hubs any more.
            self.recent.clear();
        }
        let idle = self.subscriptions.is_empty() && self.tickets.is_empty();
        if idle && (self.failed.is_some() || !self.core.exists()) {
            self.registry.forget(self.id);
            ctx.stop();
        }
    }

    fn refuse(&mut self, mail: GuildMail) {
        let error = ApiError::UNAVAILABLE;
        match mail {
            GuildMail::Ask { reply, .. } => {
                // The asker may be gone.
                let _ = reply.send(Err(error));
            }
            GuildMail::Attach(attach) | GuildMail::Reattach(attach, _) => {
                let news = GuildNews::Attached {
                    guild: self.id,
                    session: attach.session,
                    result: Box::new(Err(error)),
                    missed: None,
                };
                self.post(attach.hub, news);
            }
            GuildMail::Detach { .. } | GuildMail::Presence { .. } => {}
        }
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
        self.load(ctx);
        ctx.run_interval(HOUSEKEEPING, Self::housekeeping);
    }
}

impl Handler<Mail<GuildMail>> for GuildActor {
    type Result = ();

    fn handle(&mut self, mail: Mail<GuildMail>, ctx: &mut Self::Context) {
        let started = clock::now();
        if self.failed.is_some() {
            self.refuse(mail.message);
            return;
        }
        match mail.message {
            GuildMail::Ask { request, reply } => {
                GuildStats::add(&self.stats.requests, 1);
                let publish = matches!(request.command, Command::CreateMessage(..));
                let ticket = self.tickets.insert((publish.then_some(started), reply)) as u64;
                let moment = self.moment();
                self.core.handle(&moment, ticket, request);
            }
            GuildMail::Attach(attach) => self.attach(&attach),
            GuildMail::Reattach(attach, since) => {
                self.returning.insert((attach.hub, attach.session), since);
                self.attach(&attach);
            }
            GuildMail::Detach { hub, session, user } => self.detach(hub, session, user),
            GuildMail::Presence { user, presence } => {
                self.core.set_presence(&self.moment(), user, &presence);
            }
        }
        self.advance(ctx);
        self.handled += 1;
        if self.handled >= SLICE {
            self.handled = 0;
            // A flooded guild must not keep its executor from the others.
            ctx.wait(actix::fut::wrap_future(tokio::task::yield_now()));
        }
        GuildStats::add(&self.stats.busy_ns, started.elapsed().as_nanos() as u64);
    }
}

#[cfg(test)]
mod tests;
