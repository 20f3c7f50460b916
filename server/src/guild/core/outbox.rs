//! What leaves the guild, and when.
//!
//! *Invariant I2*: an output waits behind the journal position that it depends on until that is
//! acknowledged. Positions rise, so waiting outputs leave in the order they came.

use std::collections::VecDeque;

use super::limits::CoreSettings;
use super::{Batch, Output, Ticket};
use crate::fanout::Item;
use crate::guild::command::{Outcome, Reply};
use crate::guild::seldom::{Blank, Seldom};
use crate::journal::NewRecord;
use crate::protocol::{ApiError, Position};

/// Outputs that an idle guild has room for without asking for memory again.
const KEPT_ROOM: usize = 256;

/// Records on their way to the journal, and outputs on their way out.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Up to here the journal has confirmed.
    acknowledged: Position,
    refused: u64,
    queues: Seldom<Queues>,
}

/// What is on its way.
#[derive(Debug, Default)]
struct Queues {
    /// The last position of the append in flight.
    in_flight: Option<Position>,
    /// Bytes of the append in flight.
    in_flight_bytes: usize,
    /// Records after the append in flight.
    pending: VecDeque<NewRecord>,
    pending_bytes: usize,
    /// Outputs by rising position that they wait for.
    waiting: VecDeque<(Position, Output)>,
    waiting_bytes: usize,
    /// Outputs that may leave; the actor takes them after each input.
    ready: VecDeque<Output>,
}

impl Blank for Queues {
    const BLANK: &'static Self = &Self {
        in_flight: None,
        in_flight_bytes: 0,
        pending: VecDeque::new(),
        pending_bytes: 0,
        waiting: VecDeque::new(),
        waiting_bytes: 0,
        ready: VecDeque::new(),
    };

    fn is_blank(&self) -> bool {
        self.in_flight.is_none()
            && self.pending.is_empty()
            && self.waiting.is_empty()
            && self.ready.is_empty()
    }
}

impl Outbox {
    /// Starts after a replay up to `position`: everything until there is in the journal.
    pub(super) fn replayed_to(&mut self, position: Position) {
        debug_assert!(self.is_idle(), "replay happens before anything new");
        self.acknowledged = position;
    }

    /// Whether all records are acknowledged.
    pub(super) fn is_idle(&self) -> bool {
        self.queues.in_flight.is_none() && self.queues.pending.is_empty()
    }

    /// Queues a record for the journal.
    pub(super) fn record(&mut self, record: NewRecord) {
        self.queues.pending_bytes += record.bytes.len();
        self.queues.pending.push_back(record);
    }

    /// Queues an output that depends on `position`.
    pub(super) fn push(&mut self, position: Position, output: Output) {
        if position <= self.acknowledged {
            self.queues.ready.push_back(output);
        } else {
            self.queues.waiting_bytes += weight(&output);
            self.queues.waiting.push_back((position, output));
        }
    }

    /// Queues an output that depends on no record.
    pub(super) fn push_now(&mut self, output: Output) {
        self.queues.ready.push_back(output);
    }

    /// Whether new commands must be refused.
    pub(super) fn is_full(&self, limits: &CoreSettings) -> bool {
        self.unacknowledged() >= limits.max_pending_records
            || self.queues.pending_bytes + self.queues.in_flight_bytes >= limits.max_pending_bytes
            || self.queues.waiting.len() >= limits.max_waiting
            || self.queues.waiting_bytes >= limits.max_waiting_bytes
    }

    /// Counts a refused command.
    pub(super) fn refuse(&mut self, output: Output) {
        self.refused += 1;
        self.queues.ready.push_back(output);
    }

    /// Commands refused so far.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// Records that the journal has not acknowledged.
    pub(super) fn unacknowledged(&self) -> usize {
        let in_flight = self
            .queues
            .in_flight
            .map_or(0, |last| (last - self.acknowledged) as usize);
        in_flight + self.queues.pending.len()
    }

    /// The position of the last acknowledged record.
    pub(super) fn acknowledged(&self) -> Position {
        self.acknowledged
    }

    /// Outputs that wait for an acknowledgement.
    pub(super) fn waiting(&self) -> usize {
        self.queues.waiting.len()
    }

    /// Whether there is something to write, and nothing in flight.
    pub(super) fn has_batch(&self) -> bool {
        self.queues.in_flight.is_none() && !self.queues.pending.is_empty()
    }

    /// The next append, if none is in flight and there is something to write.
    pub(super) fn next_batch(&mut self, limits: &CoreSettings) -> Option<Batch> {
        if !self.has_batch() {
            return None;
        }
        let mut bytes = 0;
        let count = self
            .queues
            .pending
            .iter()
            .take(limits.max_batch_records)
            .take_while(|record| {
                bytes += record.bytes.len();
                bytes <= limits.max_batch_bytes
            })
            .count()
            .max(1);
        let records: Vec<NewRecord> = self.queues.pending.drain(..count).collect();
        self.queues.in_flight_bytes = records.iter().map(|record| record.bytes.len()).sum();
        self.queues.pending_bytes -= self.queues.in_flight_bytes;
        self.queues.in_flight = Some(self.acknowledged + count as Position);
        Some(Batch {
            expected: self.acknowledged,
            records,
        })
    }

    /// The append in flight is done; its last record stands at `last`.
    ///
    /// Panics where the journal says something else than what was asked for: the guild is then
    /// rebuilt from it.
    pub(super) fn appended(&mut self, last: Position) {
        assert_eq!(
            self.queues.in_flight.take(),
            Some(last),
            "invariant: an acknowledgement is for the append in flight"
        );
        self.queues.in_flight_bytes = 0;
        self.acknowledged = last;
        // A burst is over: do not keep its room.
        if self.queues.ready.is_empty() {
            self.queues.ready.shrink_to(KEPT_ROOM);
        }
        while self
            .queues
            .waiting
            .front()
            .is_some_and(|(position, _)| *position <= last)
        {
            if let Some((_, output)) = self.queues.waiting.pop_front() {
                self.queues.waiting_bytes -= weight(&output);
                self.queues.ready.push_back(output);
            }
        }
        if self.queues.waiting.is_empty() {
            self.queues.waiting.shrink_to(KEPT_ROOM);
        }
    }

    /// Gives back the queues of a guild that has nothing to do.
    pub(super) fn give_back(&mut self) {
        self.queues.give_back();
    }

    /// Takes the outputs that may leave.
    pub(super) fn drain(&mut self) -> std::collections::vec_deque::Drain<'_, Output> {
        self.queues.ready.drain(..)
    }

    /// The answers to every request that still waits, because the guild gives up: those that depend on
    /// no record after `written` as they are, the others with UNAVAILABLE.
    pub(super) fn give_up(mut self, written: Position) -> impl Iterator<Item = (Ticket, Outcome)> {
        let queues = self.queues.take();
        let ready = queues.ready.into_iter().map(|output| (0, output));
        ready
            .chain(queues.waiting)
            .filter_map(move |(position, output)| match output {
                Output::Reply { ticket, outcome } if position <= written => Some((ticket, outcome)),
                Output::Reply { ticket, .. } => Some((ticket, Err(ApiError::UNAVAILABLE))),
                Output::Attached { .. } | Output::Item(_) => None,
            })
    }
}

/// Bytes that an output holds on to.
fn weight(output: &Output) -> usize {
    let payload = match output {
        Output::Reply {
            outcome: Ok(Reply::Json(body)),
            ..
        } => body.len(),
        Output::Reply {
            outcome: Ok(Reply::Members { members, .. }),
            ..
        } => members.len() * size_of::<usize>(),
        Output::Item(Item::Dispatch(dispatch)) => dispatch.body.len(),
        _ => 0,
    };
    size_of::<Output>() + payload
}
