//! The bytes of a connection's writes: put together once, and used again for the next one that is owed the same events.
//!
//! What sessions of one guild are owed differs in nothing but the sequence numbers for most of the time. So the messages
//! of a connection's writes stay where they are, one write behind the other, and for the next connection only the numbers are
//! written over, as far as its events are the same ones and their numbers have as many digits. Nothing is copied then before
//! the kernel does.

use std::ops::Range;

use super::envelope;
use super::frame::Frame;
use super::outbox::Outbox;
use super::wire::{TEXT, write_header};
use crate::protocol::decimal::Decimal;

/// Most bytes put together for one write; a single larger frame still goes out whole.
pub const WRITE_SIZE: usize = 128 * 1024;
/// With as many bytes written of a connection, the next write takes the place of the first one.
const KEPT_BYTES: usize = 2 * WRITE_SIZE;
/// Room that there is from the beginning.
const FIRST_CAPACITY: usize = WRITE_SIZE + WRITE_SIZE / 4;
/// With more than this room the batch is begun anew: for more than one message that goes beyond a write.
const MOST_CAPACITY: usize = 4 * KEPT_BYTES;

/// What is put together for writes, of all connections of a worker in turn. Holds the bodies that its bytes are of: at most
/// twice [`WRITE_SIZE`] bytes, another write, and the message that went beyond that.
#[derive(Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    /// The messages that the bytes begin with.
    placed: Vec<Placed>,
    /// Messages that the present connection was written, or is now; 0 where its next write begins at the front.
    at: usize,
    /// Where the present write is.
    used: Range<usize>,
}

/// A message among the bytes.
#[derive(Debug)]
struct Placed {
    frame: Frame,
    seq: u64,
    /// Where it ends.
    end: usize,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            bytes: Vec::with_capacity(FIRST_CAPACITY),
            placed: Vec::new(),
            at: 0,
            used: 0..0,
        }
    }
}

impl Batch {
    /// The bytes to write.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[self.used.clone()]
    }

    /// Another connection is written to from here on.
    pub const fn begin(&mut self) {
        self.at = 0;
    }

    /// Puts pending events together as text messages, up to about [`WRITE_SIZE`]; answers how many.
    pub fn put_events(&mut self, outbox: &mut Outbox) -> usize {
        if self.used.end >= KEPT_BYTES {
            self.begin();
        }
        let from = if self.at == 0 { 0 } else { self.used.end };
        self.used = from..from;
        let before = self.at;
        while self.used.len() < WRITE_SIZE {
            if let Some((first, frames)) = outbox.send_run(WRITE_SIZE - self.used.len()) {
                for (seq, frame) in (first..).zip(frames) {
                    self.place(seq, frame);
                }
            } else if let Some((seq, frame)) = outbox.send_next() {
                self.place(seq, frame);
            } else {
                break;
            }
        }
        self.at - before
    }

    /// Puts the next event in its place, if it is not there.
    fn place(&mut self, seq: u64, frame: &Frame) {
        if !self.is_here(seq, frame) {
            self.bytes.truncate(self.used.end);
            self.placed.truncate(self.at);
            self.append(seq, frame);
        }
        let placed = self.placed.get(self.at);
        self.used.end = placed.map_or(self.bytes.len(), |it| it.end);
        self.at += 1;
    }

    /// Puts anything together: `write` appends it.
    pub fn put<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        self.placed.clear();
        self.bytes.clear();
        self.begin();
        let done = write(&mut self.bytes);
        self.used = 0..self.bytes.len();
        done
    }

    /// Gives back what an unusually large write made it take.
    pub fn give_back(&mut self) {
        if self.bytes.capacity() > MOST_CAPACITY {
            *self = Self::default();
        }
    }

    /// Whether the next event is in its place already, but for its number, which is put right then.
    fn is_here(&mut self, seq: u64, frame: &Frame) -> bool {
        let Some(placed) = self.placed.get_mut(self.at) else {
            return false;
        };
        if !placed.frame.is(frame) {
            return false;
        }
        if placed.seq != seq {
            if envelope::suffix_len(placed.seq) != envelope::suffix_len(seq) {
                return false;
            }
            placed.seq = seq;
            let number = Decimal::new(seq);
            let number = number.as_bytes();
            // In front of the brace.
            let end = placed.end - 1;
            self.bytes[end - number.len()..end].copy_from_slice(number);
        }
        true
    }

    fn append(&mut self, seq: u64, frame: &Frame) {
        let body = frame.to_bytes();
        let out = &mut self.bytes;
        write_header(out, TEXT, body.len() + envelope::suffix_len(seq));
        out.extend_from_slice(&body);
        envelope::write_suffix(out, seq);
        let end = out.len();
        // One that is of this session alone is not looked for again, nor is what comes behind it.
        if frame.is_shared() && self.placed.len() == self.at {
            let frame = frame.clone();
            self.placed.push(Placed { frame, seq, end });
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::fanout::frame::{Compose, Run};
    use crate::fanout::outbox::PLENTY;

    #[derive(Debug)]
    struct Own(u8);

    impl Compose for Own {
        fn compose(&self, out: &mut Vec<u8>) {
            out.extend_from_slice(&[b'o'; 3]);
            out.push(self.0);
        }

        fn estimate(&self) -> usize {
            4
        }
    }

    /// Events that several sessions may be owed: short and long ones, some as long as a write, and ones that are made for each.
    fn frames() -> Vec<Frame> {
        let shared = (0..6_u8).map(|n| vec![b'a' + n; 40 + usize::from(n).pow(6) * 5]);
        let mut frames: Vec<Frame> = shared.map(|body| Bytes::from(body).into()).collect();
        frames.push(Frame::made(Own(b'x')));
        frames
    }

    /// A session that is owed these, the first with this number.
    fn owed(frames: &[Frame], first: u64) -> Outbox {
        let mut outbox = Outbox::default();
        let skipped: Frame = Bytes::from_static(b"-").into();
        for _ in 1..first {
            outbox.push(skipped.clone(), &PLENTY);
            outbox.send_next();
        }
        outbox.acknowledge(first - 1);
        for frame in frames {
            outbox.push(frame.clone(), &PLENTY);
        }
        outbox
    }

    /// The same, as runs of so many events.
    fn owed_in_runs(frames: &[Frame], first: u64, length: usize) -> Outbox {
        let mut outbox = owed(&[], first);
        for run in frames.chunks(length) {
            outbox.push_run(&Run::new(run.iter().cloned()), &PLENTY);
        }
        outbox
    }

    fn expected(frames: &[Frame], first: u64) -> Vec<u8> {
        let mut out = Vec::new();
        for (frame, seq) in frames.iter().zip(first..) {
            let body = frame.to_bytes();
            write_header(&mut out, TEXT, body.len() + envelope::suffix_len(seq));
            out.extend_from_slice(&body);
            envelope::write_suffix(&mut out, seq);
        }
        out
    }

    proptest! {
        /// Whatever connections follow each other: each gets its own events with its own numbers.
        #[test]
        fn what_is_left_of_a_write_changes_none_after_it(
            writes in proptest::collection::vec(
                (proptest::collection::vec(0_usize..7, 0..12), 1_u64..130, any::<bool>(), 0_usize..5),
                1..30,
            ),
        ) {
            let all = frames();
            let mut batch = Batch::default();
            for (picks, first, is_other, length) in writes {
                let picked: Vec<Frame> = picks.iter().map(|pick| all[*pick].clone()).collect();
                if is_other {
                    batch.put(|out| out.extend_from_slice(b"pong"));
                    prop_assert_eq!(batch.bytes(), b"pong");
                }
                let mut outbox = match length {
                    0 => owed(&picked, first),
                    length => owed_in_runs(&picked, first, length),
                };
                batch.begin();
                let (mut count, mut written) = (0, Vec::new());
                while outbox.has_pending() {
                    count += batch.put_events(&mut outbox);
                    written.extend_from_slice(batch.bytes());
                }
                prop_assert_eq!(count, picked.len());
                prop_assert_eq!(written, &expected(&picked, first)[..]);
            }
        }
    }

    #[test]
    fn the_same_events_are_not_copied_again() {
        let frames = &frames()[..6];
        let mut batch = Batch::default();
        batch.put_events(&mut owed(frames, 12));
        let kept: Vec<Frame> = batch.placed.iter().map(|it| it.frame.clone()).collect();
        // The longer list goes on where the shorter one ended.
        batch.begin();
        batch.put_events(&mut owed(&frames[..2], 15));
        assert_eq!(batch.bytes(), expected(&frames[..2], 15));
        batch.begin();
        batch.put_events(&mut owed(frames, 90));
        assert_eq!(batch.bytes(), expected(frames, 90));
        let now = batch.placed.iter().map(|it| &it.frame);
        assert!(kept.iter().zip(now).all(|(kept, now)| kept.is(now)));
        assert_eq!(batch.placed.len(), kept.len());
        // Nor where some are a run.
        batch.begin();
        batch.put_events(&mut owed_in_runs(frames, 91, 4));
        assert_eq!(batch.bytes(), expected(frames, 91));
        let now = batch.placed.iter().map(|it| &it.frame);
        assert!(kept.iter().zip(now).all(|(kept, now)| kept.is(now)));
    }

    #[test]
    fn nor_are_those_of_further_writes() {
        let bodies = (0..5_u8).map(|n| vec![n; WRITE_SIZE / 3]);
        let frames: Vec<Frame> = bodies.map(|body| Bytes::from(body).into()).collect();
        let mut batch = Batch::default();
        for first in [10, 20, 30] {
            let mut outbox = owed(&frames, first);
            batch.begin();
            let counts = [(); 3].map(|()| batch.put_events(&mut outbox));
            assert_eq!(counts, [3, 2, 0]);
            assert!(batch.bytes().is_empty());
            let placed = batch.placed.iter().map(|it| &it.frame);
            assert!(placed.zip(&frames).all(|(placed, frame)| placed.is(frame)));
            assert_eq!(batch.placed.len(), frames.len());
        }
        // Beyond what is kept it begins at the front again.
        let many: Vec<Frame> = frames.iter().cycle().take(40).cloned().collect();
        let mut outbox = owed(&many, 100);
        batch.begin();
        while outbox.has_pending() {
            batch.put_events(&mut outbox);
            assert!(batch.bytes.len() < KEPT_BYTES + 2 * WRITE_SIZE);
        }
    }

    #[test]
    fn a_large_write_keeps_no_room() {
        let mut batch = Batch::default();
        batch.put(|out| out.resize(MOST_CAPACITY + 1, 0));
        batch.give_back();
        assert!(batch.bytes.capacity() <= MOST_CAPACITY);
        assert!(batch.bytes().is_empty());
    }
}
