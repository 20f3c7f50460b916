//! A session's numbered events: what still has to be sent and what a Resume may ask for again.
//!
//! One queue serves both: a cursor parts what this connection was sent (kept for a replay until a
//! heartbeat acknowledges it) from what is pending. Entries share the event's body with every
//! other session of the worker; only the sequence number is the session's own.

use std::collections::VecDeque;

use bytes::Bytes;

use super::frame::Frame;

/// How much one session may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxBounds {
    /// Most events that wait to be sent.
    pub pending_count: usize,
    /// Most bytes that wait to be sent.
    pub pending_bytes: usize,
    /// Most events kept altogether, sent ones included.
    pub total_count: usize,
    /// Most bytes kept altogether, sent ones included.
    pub total_bytes: usize,
}

/// What became of a pushed event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It is pending.
    Pending,
    /// It is pending, and more is pending than a connection may leave unread: close it, resumably.
    TooSlow,
    /// To make room an event was dropped that was never sent: the session cannot be resumed whole.
    Broken,
}

/// A session's events by sequence number.
#[derive(Debug)]
pub struct Outbox {
    entries: VecDeque<Frame>,
    /// Sequence number of the first entry; of the next one where there is none.
    first_seq: u64,
    /// Entries from the front that this connection was sent.
    sent: usize,
    /// Highest number ever handed to a connection.
    sent_seq: u64,
    bytes: usize,
    pending_bytes: usize,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            entries: VecDeque::new(),
            first_seq: 1,
            sent: 0,
            sent_seq: 0,
            bytes: 0,
            pending_bytes: 0,
        }
    }
}

/// A queue with more places than this gives back what a burst made it take.
const KEPT_CAPACITY: usize = 16;

impl Outbox {
    /// Sequence number of the newest event; 0 before the first.
    pub fn last_seq(&self) -> u64 {
        self.first_seq + self.entries.len() as u64 - 1
    }

    /// Whether something waits to be sent.
    pub fn has_pending(&self) -> bool {
        self.sent < self.entries.len()
    }

    /// Events that wait to be sent.
    pub fn pending(&self) -> usize {
        self.entries.len() - self.sent
    }

    /// Bytes that wait to be sent.
    pub const fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// Events kept altogether.
    pub fn kept(&self) -> usize {
        self.entries.len()
    }

    /// Bytes kept altogether.
    pub const fn kept_bytes(&self) -> usize {
        self.bytes
    }

    /// Adds an event; it gets the next sequence number.
    ///
    /// Past the total bounds the oldest events go, sent ones first; the session is `Broken` when
    /// one goes that no connection was ever sent.
    pub fn push(&mut self, frame: Frame, bounds: &OutboxBounds) -> Pushed {
        self.bytes += frame.size();
        self.pending_bytes += frame.size();
        self.entries.push_back(frame);
        let mut broken = false;
        while self.entries.len() > bounds.total_count || self.bytes > bounds.total_bytes {
            if self.entries.len() == 1 {
                break;
            }
            broken |= self.first_seq > self.sent_seq;
            self.drop_front();
        }
        if broken {
            return Pushed::Broken;
        }
        if self.pending() > bounds.pending_count || self.pending_bytes > bounds.pending_bytes {
            return Pushed::TooSlow;
        }
        Pushed::Pending
    }

    /// The next event to send with its sequence number.
    pub fn send_next(&mut self) -> Option<(u64, &Frame)> {
        let frame = self.entries.get(self.sent)?;
        let seq = self.first_seq + self.sent as u64;
        self.sent += 1;
        self.sent_seq = self.sent_seq.max(seq);
        self.pending_bytes -= frame.size();
        Some((seq, frame))
    }

    /// Forgets sent events up to `seq`, which the client has acknowledged.
    pub fn acknowledge(&mut self, seq: u64) {
        while self.sent > 0 && self.first_seq <= seq {
            self.drop_front();
        }
        self.give_back();
    }

    /// Makes everything after `seq` pending again, for a new connection that saw up to `seq`.
    ///
    /// *Invariant I10*: false, and nothing changed, where an event after `seq` is no longer kept or
    /// `seq` was never sent: then the session must not be resumed.
    pub fn rewind(&mut self, seq: u64) -> bool {
        if !reaches(self.first_seq, self.sent_seq, seq) {
            return false;
        }
        self.sent = (seq + 1 - self.first_seq) as usize;
        self.pending_bytes = self.entries.iter().skip(self.sent).map(Frame::size).sum();
        self.acknowledge(seq);
        true
    }

    /// Takes the outbox apart, to carry it to another thread.
    pub fn into_parts(self) -> OutboxParts {
        OutboxParts {
            frames: self.entries.iter().map(Frame::to_bytes).collect(),
            first_seq: self.first_seq,
            sent_seq: self.sent_seq,
        }
    }

    /// Gives places back once most of them are free. A queue that is emptied and filled again by each turn keeps
    /// its few: asking for them anew each time would cost more.
    fn give_back(&mut self) {
        let (len, capacity) = (self.entries.len(), self.entries.capacity());
        if capacity > KEPT_CAPACITY && len * 4 <= capacity {
            self.entries.shrink_to(len * 2);
        }
    }

    fn drop_front(&mut self) {
        if let Some(frame) = self.entries.pop_front() {
            self.bytes -= frame.size();
            if self.sent > 0 {
                self.sent -= 1;
            } else {
                self.pending_bytes -= frame.size();
            }
            self.first_seq += 1;
        }
    }
}

/// An outbox between two workers.
#[derive(Debug)]
pub struct OutboxParts {
    /// The events' bodies, in order.
    pub frames: Vec<Bytes>,
    /// Sequence number of the first; of the next one where there is none.
    pub first_seq: u64,
    /// Highest number ever handed to a connection; never above that of the last frame.
    pub sent_seq: u64,
}

impl OutboxParts {
    /// Whether [`Outbox::rewind`] to `seq` would succeed.
    pub const fn reaches(&self, seq: u64) -> bool {
        reaches(self.first_seq, self.sent_seq, seq)
    }
}

/// Whether a client that saw up to `seq` can be given everything after it.
const fn reaches(first_seq: u64, sent_seq: u64, seq: u64) -> bool {
    seq <= sent_seq && seq + 1 >= first_seq
}

impl From<OutboxParts> for Outbox {
    fn from(parts: OutboxParts) -> Self {
        let bytes = parts.frames.iter().map(Bytes::len).sum();
        Self {
            entries: parts.frames.into_iter().map(Frame::from).collect(),
            first_seq: parts.first_seq,
            sent: 0,
            sent_seq: parts.sent_seq,
            bytes,
            pending_bytes: bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: OutboxBounds = OutboxBounds {
        pending_count: 4,
        pending_bytes: 1_000,
        total_count: 8,
        total_bytes: 2_000,
    };

    fn frame(len: usize) -> Frame {
        Bytes::from(vec![b'x'; len]).into()
    }

    #[test]
    fn i7_a_reader_that_lags_is_too_slow_and_then_broken() {
        let mut outbox = Outbox::default();
        for _ in 0..4 {
            assert_eq!(outbox.push(frame(10), &BOUNDS), Pushed::Pending);
        }
        for _ in 0..4 {
            assert_eq!(outbox.push(frame(10), &BOUNDS), Pushed::TooSlow);
        }
        assert_eq!(outbox.push(frame(10), &BOUNDS), Pushed::Broken);
        assert_eq!(outbox.kept(), 8);
    }

    #[test]
    fn i7_sent_events_make_room_first() {
        let mut outbox = Outbox::default();
        for seq in 1..=100 {
            assert_eq!(outbox.push(frame(10), &BOUNDS), Pushed::Pending);
            assert_eq!(outbox.send_next().unwrap().0, seq);
        }
        assert_eq!(
            (outbox.kept(), outbox.kept_bytes(), outbox.pending_bytes()),
            (8, 80, 0)
        );
        assert!(!outbox.rewind(91), "92 is gone");
        assert!(outbox.rewind(92));
        assert_eq!(outbox.send_next().unwrap().0, 93);
    }

    #[test]
    fn an_outbox_gives_back_what_a_burst_took() {
        let bounds = OutboxBounds {
            total_count: 5_000,
            pending_count: 5_000,
            ..BOUNDS
        };
        let mut outbox = Outbox::default();
        for _ in 0..1_000 {
            outbox.push(frame(1), &bounds);
            outbox.send_next();
        }
        outbox.acknowledge(900);
        assert!((100..=400).contains(&outbox.entries.capacity()));
        outbox.acknowledge(1_000);
        assert_eq!(outbox.entries.capacity(), 0);
        assert_eq!(outbox.last_seq(), 1_000);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push(usize),
        Send,
        Acknowledge(u64),
        Resume(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (1_usize..400).prop_map(Step::Push),
            4 => Just(Step::Send),
            1 => (0_u64..60).prop_map(Step::Acknowledge),
            1 => (0_u64..60).prop_map(Step::Resume),
        ];
        proptest::collection::vec(step, 0..200)
    }

    proptest! {
        /// *Invariant I10*: after a successful rewind to `seq`, exactly `seq + 1 ..= last` comes.
        #[test]
        fn i10_a_rewind_replays_everything_after_seq_or_is_refused(steps in steps()) {
            let mut outbox = Outbox::default();
            let mut next_seq = 1;
            for step in steps {
                match step {
                    Step::Push(len) => { outbox.push(frame(len), &BOUNDS); }
                    Step::Send => {
                        if let Some((seq, _)) = outbox.send_next() {
                            prop_assert!(seq >= next_seq);
                            next_seq = seq + 1;
                        }
                    }
                    Step::Acknowledge(seq) => outbox.acknowledge(seq.min(next_seq - 1)),
                    Step::Resume(seq) => {
                        let last = outbox.last_seq();
                        if outbox.rewind(seq) {
                            prop_assert_eq!(outbox.pending() as u64, last - seq);
                            next_seq = seq + 1;
                        }
                    }
                }
                prop_assert!(outbox.kept() <= BOUNDS.total_count);
                prop_assert!(outbox.kept_bytes() <= BOUNDS.total_bytes);
                let pending: usize = outbox.entries.iter().skip(outbox.sent).map(Frame::size).sum();
                prop_assert_eq!(pending, outbox.pending_bytes());
            }
        }
    }
}
