//! A session's numbered events: what still has to be sent and what a Resume may ask for again.
//!
//! One queue serves both: a cursor parts what this connection was sent (kept for a replay until a
//! heartbeat acknowledges it) from what is pending. Entries share the event's body with every
//! other session of the worker; only the sequence number is the session's own.

use bytes::Bytes;

use super::frame::{Frame, Run};
use super::late::{Dropped, Late, Subject};
use super::queue::FrameQueue;
use crate::counters::EphemeralKind;

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

/// Bounds that no test comes near.
#[cfg(test)]
pub(super) const PLENTY: OutboxBounds = OutboxBounds {
    pending_count: 1_000,
    pending_bytes: 1 << 20,
    total_count: 1_000,
    total_bytes: 1 << 20,
};

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
    entries: FrameQueue,
    /// Sequence number of the first entry; of the next one where there is none.
    first_seq: u64,
    /// Events from the front that this connection was sent.
    sent: u32,
    /// Highest number ever handed to a connection.
    sent_seq: u64,
    bytes: usize,
    pending_bytes: usize,
    reader: Reader,
    /// Ephemeral events that have no number yet.
    late: Option<Box<Late>>,
    /// Ephemeral events that the session was not sent.
    dropped: Dropped,
}

/// How a session's client takes what it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reader {
    /// All that was written so far went into the socket.
    #[default]
    Prompt,
    /// The socket takes no more for now.
    Slow,
    /// There is no connection.
    Away,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            entries: FrameQueue::default(),
            first_seq: 1,
            sent: 0,
            sent_seq: 0,
            bytes: 0,
            pending_bytes: 0,
            reader: Reader::Prompt,
            late: None,
            dropped: Dropped::default(),
        }
    }
}

impl Outbox {
    /// Sequence number of the newest event; 0 before the first.
    pub fn last_seq(&self) -> u64 {
        self.first_seq + self.entries.len() as u64 - 1
    }

    /// Whether something waits to be sent.
    pub fn has_pending(&self) -> bool {
        self.sent() < self.entries.len()
    }

    /// Events that wait to be sent.
    pub fn pending(&self) -> usize {
        self.entries.len() - self.sent()
    }

    const fn sent(&self) -> usize {
        self.sent as usize
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
        let size = frame.size();
        self.entries.push_back(frame);
        self.pushed(size, bounds)
    }

    /// Adds the events of a run, as [`Self::push`] does one after the other.
    pub fn push_run(&mut self, run: &Run, bounds: &OutboxBounds) -> Pushed {
        self.entries.push_run(run);
        self.pushed(run.size(), bounds)
    }

    fn pushed(&mut self, size: usize, bounds: &OutboxBounds) -> Pushed {
        self.bytes += size;
        self.pending_bytes += size;
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

    /// Ephemeral events that wait without a number.
    pub fn late(&self) -> usize {
        self.late.as_ref().map_or(0, |late| late.len())
    }

    /// Ephemeral events that the session was not sent so far.
    pub const fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// Says how the client takes what it is sent. Answers what is dropped because of it: nobody who comes back
    /// wants to know who was typing.
    pub fn read_by(&mut self, reader: Reader) -> Dropped {
        self.reader = reader;
        if reader != Reader::Away {
            return Dropped::default();
        }
        self.drop_late(|subject| subject.kind == EphemeralKind::Typing)
    }

    /// Whether an ephemeral event is to be [put off](Self::put_off): the session is behind, or others of its kind
    /// wait already.
    pub fn puts_off(&self, bounds: &OutboxBounds) -> bool {
        self.reader != Reader::Prompt || self.late.is_some() || self.is_half_full(bounds)
    }

    fn is_half_full(&self, bounds: &OutboxBounds) -> bool {
        self.pending() > bounds.pending_count / 2 || self.pending_bytes > bounds.pending_bytes / 2
    }

    /// Keeps an ephemeral event without a number, in place of an older one about the same. Answers what was
    /// dropped for it.
    pub fn put_off(&mut self, subject: Subject, frame: Frame) -> Dropped {
        let mut dropped = Dropped::default();
        if self.reader == Reader::Away && subject.kind == EphemeralKind::Typing {
            dropped.count(subject.kind);
        } else {
            dropped = self.late.get_or_insert_default().put(subject, frame);
        }
        self.dropped += dropped;
        dropped
    }

    /// Whether ephemeral events that wait are to get their numbers now, after a write that took something:
    /// when nothing else waits, or when they were passed over often enough.
    pub fn is_their_turn(&mut self) -> bool {
        let has_pending = self.has_pending();
        self.late
            .as_mut()
            .is_some_and(|late| !has_pending || late.is_passed_over())
    }

    /// Gives ephemeral events that waited their numbers, as far as there is room; tells `note` of each, in order.
    pub fn number_late(&mut self, bounds: &OutboxBounds, mut note: impl FnMut(&Subject)) -> usize {
        let mut count = 0;
        while !self.is_half_full(bounds) {
            let Some((subject, frame)) = self.late.as_mut().and_then(|late| late.pop()) else {
                self.late = None;
                break;
            };
            note(&subject);
            self.push(frame, bounds);
            count += 1;
        }
        count
    }

    /// Drops ephemeral events that wait and are about such a subject.
    pub fn drop_late(&mut self, drops: impl Fn(&Subject) -> bool) -> Dropped {
        let Some(late) = &mut self.late else {
            return Dropped::default();
        };
        let dropped = late.drop_where(drops);
        if late.len() == 0 {
            self.late = None;
        }
        self.dropped += dropped;
        dropped
    }

    /// The next event to send with its sequence number.
    pub fn send_next(&mut self) -> Option<(u64, &Frame)> {
        let frame = self.entries.advance()?;
        let seq = self.first_seq + u64::from(self.sent);
        self.sent += 1;
        self.sent_seq = self.sent_seq.max(seq);
        self.pending_bytes -= frame.size();
        Some((seq, frame))
    }

    /// The next events to send with the sequence number of the first, where they are a run of `most_bytes` at most.
    pub fn send_run(&mut self, most_bytes: usize) -> Option<(u64, &[Frame])> {
        let run = self.entries.advance_run(|run| run.size() <= most_bytes)?;
        let events = run.events();
        let first = self.first_seq + u64::from(self.sent);
        self.sent += events.len() as u32;
        self.sent_seq = self.sent_seq.max(first + events.len() as u64 - 1);
        self.pending_bytes -= run.size();
        Some((first, events))
    }

    /// Forgets sent events up to `seq`, which the client has acknowledged.
    pub fn acknowledge(&mut self, seq: u64) {
        while self.sent > 0 && self.first_seq <= seq {
            let acknowledged = (seq - self.first_seq).saturating_add(1);
            self.drop_sent(acknowledged.try_into().unwrap_or(usize::MAX));
        }
        self.entries.give_back();
    }

    /// Makes everything after `seq` pending again, for a new connection that saw up to `seq`.
    ///
    /// *Invariant I10*: false, and nothing changed, where an event after `seq` is no longer kept or
    /// `seq` was never sent: then the session must not be resumed.
    pub fn rewind(&mut self, seq: u64) -> bool {
        if !self.reaches(seq) {
            return false;
        }
        self.sent = (seq + 1 - self.first_seq) as u32;
        self.entries.seek(self.sent());
        self.pending_bytes = self.entries.iter().skip(self.sent()).map(Frame::size).sum();
        self.acknowledge(seq);
        true
    }

    /// Whether an event with this body, as text that is shared, waits to be sent.
    pub fn owes(&self, body: &[u8]) -> bool {
        let pending = self.entries.iter().skip(self.sent());
        pending.into_iter().any(|frame| frame.is_text(body))
    }

    /// Whether [`Self::rewind`] to `seq` would succeed.
    pub const fn reaches(&self, seq: u64) -> bool {
        reaches(self.first_seq, self.sent_seq, seq)
    }

    /// Takes the outbox apart, to carry it to another thread.
    pub fn into_parts(self) -> OutboxParts {
        OutboxParts {
            frames: self.entries.iter().map(Frame::to_bytes).collect(),
            first_seq: self.first_seq,
            sent_seq: self.sent_seq,
            late: LateParts {
                events: self.late.map_or_else(Vec::new, |late| late.into_parts()),
                dropped: self.dropped,
            },
        }
    }

    /// Drops sent events from the front, `most` at most.
    fn drop_sent(&mut self, most: usize) {
        if let Some((count, size)) = self.entries.drop_front(most.min(self.sent())) {
            self.bytes -= size;
            self.sent -= count as u32;
            self.first_seq += count as u64;
        }
    }

    /// Drops the first event.
    fn drop_front(&mut self) {
        if self.sent > 0 {
            self.drop_sent(1);
        } else if let Some((_, size)) = self.entries.drop_front(1) {
            self.bytes -= size;
            self.pending_bytes -= size;
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
    /// What has no number.
    pub late: LateParts,
}

/// Ephemeral events between two workers; a restart leaves nothing of them.
#[derive(Debug, Default)]
pub struct LateParts {
    /// Those that wait, the oldest first.
    pub events: Vec<(Subject, Bytes)>,
    /// Those that the session was not sent.
    pub dropped: Dropped,
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
        let mut late = None::<Box<Late>>;
        for (subject, body) in parts.late.events {
            let frame = Frame::ephemeral(body, subject);
            late.get_or_insert_default().put(subject, frame);
        }
        Self {
            entries: parts.frames.into_iter().map(Frame::from).collect(),
            first_seq: parts.first_seq,
            sent: 0,
            sent_seq: parts.sent_seq,
            bytes,
            pending_bytes: bytes,
            reader: Reader::Away,
            late,
            dropped: parts.late.dropped,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::fanout::late::MAX_LATE;
    use crate::protocol::{GuildId, UserId};

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
        assert!((100..=400).contains(&outbox.entries.room()));
        outbox.acknowledge(1_000);
        assert_eq!(outbox.entries.room(), 0);
        assert_eq!(outbox.last_seq(), 1_000);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push(usize),
        PushRun(usize, usize),
        Send,
        SendRun(usize),
        Acknowledge(u64),
        Resume(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (1_usize..400).prop_map(Step::Push),
            2 => (0_usize..12, 1_usize..300).prop_map(|(count, len)| Step::PushRun(count, len)),
            4 => Just(Step::Send),
            1 => (0_usize..2_000).prop_map(Step::SendRun),
            1 => (0_u64..60).prop_map(Step::Acknowledge),
            1 => (0_u64..60).prop_map(Step::Resume),
        ];
        proptest::collection::vec(step, 0..200)
    }

    const ROOMY: OutboxBounds = OutboxBounds {
        pending_count: 200,
        pending_bytes: 20_000,
        total_count: 400,
        total_bytes: 40_000,
    };

    fn subject(kind: EphemeralKind, user: u64) -> Subject {
        Subject {
            kind,
            guild: GuildId::new(1),
            user: UserId::new(user),
        }
    }

    /// As the worker does it: an ephemeral event is put off or gets its number at once.
    fn offer(outbox: &mut Outbox, subject: Subject, body: &str) {
        let frame = Frame::ephemeral(Bytes::copy_from_slice(body.as_bytes()), subject);
        if outbox.puts_off(&ROOMY) {
            outbox.put_off(subject, frame);
        } else {
            outbox.push(frame, &ROOMY);
        }
    }

    fn send(outbox: &mut Outbox, most: usize) -> Vec<(u64, String)> {
        let mut sent = Vec::new();
        while sent.len() < most
            && let Some((seq, frame)) = outbox.send_next()
        {
            sent.push((seq, String::from_utf8_lossy(&frame.to_bytes()).into_owned()));
        }
        sent
    }

    /// A flush whose socket takes everything.
    fn send_all(outbox: &mut Outbox) -> Vec<(u64, String)> {
        outbox.read_by(Reader::Prompt);
        let mut sent = send(outbox, usize::MAX);
        while outbox.is_their_turn() && outbox.number_late(&ROOMY, |_| ()) > 0 {
            sent.extend(send(outbox, usize::MAX));
        }
        sent
    }

    #[test]
    fn ephemeral_events_wait_without_a_number_while_the_session_is_behind() {
        let mut outbox = Outbox::default();
        offer(&mut outbox, subject(EphemeralKind::Typing, 1), "t0");
        assert_eq!(send_all(&mut outbox), [(1, "t0".to_owned())]);
        outbox.read_by(Reader::Slow);
        for n in 0..10 {
            offer(
                &mut outbox,
                subject(EphemeralKind::Typing, 1),
                &format!("t{n}"),
            );
            offer(
                &mut outbox,
                subject(EphemeralKind::Presence, 1),
                &format!("p{n}"),
            );
            outbox.push(Bytes::from(format!("m{n}")).into(), &ROOMY);
        }
        assert_eq!(
            (outbox.pending(), outbox.late(), outbox.last_seq()),
            (10, 2, 11)
        );
        assert_eq!(outbox.dropped().total(), 18);
        let sent = send_all(&mut outbox);
        let bodies: Vec<&str> = sent.iter().map(|(_, body)| &**body).collect();
        let mut expected: Vec<String> = (0..10).map(|n| format!("m{n}")).collect();
        expected.extend(["t9".to_owned(), "p9".to_owned()]);
        assert_eq!(bodies, expected);
        assert_eq!(outbox.late(), 0);
        assert!(outbox.late.is_none(), "what is not used owns nothing");
    }

    #[test]
    fn ephemeral_events_have_their_turn_with_a_client_that_is_never_done() {
        let mut outbox = Outbox::default();
        outbox.read_by(Reader::Slow);
        offer(&mut outbox, subject(EphemeralKind::Presence, 1), "p");
        for round in 1.. {
            outbox.push(frame(10), &ROOMY);
            outbox.push(frame(10), &ROOMY);
            send(&mut outbox, 1);
            if outbox.is_their_turn() {
                assert_eq!(outbox.number_late(&ROOMY, |_| ()), 1);
                assert!((2..=20).contains(&round));
                break;
            }
        }
        assert!(send(&mut outbox, 100).iter().any(|(_, body)| body == "p"));
    }

    #[test]
    fn nobody_who_is_away_is_told_later_who_was_typing() {
        let mut outbox = Outbox::default();
        outbox.read_by(Reader::Slow);
        offer(&mut outbox, subject(EphemeralKind::Typing, 1), "t");
        offer(&mut outbox, subject(EphemeralKind::Presence, 1), "p0");
        outbox.read_by(Reader::Away);
        offer(&mut outbox, subject(EphemeralKind::Typing, 2), "t");
        offer(&mut outbox, subject(EphemeralKind::Presence, 1), "p1");
        assert_eq!(outbox.dropped().of(EphemeralKind::Typing), 2);
        // It is resumed on another worker.
        let mut outbox = Outbox::from(outbox.into_parts());
        assert_eq!(outbox.dropped().total(), 3);
        assert!(outbox.rewind(0));
        assert_eq!(send_all(&mut outbox), [(1, "p1".to_owned())]);
    }

    #[derive(Debug, Clone)]
    enum Move {
        Durable(usize),
        Ephemeral(bool, u64),
        Take(usize),
        TakeAll,
    }

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        let one = prop_oneof![
            3 => (1_usize..30).prop_map(Move::Durable),
            4 => (any::<bool>(), 0_u64..12).prop_map(|(typing, user)| Move::Ephemeral(typing, user)),
            3 => (0_usize..4).prop_map(Move::Take),
            1 => Just(Move::TakeAll),
        ];
        proptest::collection::vec(one, 0..300)
    }

    proptest! {
        /// Whatever the client takes when: durable events come once and in order, numbers without a gap, the
        /// bounds hold, and of each user the newest typing and presence arrive.
        #[test]
        fn i7_i10_a_slow_reader_gets_what_is_durable_and_the_newest_of_the_rest(moves in moves()) {
            let mut outbox = Outbox::default();
            let mut durable = Vec::new();
            let mut newest = HashMap::new();
            let mut sent = Vec::new();
            for (n, step) in moves.into_iter().enumerate() {
                match step {
                    Move::Durable(len) => {
                        let body = format!("d{n}{}", "x".repeat(len));
                        let pushed = outbox.push(Bytes::from(body.clone()).into(), &ROOMY);
                        durable.push(body);
                        if pushed != Pushed::Pending {
                            // The worker closes such a connection; here the client hurries up.
                            prop_assert_eq!(pushed, Pushed::TooSlow);
                            sent.extend(send_all(&mut outbox));
                        }
                    }
                    Move::Ephemeral(typing, user) => {
                        let kind = if typing { EphemeralKind::Typing } else { EphemeralKind::Presence };
                        offer(&mut outbox, subject(kind, user), &format!("e{kind:?}{user}:{n}"));
                        newest.insert((kind, user), n);
                    }
                    Move::Take(most) => {
                        outbox.read_by(Reader::Slow);
                        let took = send(&mut outbox, most);
                        if !took.is_empty() && outbox.is_their_turn() {
                            outbox.number_late(&ROOMY, |_| ());
                        }
                        sent.extend(took);
                    }
                    Move::TakeAll => sent.extend(send_all(&mut outbox)),
                }
                prop_assert!(outbox.late() <= MAX_LATE);
                prop_assert!(outbox.kept() <= ROOMY.total_count);
                prop_assert!(outbox.kept_bytes() <= ROOMY.total_bytes);
            }
            sent.extend(send_all(&mut outbox));
            prop_assert!(sent.iter().map(|(seq, _)| *seq).eq(1..=outbox.last_seq()));
            let arrived: Vec<&String> = sent.iter().map(|(_, body)| body).filter(|body| body.starts_with('d')).collect();
            prop_assert!(arrived.into_iter().eq(&durable));
            for ((kind, user), n) in newest {
                let about = format!("e{kind:?}{user}:");
                let last = sent.iter().rev().find(|(_, body)| body.starts_with(&about));
                prop_assert_eq!(last.map(|(_, body)| body.clone()), Some(format!("{about}{n}")));
            }
        }

        /// A run does what its events do one by one.
        #[test]
        fn a_run_is_its_events(
            before in proptest::collection::vec(1_usize..400, 0..8),
            sent in 0_usize..8,
            run in proptest::collection::vec(1_usize..400, 1..8),
        ) {
            let mut outboxes = [Outbox::default(), Outbox::default()];
            for outbox in &mut outboxes {
                for len in &before {
                    outbox.push(frame(*len), &BOUNDS);
                }
                send(outbox, sent);
            }
            let [whole, single] = &mut outboxes;
            let frames: Vec<Frame> = run.into_iter().map(frame).collect();
            let at_once = whole.push_run(&Run::new(frames.iter().cloned()), &BOUNDS);
            let pushed: Vec<Pushed> = frames.into_iter().map(|it| single.push(it, &BOUNDS)).collect();
            let broken = pushed.contains(&Pushed::Broken);
            prop_assert_eq!(at_once == Pushed::Broken, broken);
            if !broken {
                prop_assert_eq!(Some(&at_once), pushed.last());
            }
            let state = |it: &Outbox| (it.first_seq, it.sent, it.bytes, it.pending_bytes, it.kept());
            prop_assert_eq!(state(whole), state(single));
            prop_assert_eq!(send_all(whole), send_all(single));
        }

        /// *Invariant I10*: after a successful rewind to `seq`, exactly `seq + 1 ..= last` comes.
        #[test]
        fn i10_a_rewind_replays_everything_after_seq_or_is_refused(steps in steps()) {
            let mut outbox = Outbox::default();
            let mut next_seq = 1;
            for step in steps {
                match step {
                    Step::Push(len) => { outbox.push(frame(len), &BOUNDS); }
                    Step::PushRun(count, len) => {
                        let run = Run::new((0..count).map(|n| frame(len + n)));
                        outbox.push_run(&run, &BOUNDS);
                    }
                    Step::Send => {
                        if let Some((seq, _)) = outbox.send_next() {
                            prop_assert!(seq >= next_seq);
                            next_seq = seq + 1;
                        }
                    }
                    Step::SendRun(most_bytes) => {
                        if let Some((first, frames)) = outbox.send_run(most_bytes) {
                            prop_assert!(first >= next_seq);
                            prop_assert!(frames.iter().map(Frame::size).sum::<usize>() <= most_bytes);
                            next_seq = first + frames.len() as u64;
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
                let sizes: Vec<usize> = outbox.entries.iter().map(Frame::size).collect();
                prop_assert_eq!(sizes.iter().sum::<usize>(), outbox.kept_bytes());
                prop_assert_eq!(sizes[outbox.sent()..].iter().sum::<usize>(), outbox.pending_bytes());
            }
        }
    }
}
