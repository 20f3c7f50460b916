//! What leaves the guild, and when.
//!
//! *Invariant I2*: an output waits behind the journal position that it depends on until that is
//! acknowledged. Positions rise, so waiting outputs leave in the order they came.

use std::collections::VecDeque;

use super::limits::CoreSettings;
use super::{Batch, Output, Ticket};
use crate::fanout::Item;
use crate::guild::command::{Outcome, Reply};
use crate::journal::NewRecord;
use crate::protocol::{ApiError, Position};

/// Outputs that an idle guild has room for without asking for memory again.
const KEPT_ROOM: usize = 256;

/// Records on their way to the journal, and outputs on their way out.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Up to here the journal has confirmed.
    acknowledged: Position,
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
    refused: u64,
}

impl Outbox {
    /// Starts after a replay up to `position`: everything until there is in the journal.
    pub(super) fn replayed_to(&mut self, position: Position) {
        debug_assert!(self.is_idle(), "replay happens before anything new");
        self.acknowledged = position;
    }

    /// Whether all records are acknowledged.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_none() && self.pending.is_empty()
    }

    /// Queues a record for the journal.
    pub(super) fn record(&mut self, record: NewRecord) {
        self.pending_bytes += record.bytes.len();
        self.pending.push_back(record);
    }

    /// Queues an output that depends on `position`.
    pub(super) fn push(&mut self, position: Position, output: Output) {
        if position <= self.acknowledged {
            self.ready.push_back(output);
        } else {
            self.waiting_bytes += weight(&output);
            self.waiting.push_back((position, output));
        }
    }

    /// Queues an output that depends on no record.
    pub(super) fn push_now(&mut self, output: Output) {
        self.ready.push_back(output);
    }

    /// Whether new commands must be refused.
    pub(super) fn is_full(&self, limits: &CoreSettings) -> bool {
        self.unacknowledged() >= limits.max_pending_records
            || self.pending_bytes + self.in_flight_bytes >= limits.max_pending_bytes
            || self.waiting.len() >= limits.max_waiting
            || self.waiting_bytes >= limits.max_waiting_bytes
    }

    /// Counts a refused command.
    pub(super) fn refuse(&mut self, output: Output) {
        self.refused += 1;
        self.ready.push_back(output);
    }

    /// Commands refused so far.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// Records that the journal has not acknowledged.
    pub(super) fn unacknowledged(&self) -> usize {
        let in_flight = self
            .in_flight
            .map_or(0, |last| (last - self.acknowledged) as usize);
        in_flight + self.pending.len()
    }

    /// The position of the last acknowledged record.
    pub(super) fn acknowledged(&self) -> Position {
        self.acknowledged
    }

    /// Outputs that wait for an acknowledgement.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Whether there is something to write, and nothing in flight.
    pub(super) fn has_batch(&self) -> bool {
        self.in_flight.is_none() && !self.pending.is_empty()
    }

    /// The next append, if none is in flight and there is something to write.
    pub(super) fn next_batch(&mut self, limits: &CoreSettings) -> Option<Batch> {
        if !self.has_batch() {
            return None;
        }
        let mut bytes = 0;
        let count = self
            .pending
            .iter()
            .take(limits.max_batch_records)
            .take_while(|record| {
                bytes += record.bytes.len();
                bytes <= limits.max_batch_bytes
            })
            .count()
            .max(1);
        let records: Vec<NewRecord> = self.pending.drain(..count).collect();
        self.in_flight_bytes = records.iter().map(|record| record.bytes.len()).sum();
        self.pending_bytes -= self.in_flight_bytes;
        self.in_flight = Some(self.acknowledged + count as Position);
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
            self.in_flight.take(),
            Some(last),
            "invariant: an acknowledgement is for the append in flight"
        );
        self.in_flight_bytes = 0;
        self.acknowledged = last;
        // A burst is over: do not keep its room.
        if self.ready.is_empty() {
            self.ready.shrink_to(KEPT_ROOM);
        }
        while self
            .waiting
            .front()
            .is_some_and(|(position, _)| *position <= last)
        {
            if let Some((_, output)) = self.waiting.pop_front() {
                self.waiting_bytes -= weight(&output);
                self.ready.push_back(output);
            }
        }
        if self.waiting.is_empty() {
            self.waiting.shrink_to(KEPT_ROOM);
        }
    }

    /// Gives back the room of queues that are empty, of a guild that has nothing to do.
    pub(super) fn give_back(&mut self) {
        self.pending.shrink_to_fit();
        self.waiting.shrink_to_fit();
        self.ready.shrink_to_fit();
    }

    /// Takes the outputs that may leave.
    pub(super) fn drain(&mut self) -> std::collections::vec_deque::Drain<'_, Output> {
        self.ready.drain(..)
    }

    /// The answers to every request that still waits, because the guild gives up: those that depend on
    /// no record after `written` as they are, the others with UNAVAILABLE.
    pub(super) fn give_up(self, written: Position) -> impl Iterator<Item = (Ticket, Outcome)> {
        let ready = self.ready.into_iter().map(|output| (0, output));
        ready
            .chain(self.waiting)
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
