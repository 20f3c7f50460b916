//! Coming to rest, and going to another node or staying.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use actix::{ActorContext, AsyncContext, Context};

use super::passage::Passage;
use super::rejoin::Parked;
use super::waits::waits;
use super::{GuildActor, GuildMail};
use crate::clock;
use crate::guild::departure::{Farewell, Forward, moved_away};
use crate::guild::seldom::Seldom;
use crate::guild::stats::Health;

impl GuildActor {
    /// Comes to rest; mail waits from now on.
    pub(super) fn depart(&mut self, farewell: Farewell, ctx: &mut Context<Self>) {
        if self.stats.health() != Health::Serving {
            // Who asked hears that it cannot.
            return;
        }
        self.passage = Some(Box::new(Passage::Rests {
            at_rest: Some(farewell.at_rest),
            fate: farewell.fate,
            forward: farewell.forward,
        }));
        ctx.wait(waits(Self::departs));
    }

    /// Deals with mail of a guild that has gone; tells whether it has.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.passage.as_deref(), Some(Passage::Gone(_)))
    }

    /// Whether the guild is to go to another node, or has.
    pub(super) fn is_departing(&self) -> bool {
        let passage = self.passage.as_deref();
        matches!(passage, Some(Passage::Rests { .. } | Passage::Gone(_)))
    }

    /// Has mail that waited go to where the guild is.
    pub(super) fn send_after(&self, mail: GuildMail, ctx: &mut Context<Self>) {
        let Some(Passage::Gone(forward)) = self.passage.as_deref() else {
            return;
        };
        match mail {
            GuildMail::Ask { reply, .. } => {
                // Who asked may have given up waiting.
                let _ = reply.send(Err(moved_away()));
            }
            // The last mail.
            GuildMail::Evicted => ctx.stop(),
            mail if mail.is_of_local_hub() => forward(mail),
            // Other nodes see by themselves that the guild is elsewhere, and ask there.
            _ => {}
        }
    }

    /// Sends everybody who waits for an answer to where the guild is: nothing of what they asked for was done.
    pub(super) fn redirect(&mut self) {
        let tickets: Vec<u64> = self.tickets.iter().map(|(key, _)| key as u64).collect();
        for ticket in tickets {
            self.answer(ticket, Err(moved_away()));
        }
    }

    /// Another node has the guild, which did not come to rest before: what waits is sent there.
    pub(super) fn gone_to(&mut self, forward: Forward) {
        self.passage = Some(Box::new(Passage::Gone(forward)));
    }

    fn gone(&mut self) {
        let Some(passage) = self.passage.take() else {
            return;
        };
        let Passage::Rests { forward, .. } = *passage else {
            return;
        };
        // Nothing is written or broadcast any more, whatever still comes.
        self.tenure.evicted.set();
        self.recalls = None;
        self.redirect();
        for (since, who) in self.take_parked() {
            // Hubs join again as a whole.
            if let Parked::Session(attach) = who
                && attach.hub.is_local()
            {
                forward(GuildMail::Reattach(attach, since));
            }
        }
        self.subscriptions = Seldom::new();
        self.passage = Some(Box::new(Passage::Gone(forward)));
    }

    /// The append in flight is seen through: nobody else polls it while mail waits.
    fn see_through(&mut self, ctx: &mut Context<Self>, task: &mut TaskContext<'_>) {
        while let Some(append) = &mut self.appends.in_flight {
            let Poll::Ready(result) = append.as_mut().poll(task) else {
                return;
            };
            self.appends.in_flight = None;
            self.append_ended(result, ctx);
        }
    }

    /// Waits until the guild is at rest, and then until it is decided whether it goes.
    fn departs(&mut self, ctx: &mut Context<Self>, task: &mut TaskContext<'_>) -> Poll<()> {
        self.see_through(ctx, task);
        let rests = self.core.is_settled() && self.appends.in_flight.is_none();
        let fails = self.stats.health() != Health::Serving || self.mishaps.former.is_some();
        let Some(Passage::Rests { at_rest, fate, .. }) = self.passage.as_deref_mut() else {
            return Poll::Ready(());
        };
        if fails {
            // One that has gone already finds so by its next mail.
            self.passage = None;
            return Poll::Ready(());
        }
        if !rests {
            return Poll::Pending;
        }
        if let Some(at_rest) = at_rest.take() {
            // Where nobody waits for it any more, its fate says so.
            let _ = at_rest.send(clock::now());
        }
        // Only now: where it was decided before, what is under way is finished all the same.
        match Pin::new(fate).poll(task) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(())) => self.gone(),
            Poll::Ready(Err(_)) => self.passage = None,
        }
        Poll::Ready(())
    }
}
