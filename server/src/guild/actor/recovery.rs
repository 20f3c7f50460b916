//! What a guild does after a panic or a failed append: it throws its state away and reads the journal.
//!
//! Mail that waits stays. Who was answered nothing yet is told what the journal holds. Hubs join
//! again and are sent what they missed, so that sessions notice nothing but a pause.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{ActorContext, ActorFutureExt, AsyncContext, Context, WrapFuture};

use super::load::{Loaded, load};
use super::{GuildActor, InHand};
use crate::clock;
use crate::fanout::mail::GuildNews;
#[cfg(any(test, feature = "fault-points"))]
use crate::guild::command::Command;
use crate::guild::command::Outcome;
use crate::guild::core::{GuildCore, Moment};
use crate::guild::departure::moved_away;
use crate::guild::recent::RecentItems;
use crate::guild::seldom::{Blank, Seldom};
use crate::guild::stats::{GuildStats, Health};
use crate::journal::JournalError;
use crate::protocol::{ApiError, Position};
use crate::supervision::budget::{RestartBudget, Verdict};
#[cfg(any(test, feature = "fault-points"))]
use crate::supervision::faults;

/// How long after a failed read or a refused claim it is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(500);
/// Why a guild is not read any further.
pub(super) const TAKEN: &str = "another actor has the guild";
/// Panics that a request may cause; then it is dropped.
const MAX_ATTEMPTS: u8 = 2;

/// What a guild keeps of panics and failed appends.
#[derive(Default)]
pub(super) struct Mishaps {
    budget: RestartBudget,
    /// When it panicked, until it serves again.
    fell: Option<Instant>,
    /// How long the next load waits.
    backoff: Duration,
    /// A request that it panicked at, to be tried once more.
    retry: Option<Box<InHand>>,
    /// The state before, with the answers that wait.
    pub(super) former: Option<Box<GuildCore>>,
}

impl Blank for Mishaps {
    const BLANK: &'static Self = &Self {
        budget: RestartBudget::new(),
        fell: None,
        backoff: Duration::ZERO,
        retry: None,
        former: None,
    };

    fn is_blank(&self) -> bool {
        self.budget.is_whole()
            && self.fell.is_none()
            && self.backoff.is_zero()
            && self.retry.is_none()
            && self.former.is_none()
    }
}

impl GuildActor {
    /// Reads the journal; mail waits meanwhile.
    pub(super) fn load(&mut self, ctx: &mut Context<Self>) {
        self.stats.set_health(Health::Loading);
        let (tools, id, evicted) = (
            Arc::clone(&self.tools),
            self.id,
            self.tenure.evicted.clone(),
        );
        let mishaps = self.mishaps.made();
        let wait = mishaps.map_or(Duration::ZERO, |it| std::mem::take(&mut it.backoff));
        let load = async move {
            let load = async {
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                }
                load(&tools, id, &evicted).await
            };
            // Whose guild another one has reads for nobody, while mail waits.
            tokio::select! {
                biased;
                () = evicted.told() => Err(JournalError::Unavailable(TAKEN.to_owned())),
                loaded = load => loaded,
            }
        };
        ctx.wait(
            load.into_actor(self)
                .map(|loaded, actor, ctx| match loaded {
                    Ok(loaded) => actor.loaded(loaded, ctx),
                    Err(error) => actor.not_loaded(&error, ctx),
                }),
        );
    }

    fn loaded(&mut self, loaded: Loaded, ctx: &mut Context<Self>) {
        if self.tenure.evicted.is_set() {
            self.leave(ctx);
            return;
        }
        // Another owner's claim lies between: what is there is not this actor's.
        let written = if loaded.former_claim > self.epoch {
            0
        } else {
            loaded.written
        };
        self.core = loaded.core;
        self.recent = RecentItems::starting_after(loaded.quiet_after);
        self.claimed = loaded.epoch.is_some() || !self.core.exists();
        self.epoch = loaded.epoch.unwrap_or(self.epoch);
        self.tail_bytes = loaded.tail_bytes;
        self.snapshot_bytes = loaded.snapshot_bytes;
        self.stats.set_health(Health::Serving);
        self.note_restart();
        GuildStats::set(&self.stats.position, self.core.acknowledged());
        self.settle_former(written);
        self.tell_lost();
        if !self.claimed {
            Self::claim_later(ctx);
        }
        if let Some(request) = self.take_retry() {
            if self.claimed || request.request.command.only_reads() {
                self.handle_request(*request);
            } else {
                self.answer(request.ticket, Err(ApiError::UNAVAILABLE));
            }
        }
        self.advance(ctx);
    }

    /// Loads the guild anew once the journal takes writes.
    fn claim_later(ctx: &mut Context<Self>) {
        ctx.run_later(TRY_AGAIN, |actor, ctx| {
            if actor.claimed {
                // Somebody else had it loaded meanwhile.
            } else if actor.tools.journal.accepts_writes() {
                actor.recover(ctx);
            } else {
                Self::claim_later(ctx);
            }
        });
    }

    /// Notes how long a panic kept it from serving.
    fn note_restart(&mut self) {
        if let Some(fell) = self.mishaps.made().and_then(|it| it.fell.take()) {
            let took = fell.elapsed();
            GuildStats::set(&self.stats.last_restart_us, took.as_micros() as u64);
            self.tools.counters.guild_restart_seconds.observe(took);
        }
    }

    fn not_loaded(&mut self, error: &JournalError, ctx: &mut Context<Self>) {
        if self.tenure.evicted.is_set() {
            self.leave(ctx);
            return;
        }
        tracing::error!(guild = %self.id, %error, "guild could not be loaded");
        self.settle_former(0);
        if let JournalError::Damaged(_) | JournalError::Trimmed { .. } = error {
            self.quarantine();
            return;
        }
        self.stats.set_health(Health::Failed);
        ctx.run_later(TRY_AGAIN, |actor, ctx| {
            if actor.stats.health() == Health::Failed {
                actor.load(ctx);
            }
        });
    }

    fn take_retry(&mut self) -> Option<Box<InHand>> {
        self.mishaps.made()?.retry.take()
    }

    /// Starts anew from the journal.
    pub(super) fn recover(&mut self, ctx: &mut Context<Self>) {
        self.set_aside();
        self.load(ctx);
    }

    /// Puts the state away that may hold what the journal does not.
    pub(super) fn set_aside(&mut self) {
        let blank = GuildCore::with_settings(self.id, self.tools.settings.core.clone());
        let core = std::mem::replace(&mut self.core, blank);
        // The first one has the answers; one that was never loaded has none.
        let former = &mut self.mishaps.former;
        former.get_or_insert_with(|| Box::new(core));
        self.life += 1;
        self.unripe = None;
        self.appends = Seldom::new();
        self.handled = 0;
        self.recalls = None;
        self.trims = Seldom::new();
        for (_, who) in self.returns.take().parked {
            self.subscribe(who.hub());
        }
    }

    /// Answers what was asked of the former state.
    fn settle_former(&mut self, written: Position) {
        if let Some(former) = self.mishaps.made().and_then(|it| it.former.take()) {
            for (ticket, outcome) in former.give_up(written) {
                self.answer(ticket, outcome);
            }
        }
        let kept = self.mishaps.retry.as_ref().map(|request| request.ticket);
        let left: Vec<u64> = self.tickets.iter().map(|(key, _)| key as u64).collect();
        for ticket in left {
            if Some(ticket) != kept {
                self.answer(ticket, Err(ApiError::UNAVAILABLE));
            }
        }
    }

    /// Tells every hub to join again.
    fn tell_lost(&mut self) {
        for subscription in self.subscriptions.take() {
            let news = GuildNews::Lost { guild: self.id };
            subscription.link.post_control(news);
        }
    }

    /// Another actor has the guild: what was begun here is not known to be done, and what
    /// happened is the other's to tell. Where that is on another node, what waits is sent there, up to the last mail;
    /// otherwise the actor stops.
    pub(super) fn leave(&mut self, ctx: &mut Context<Self>) {
        if self.is_gone() {
            return;
        }
        tracing::info!(guild = %self.id, "another actor has taken the guild over");
        self.set_aside();
        let forward = self.tenure.evicted.forward();
        if let (Some(request), true) = (self.take_retry(), forward.is_some()) {
            // It panicked before it could do anything.
            self.answer(request.ticket, Err(moved_away()));
        }
        self.settle_former(0);
        self.subscriptions = Seldom::new();
        match forward {
            Some(forward) => self.gone_to(forward),
            None => ctx.stop(),
        }
    }

    /// An append failed: the state holds what the journal does not.
    pub(super) fn append_failed(&mut self, error: &JournalError, ctx: &mut Context<Self>) {
        self.tools.counters.append_failures.inc();
        let refused = matches!(error, JournalError::Conflict { .. });
        let goes = self.tenure.evicted.forward().is_some();
        if goes && refused {
            // The next owner was first: nothing of what is under way was written.
            self.redirect();
        }
        if goes || refused && !self.registry.is_current(self.id, self.tenure.incarnation) {
            self.tenure.evicted.set();
            self.leave(ctx);
            return;
        }
        tracing::error!(guild = %self.id, %error, "append failed");
        self.recover(ctx);
    }

    /// After a panic, before the actor starts again.
    pub(super) fn after_panic(&mut self) {
        self.mishaps.fell = Some(clock::now());
        GuildStats::add(&self.stats.restarts, 1);
        self.tools.counters.guild_restarts.inc();
        self.set_aside();
        if self.tenure.evicted.forward().is_some() {
            // Another node has the guild by now.
            self.tenure.evicted.set();
        }
        if let Some(mut request) = self.in_hand.take() {
            request.attempts += 1;
            if request.attempts < MAX_ATTEMPTS {
                self.mishaps.retry = Some(request);
            } else {
                tracing::error!(guild = %self.id, "a request that makes the guild panic is dropped");
                self.answer(request.ticket, Err(ApiError::INTERNAL));
            }
        }
        let settings = &self.tools.settings.budget;
        match self.mishaps.budget.panicked(settings, clock::now()) {
            Verdict::Restart(wait) => self.mishaps.backoff = wait,
            Verdict::Quarantine => self.quarantine(),
        }
    }

    /// Serves nothing until the operator says so.
    pub(super) fn quarantine(&mut self) {
        tracing::error!(guild = %self.id, "guild is quarantined");
        self.stats.set_health(Health::Quarantined);
        self.take_retry();
        self.settle_former(0);
        for subscription in self.subscriptions.take() {
            let news = GuildNews::Unavailable { guild: self.id };
            subscription.link.post_control(news);
        }
    }

    /// The operator wants the guild loaded anew.
    pub(super) fn restart(&mut self, ctx: &mut Context<Self>) {
        tracing::info!(guild = %self.id, "restarted by the operator");
        self.mishaps.budget.reset();
        self.recover(ctx);
    }

    /// Handles a request that nothing is missing for.
    pub(super) fn handle_known(&mut self, at: &Moment, request: InHand) {
        let (ticket, again) = (request.ticket, request.request.clone());
        self.in_hand = Some(Box::new(request));
        #[cfg(any(test, feature = "fault-points"))]
        if let Command::CreateMessage(..) = again.command {
            faults::hit(faults::Point::HandlerPanic, self.id);
            faults::hit(faults::Point::Loop, self.id);
        }
        self.core.handle(at, ticket, again);
        self.in_hand = None;
    }

    /// Answers a request, once.
    pub(super) fn answer(&mut self, ticket: u64, outcome: Outcome) {
        let Some(asked) = self.tickets.try_remove(ticket as usize) else {
            return;
        };
        let counters = &self.tools.counters;
        if asked.publishes {
            counters.publish_ack_seconds.observe(asked.since.elapsed());
        }
        let sessions = GuildStats::get(&self.stats.sessions);
        asked.tell(
            self.id,
            self.stages.as_deref(),
            sessions,
            self.subscriptions.len() as u64,
        );
        let answered = outcome.as_ref().map(drop).map_err(|error| error.status);
        counters.guild_answered(answered);
        // The asker may have given up waiting.
        let _ = asked.reply.send(outcome);
    }
}
