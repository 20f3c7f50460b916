//! The append in flight: begun here, seen through by whoever has the guild when it ends.

use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Instant;

use actix::{AsyncContext, Context};

use super::GuildActor;
use super::company::Company;
use super::waits::waits;
use crate::clock;
use crate::guild::core::Batch;
use crate::guild::seldom::Blank;
use crate::guild::stats::GuildStats;
use crate::journal::{JournalError, JournalFuture};
use crate::protocol::Position;
use crate::spans;
#[cfg(any(test, feature = "fault-points"))]
use crate::supervision::faults;

/// The append in flight, and what hangs on it.
#[derive(Default)]
pub(super) struct Appends {
    pub(super) started: Option<Instant>,
    pub(super) in_flight: Option<JournalFuture<Position>>,
    /// Where the actor's claim will stand that is not acknowledged.
    pub(super) claiming: Option<Position>,
    /// Of no more use once nothing is written any more.
    pub(super) company: Company,
}

impl Blank for Appends {
    const BLANK: &'static Self = &Self {
        started: None,
        in_flight: None,
        claiming: None,
        company: Company::new(),
    };

    fn is_blank(&self) -> bool {
        self.in_flight.is_none() && self.claiming.is_none() && !self.company.is_waiting()
    }
}

impl GuildActor {
    /// Appends what is pending and lets out what may leave.
    pub(super) fn advance(&mut self, ctx: &mut Context<Self>) {
        if self.tenure.evicted.is_set() {
            self.leave(ctx);
            return;
        }
        self.recall(ctx);
        self.append_next(ctx);
        self.release();
    }

    pub(super) fn append(&mut self, batch: Batch, now: Instant, ctx: &mut Context<Self>) {
        self.appends.started = Some(now);
        self.tail_bytes += batch
            .records
            .iter()
            .map(|record| record.bytes.len())
            .sum::<usize>();
        let (journal, id) = (Arc::clone(&self.tools.journal), self.id);
        let append = move || journal.append(id, batch.expected, batch.records);
        #[cfg(any(test, feature = "fault-points"))]
        let append = faults::append(id, append);
        #[cfg(not(any(test, feature = "fault-points")))]
        let append = append();
        self.appends.in_flight = Some(append);
        self.await_append(ctx);
    }

    /// Goes on when the append in flight has ended.
    pub(super) fn await_append(&self, ctx: &mut Context<Self>) {
        if self.appends.in_flight.is_some() {
            let life = self.life;
            ctx.spawn(waits(move |actor, ctx, task| {
                actor.awaits_append(life, ctx, task)
            }));
        }
    }

    pub(super) fn append_ended(
        &mut self,
        result: Result<Position, JournalError>,
        ctx: &mut Context<Self>,
    ) {
        if let Some(started) = self.appends.started.take() {
            let append_seconds = &self.tools.counters.append_seconds;
            append_seconds.observe(started.elapsed());
            let append = spans::is_on().then(|| (started, clock::now()));
            self.note_stage(|stages| &mut stages.append, append);
        }
        match result {
            Ok(position) => {
                #[cfg(any(test, feature = "fault-points"))]
                for point in [faults::Point::FuturePanic, faults::Point::KillAfterAppend] {
                    faults::hit(point, self.id);
                }
                GuildStats::add(&self.stats.appends, 1);
                self.core.appended(position);
                self.keep_snapshot(ctx);
                self.claim_is_kept(position);
                self.advance(ctx);
            }
            Err(error) => self.append_failed(&error, ctx),
        }
    }

    /// Waits for the append in flight, of the state that began it: it goes with the guild where that is handed over.
    fn awaits_append(
        &mut self,
        life: u64,
        ctx: &mut Context<Self>,
        task: &mut TaskContext<'_>,
    ) -> Poll<()> {
        if self.life != life {
            return Poll::Ready(());
        }
        let Some(append) = &mut self.appends.in_flight else {
            return Poll::Ready(());
        };
        let Poll::Ready(result) = append.as_mut().poll(task) else {
            return Poll::Pending;
        };
        self.appends.in_flight = None;
        self.append_ended(result, ctx);
        Poll::Ready(())
    }
}
