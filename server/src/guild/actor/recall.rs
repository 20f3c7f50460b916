//! Requests about messages that are in memory no more wait here until these are read from the journal.
//!
//! They are read in rounds, one at a time: what waits when a round begins is read together, handled
//! together, and what was read is forgotten again.

use std::collections::VecDeque;
use std::sync::Arc;

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};

use super::{GuildActor, InHand};
use crate::guild::core::Recollection;
use crate::guild::recall::recall;
use crate::guild::router::command_bytes;
use crate::journal::{JournalError, Span};
use crate::protocol::{ApiError, Position};

/// Most requests that wait.
const MAX_WAITING: usize = 256;
/// Most bytes of them.
const MAX_WAITING_BYTES: usize = 4 << 20;
/// Most requests of one round.
const ROUND: usize = 16;
/// Rounds after which a request is given up: each time something new was missing.
const MAX_ROUNDS: u8 = 4;

/// A request that waits, and how many rounds it was in.
struct Waiting {
    request: InHand,
    rounds: u8,
}

/// What is being read, for whom.
struct Round {
    requests: Vec<Waiting>,
    spans: Arc<[Span]>,
    /// The read begins once the records up to here are acknowledged.
    position: Position,
    reading: bool,
}

/// Requests that wait for old messages.
#[derive(Default)]
pub(super) struct Recalls {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    round: Option<Round>,
}

impl Recalls {
    fn push(&mut self, request: InHand) -> Result<(), InHand> {
        let bytes = command_bytes(&request.request.command);
        if self.waiting.len() >= MAX_WAITING || self.bytes + bytes > MAX_WAITING_BYTES {
            return Err(request);
        }
        self.bytes += bytes;
        self.waiting.push_back(Waiting { request, rounds: 0 });
        Ok(())
    }

    fn pop(&mut self) -> Option<Waiting> {
        let waiting = self.waiting.pop_front()?;
        self.bytes -= command_bytes(&waiting.request.request.command);
        Some(waiting)
    }

    fn push_front(&mut self, waiting: Waiting) {
        self.bytes += command_bytes(&waiting.request.request.command);
        self.waiting.push_front(waiting);
    }
}

impl GuildActor {
    /// Handles a request, at once or when what it is about has been read.
    pub(super) fn handle_request(&mut self, request: InHand) {
        let at = self.moment();
        if self.core.wants(&at, &request.request).is_empty() {
            self.handle_known(&at, request);
        } else if let Err(request) = self.recalls.get_or_insert_default().push(request) {
            self.give_up_recall(&request);
        }
    }

    fn give_up_recall(&mut self, request: &InHand) {
        self.tools.counters.recalls_refused.inc();
        self.answer(request.ticket, Err(ApiError::UNAVAILABLE));
    }

    /// Begins a round if there is something to be read, and its read once that is exact.
    pub(super) fn recall(&mut self, ctx: &mut Context<Self>) {
        let Some(recalls) = &self.recalls else {
            return;
        };
        if recalls.round.is_none() {
            self.begin_round();
        }
        let acknowledged = self.core.acknowledged();
        let Some(round) = self.recalls.as_mut().and_then(|it| it.round.as_mut()) else {
            // Nothing waits any more.
            self.recalls = None;
            return;
        };
        if round.reading || acknowledged < round.position {
            return;
        }
        round.reading = true;
        self.tools.counters.recalls.inc();
        let (journal, id) = (Arc::clone(&self.tools.journal), self.id);
        let spans = Arc::clone(&round.spans);
        let read = async move { recall(&*journal, id, &spans).await };
        let life = self.life;
        ctx.spawn(read.into_actor(self).map(move |read, actor, ctx| {
            if actor.life == life {
                actor.recalled(read, ctx);
            }
        }));
    }

    /// What was being read is to be read again: whoever read it is gone.
    pub(super) fn recall_again(&mut self) {
        if let Some(round) = self.recalls.as_mut().and_then(|it| it.round.as_mut()) {
            round.reading = false;
        }
    }

    fn begin_round(&mut self) {
        let (mut requests, mut spans) = (Vec::new(), Vec::new());
        while requests.len() < ROUND
            && let Some(waiting) = self.recalls.as_mut().and_then(|it| it.pop())
        {
            let at = self.moment();
            let wanted = self.core.wants(&at, &waiting.request.request);
            if wanted.is_empty() {
                self.handle_known(&at, waiting.request);
                continue;
            }
            for span in wanted {
                if !spans.contains(&span) {
                    spans.push(span);
                }
            }
            requests.push(waiting);
        }
        if !requests.is_empty() {
            self.core.begin_recall();
            self.recalls.get_or_insert_default().round = Some(Round {
                requests,
                spans: spans.into(),
                position: self.core.position(),
                reading: false,
            });
        }
    }

    fn recalled(&mut self, read: Result<Recollection, JournalError>, ctx: &mut Context<Self>) {
        let Some(round) = self.recalls.as_mut().and_then(|it| it.round.take()) else {
            return;
        };
        let useful = match read {
            Ok(read) => self.core.recall(read),
            Err(error) => {
                tracing::error!(guild = %self.id, %error, "old messages cannot be read");
                for waiting in &round.requests {
                    self.give_up_recall(&waiting.request);
                }
                self.core.end_recall();
                self.advance(ctx);
                return;
            }
        };
        let mut again = Vec::new();
        for waiting in round.requests {
            let at = self.moment();
            let request = &waiting.request.request;
            if useful && self.core.wants(&at, request).is_empty() {
                self.handle_known(&at, waiting.request);
            } else if waiting.rounds + 1 < MAX_ROUNDS {
                again.push(Waiting {
                    rounds: waiting.rounds + 1,
                    ..waiting
                });
            } else {
                self.give_up_recall(&waiting.request);
            }
        }
        self.core.end_recall();
        for waiting in again.into_iter().rev() {
            self.recalls.get_or_insert_default().push_front(waiting);
        }
        self.advance(ctx);
    }
}
