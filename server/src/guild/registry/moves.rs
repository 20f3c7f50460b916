//! Moving a guild: prepare, flip, and what is noted when it is done.
//!
//! All mail to a guild is posted while its entry is held. So with the entry held, the successor's
//! address takes the place of the actor's, and [`GuildMail::Release`] is the last that the actor is
//! posted: what was posted before is handled before, what is posted after waits for the successor.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::Addr;
use dashmap::mapref::one::RefMut;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::{Moving, Registry, Releasing, Running, Tenure};
use crate::clock;
use crate::counters::{Label, MoveKind, MoveOutcome};
use crate::guild::actor::{GuildActor, GuildMail};
use crate::guild::executors::{ExecutorId, ExecutorKind, NoSeat, Seat};
use crate::guild::handoff::baton::{Baton, Handing, Word};
use crate::guild::handoff::{MoveError, Moved, REMEMBERED, Reason, Target};
use crate::guild::stats::Health;
use crate::protocol::GuildId;
use crate::supervision::guarded;
use crate::supervision::mail::Mailer;

/// How long the target executor may take to start the successor.
const PREPARE: Duration = Duration::from_secs(1);
/// How long a former dedicated executor may take to end where its place is needed.
const ENDS: Duration = Duration::from_millis(500);
/// How long who moves a guild waits for it to leave.
const WAIT: Duration = Duration::from_secs(10);

/// A guild that is about to be moved: where this is dropped, it is not.
struct Prepared<'a> {
    registry: &'a Registry,
    guild: GuildId,
    from: ExecutorId,
    dedicated: bool,
    /// The actor that is to leave.
    incarnation: u64,
    baton: Option<Baton>,
}

impl Registry {
    /// Moves a running guild to another thread of this node; answers when it serves there.
    ///
    /// Sessions and requests notice nothing but a pause, mostly of less than a millisecond: mail that
    /// waits is handled in its order, by the former actor up to the move and by its successor from then
    /// on. Where this future is dropped before the guild was told to leave, it stays.
    ///
    /// Errors: see [`MoveError`]. Needs a runtime of tokio's.
    pub async fn move_guild(
        &self,
        id: GuildId,
        target: Target,
        reason: Reason,
    ) -> Result<Moved, MoveError> {
        let kind = self.kind_of(id, target);
        let moved = self.try_move(id, target, reason).await;
        if let Err(error) = &moved {
            // One that is only slow is counted when it is done.
            if *error != MoveError::UnderWay {
                let outcome = if error.is_refusal() {
                    MoveOutcome::Refused
                } else {
                    MoveOutcome::Aborted
                };
                self.counters().guild_moves.of(kind, outcome).inc();
            }
            tracing::warn!(guild = %id, ?target, reason = reason.name(), %error, "guild was not moved");
        }
        moved
    }

    /// Refuses every move from now on: the node stops.
    pub fn stop_moves(&self) {
        self.inner.draining.store(true, Ordering::Relaxed);
    }

    fn kind_of(&self, id: GuildId, target: Target) -> MoveKind {
        let entry = self.inner.running.get(&id);
        let dedicated = entry.is_some_and(|entry| entry.seat.kind() != ExecutorKind::Shared);
        kind(dedicated, target)
    }

    async fn try_move(
        &self,
        id: GuildId,
        target: Target,
        reason: Reason,
    ) -> Result<Moved, MoveError> {
        let mut prepared = self.prepare(id)?;
        let seat = prepared.seat(target).await?;
        let to = seat.id();
        let tenure = self.new_tenure();
        let (baton, word) = Baton::new();
        prepared.baton = Some(baton.clone());
        let (ready, is_ready) = oneshot::channel();
        let (registry, tools) = (self.clone(), Arc::clone(&self.inner.tools));
        let successor = tenure.clone();
        let stats = self.find(id).ok_or(MoveError::Gone)?.stats;
        let mark = seat.mark(id, &stats);
        let address = guarded::start_on(seat.arbiter(), mark, move |_| {
            GuildActor::successor(id, tools, registry, stats, successor, word, ready)
        });
        match timeout(PREPARE, is_ready).await {
            Ok(Ok(())) => {}
            _ => return Err(MoveError::Silent(to)),
        }
        let kind = kind(prepared.dedicated, target);
        let done = prepared.flip(seat, address, tenure, kind, reason)?;
        match timeout(WAIT, done).await {
            Ok(Ok(moved)) => Ok(moved),
            Ok(Err(_)) => Err(MoveError::Interrupted),
            Err(_) => Err(MoveError::UnderWay),
        }
    }

    /// A guild that may be moved: it runs, is not being moved and not quarantined.
    pub(super) fn movable(
        &self,
        guild: GuildId,
    ) -> Result<RefMut<'_, GuildId, Box<Running>>, MoveError> {
        let entry = self.inner.running.get_mut(&guild);
        let entry = entry.ok_or(MoveError::NotRunning(guild))?;
        if !entry.mailer.is_open() {
            return Err(MoveError::NotRunning(guild));
        }
        if entry.moves.under_way.is_some() {
            return Err(MoveError::AlreadyMoving);
        }
        if entry.stats.health() == Health::Quarantined {
            return Err(MoveError::Quarantined);
        }
        Ok(entry)
    }

    fn prepare(&self, guild: GuildId) -> Result<Prepared<'_>, MoveError> {
        if self.inner.draining.load(Ordering::Relaxed) {
            return Err(MoveError::Draining);
        }
        let mut entry = self.movable(guild)?;
        entry.moves.under_way = Some(Moving::Preparing);
        Ok(Prepared {
            registry: self,
            guild,
            from: entry.seat.id(),
            dedicated: entry.seat.kind() != ExecutorKind::Shared,
            incarnation: entry.tenure.incarnation,
            baton: None,
        })
    }

    /// The successor has begun: with what it was handed, after this pause, or from the journal.
    pub(in crate::guild) fn moved(&self, id: GuildId, incarnation: u64, pause: Option<Duration>) {
        let (releasing, moved) = {
            let Some(mut entry) = self.inner.running.get_mut(&id) else {
                return;
            };
            if entry.tenure.incarnation != incarnation {
                return;
            }
            let Some(Moving::Releasing(releasing)) = entry.end_move() else {
                return;
            };
            let moved = Moved {
                from: releasing.from,
                to: entry.seat.id(),
                kind: releasing.kind,
                reason: releasing.reason,
                at_ms: clock::unix_ms(),
                pause,
            };
            entry.note(moved);
            (releasing, moved)
        };
        let counters = self.counters();
        let outcome = if let Some(pause) = pause {
            counters.guild_move_pause_seconds.observe(pause);
            MoveOutcome::Done
        } else {
            MoveOutcome::Loaded
        };
        counters.guild_moves.of(moved.kind, outcome).inc();
        tracing::info!(
            guild = %id,
            from = moved.from,
            to = moved.to,
            kind = moved.kind.value(),
            reason = moved.reason.name(),
            pause_us = pause.map(|pause| pause.as_micros() as u64),
            "guild moved"
        );
        // Who wanted it may have given up waiting.
        let _ = releasing.done.send(moved);
    }
}

const fn kind(dedicated: bool, target: Target) -> MoveKind {
    match (dedicated, target) {
        (_, Target::Dedicated) => MoveKind::Promotion,
        (true, _) => MoveKind::Demotion,
        (false, _) => MoveKind::Shared,
    }
}

impl Prepared<'_> {
    /// A place where the guild is to go.
    async fn seat(&self, target: Target) -> Result<Seat, MoveError> {
        let executors = self.registry.executors();
        match target {
            Target::Shared(to) if to == self.from && !self.dedicated => {
                Err(MoveError::AlreadyThere)
            }
            Target::Shared(to) => Ok(executors.seat_on(to)?),
            Target::LeastLoaded => Ok(executors.seat_elsewhere(self.from)?),
            Target::Dedicated if self.dedicated => Err(MoveError::AlreadyThere),
            Target::Dedicated => {
                let end = Instant::now() + ENDS;
                loop {
                    match executors.dedicate(self.guild) {
                        Err(NoSeat::Ending) if Instant::now() < end => {
                            sleep(Duration::from_millis(2)).await;
                        }
                        seat => return Ok(seat?),
                    }
                }
            }
        }
    }

    /// From now on the guild's mail goes to the successor. Answers where it is heard that this has begun.
    fn flip(
        mut self,
        seat: Seat,
        address: Addr<GuildActor>,
        tenure: Tenure,
        kind: MoveKind,
        reason: Reason,
    ) -> Result<oneshot::Receiver<Moved>, MoveError> {
        let running = &self.registry.inner.running;
        let mut entry = running.get_mut(&self.guild).ok_or(MoveError::Gone)?;
        let is_same = entry.tenure.incarnation == self.incarnation
            && matches!(entry.moves.under_way, Some(Moving::Preparing));
        if !is_same || !entry.mailer.is_open() || entry.stats.health() == Health::Quarantined {
            return Err(MoveError::Gone);
        }
        let baton = self.baton.take();
        let baton = baton.expect("invariant: a successor was started");
        let (done, is_done) = oneshot::channel();
        let mailer = Mailer::new(address, Arc::clone(entry.mailer.gauge()));
        let mailer = std::mem::replace(&mut entry.mailer, mailer);
        let seat = std::mem::replace(&mut entry.seat, seat);
        let tenure = std::mem::replace(&mut entry.tenure, tenure);
        mailer.post_control(GuildMail::Release(Box::new(Handing::new(
            baton.clone(),
            seat,
        ))));
        entry.moves.under_way = Some(Moving::Releasing(Box::new(Releasing {
            tenure,
            mailer,
            baton,
            from: self.from,
            kind,
            reason,
            done,
        })));
        Ok(is_done)
    }
}

impl Drop for Prepared<'_> {
    fn drop(&mut self) {
        if let Some(baton) = self.baton.take() {
            // It may not have started yet.
            let _ = baton.say(Word::Stop);
        }
        if let Some(mut entry) = self.registry.inner.running.get_mut(&self.guild)
            && entry.tenure.incarnation == self.incarnation
            && matches!(entry.moves.under_way, Some(Moving::Preparing))
        {
            entry.end_move();
        }
    }
}

impl Running {
    /// No move is under way any more; answers which one was.
    pub(super) fn end_move(&mut self) -> Option<Moving> {
        let ended = self.moves.made()?.under_way.take();
        self.moves.give_back();
        ended
    }

    fn note(&mut self, moved: Moved) {
        let former = self.moves.done.iter().flat_map(|moves| moves.iter());
        let all = std::iter::once(moved).chain(former.copied());
        self.moves.done = Some(all.take(REMEMBERED).collect());
    }
}
