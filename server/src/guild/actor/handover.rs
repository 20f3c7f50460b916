//! Leaving an executor, and taking a guild over on another one.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use actix::{ActorContext, AsyncContext, Context};
use tokio::sync::oneshot;

use super::company::Company;
use super::passage::Passage;
use super::waits::waits;
use super::{GuildActor, GuildTools};
use crate::clock;
use crate::fanout::mail::GuildNews;
use crate::guild::handoff::baton::{Handing, Handover, Word};
use crate::guild::registry::{Registry, Tenure};
use crate::guild::stats::{GuildStats, Health};
use crate::protocol::{GuildId, Position};
#[cfg(any(test, feature = "fault-points"))]
use crate::supervision::faults;

impl GuildActor {
    /// An actor that waits until the guild's present one hands over: it says when it is `ready`, and
    /// handles no mail before it was given the word.
    pub(in crate::guild) fn successor(
        id: GuildId,
        tools: Arc<GuildTools>,
        registry: Registry,
        stats: Arc<GuildStats>,
        tenure: Tenure,
        word: oneshot::Receiver<Word>,
        ready: oneshot::Sender<()>,
    ) -> Self {
        let ready = Some(ready);
        Self {
            passage: Some(Box::new(Passage::Follows { word, ready })),
            ..Self::new(id, tools, registry, stats, tenure)
        }
    }

    /// Waits for the word, where this is a successor; tells whether it is.
    pub(super) fn awaits_handover(&mut self, ctx: &mut Context<Self>) -> bool {
        let Some(Passage::Follows { ready, .. }) = self.passage.as_deref_mut() else {
            return false;
        };
        if let Some(ready) = ready.take() {
            // Who moves the guild may have given up.
            let _ = ready.send(());
        }
        ctx.wait(waits(Self::awaits_word));
        true
    }

    /// Hands the guild over. After a panic meanwhile it is tried again.
    pub(super) fn release_to(&mut self, handing: Handing, ctx: &mut Context<Self>) {
        let released = clock::now();
        self.passage = Some(Box::new(Passage::Leaves { handing, released }));
        self.hand_over(ctx);
    }

    /// Hands the guild over, where it was told to; tells whether it was.
    pub(super) fn hand_over(&mut self, ctx: &mut Context<Self>) -> bool {
        if !matches!(self.passage.as_deref(), Some(Passage::Leaves { .. })) {
            return false;
        }
        #[cfg(any(test, feature = "fault-points"))]
        faults::hit(faults::Point::ReleasePanic, self.id);
        let passage = self.passage.take().map(|passage| *passage);
        let Some(Passage::Leaves { handing, released }) = passage else {
            return false;
        };
        let recover =
            self.mishaps.former.is_some() || !self.claimed || self.stats.health() == Health::Failed;
        let nobody = Self::new(
            self.id,
            Arc::clone(&self.tools),
            self.registry.clone(),
            Arc::clone(&self.stats),
            self.tenure.clone(),
        );
        let handover = Handover {
            actor: std::mem::replace(self, nobody),
            recover,
            released,
        };
        match handing.give(handover) {
            Ok(()) => ctx.stop(),
            Err(kept) => {
                *self = kept.actor;
                self.leave(ctx);
            }
        }
        true
    }

    /// Begins with what the former actor was. What it waited for is waited for again here.
    fn take_over(&mut self, handover: Handover, ctx: &mut Context<Self>) {
        let tenure = self.tenure.clone();
        *self = handover.actor;
        self.tenure = tenure;
        if self.tenure.evicted.is_set() {
            self.leave(ctx);
            return;
        }
        self.in_rounds = false;
        self.join_rounds(ctx);
        let recover = handover.recover || !self.tools.journal.accepts_writes();
        if self.stats.health() == Health::Quarantined {
            // It stays so.
        } else if recover {
            self.recover(ctx);
        } else {
            self.appends.company = Company::new();
            self.await_append(ctx);
            self.recall_again();
            self.trim_again();
            self.fetch(ctx);
            self.claim();
            self.advance(ctx);
        }
        let pause = (!recover).then(|| handover.released.elapsed());
        self.registry.moved(self.id, self.tenure.incarnation, pause);
    }

    /// *Invariant I1*: the new owner's claim follows what the former one left to be written.
    fn claim(&mut self) {
        if self.core.exists() {
            self.appends.claiming = Some(self.core.claim(&self.tools.node));
        }
    }

    /// Everything up to here is in the journal, and perhaps the claim with it.
    pub(super) fn claim_is_kept(&mut self, acknowledged: Position) {
        let claim = &mut self.appends.claiming;
        if let Some(claim) = claim.take_if(|claim| *claim <= acknowledged) {
            self.epoch = claim;
        }
    }

    /// Waits for the word; mail waits meanwhile.
    fn awaits_word(&mut self, ctx: &mut Context<Self>, task: &mut TaskContext<'_>) -> Poll<()> {
        let Some(Passage::Follows { word, .. }) = self.passage.as_deref_mut() else {
            return Poll::Ready(());
        };
        let Poll::Ready(word) = Pin::new(word).poll(task) else {
            return Poll::Pending;
        };
        self.heard(word.ok(), ctx);
        Poll::Ready(())
    }

    fn heard(&mut self, word: Option<Word>, ctx: &mut Context<Self>) {
        self.passage = None;
        let word = word.unwrap_or(Word::Stop);
        match word {
            Word::TakeOver(handover) => self.take_over(*handover, ctx),
            Word::Load if !self.tenure.evicted.is_set() => {
                tracing::warn!(guild = %self.id, "the former actor did not hand over");
                self.join_rounds(ctx);
                let guild = self.id;
                self.tools.hubs.tell_all(|| GuildNews::Lost { guild });
                self.load(ctx);
                self.registry.moved(self.id, self.tenure.incarnation, None);
            }
            Word::Load => self.leave(ctx),
            Word::Stop => ctx.stop(),
        }
    }
}
