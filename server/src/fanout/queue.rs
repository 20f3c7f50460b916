//! The queue in which a session's events wait and are kept.
//!
//! What many sessions are owed in the same order is one entry of it, however many events that is. It grows and shrinks by the piece. A queue in one piece would be copied to twice the room again and again while
//! events are kept for a client that acknowledges seldom, into memory that is new each time.

use std::collections::VecDeque;

use super::frame::{Frame, Run};

/// Entries in a piece: 128 bytes.
const PIECE: usize = 16;
/// A list of pieces with more room than this is of a queue that was long.
const KEPT_PIECES: usize = 4;

type Piece = [Option<Frame>; PIECE];

/// Events in order, fewer than 2³²; owns nothing before the first. An entry is an event, or a run of events that other sessions
/// have in common.
#[derive(Debug, Default)]
pub struct FrameQueue {
    pieces: VecDeque<Box<Piece>>,
    /// Entries that there are.
    entries: u32,
    /// Events of them that there are.
    len: u32,
    /// Entries before the cursor.
    next_entry: u32,
    /// Events before it in its entry, gone ones included.
    next_event: u8,
    /// Events of the first entry that are gone.
    begun: u8,
    /// Places of the first piece whose entries are gone.
    gone: u8,
}

impl FrameQueue {
    /// How many events there are.
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds an event at the end.
    pub fn push_back(&mut self, frame: Frame) {
        self.push_entry(frame, 1);
    }

    /// Adds the events of a run at the end.
    pub fn push_run(&mut self, run: &Run) {
        if !run.events().is_empty() {
            self.push_entry(run.as_frame().clone(), run.events().len() as u32);
        }
    }

    fn push_entry(&mut self, entry: Frame, events: u32) {
        let place = self.end();
        if place == self.room() {
            self.pieces.push_back(Box::default());
        }
        self.pieces[place / PIECE][place % PIECE] = Some(entry);
        self.entries += 1;
        self.len += events;
    }

    /// Drops events from the front, all of one entry, `most` at most; answers how many, and their bytes. What of a run is
    /// dropped stays in memory until the rest is.
    pub fn drop_front(&mut self, most: usize) -> Option<(usize, usize)> {
        let entry = self.entry(0)?;
        let events = &entry.events()[self.begun as usize..];
        let count = events.len().min(most);
        let is_whole = count == events.len();
        let size = if is_whole && self.begun == 0 {
            entry.size()
        } else {
            events[..count].iter().map(Frame::size).sum()
        };
        self.len -= count as u32;
        if is_whole {
            self.pop_entry();
        } else {
            self.begun += count as u8;
            if self.next_entry == 0 {
                self.next_event = self.next_event.max(self.begun);
            }
        }
        Some((count, size))
    }

    fn pop_entry(&mut self) {
        if let Some(piece) = self.pieces.front_mut() {
            piece[self.gone as usize] = None;
        }
        self.begun = 0;
        match self.next_entry.checked_sub(1) {
            Some(entry) => self.next_entry = entry,
            None => self.next_event = 0,
        }
        self.entries -= 1;
        self.gone += 1;
        if self.entries == 0 {
            // All places are free, and those at the beginning were used last.
            self.gone = 0;
        } else if self.gone as usize == PIECE {
            self.gone = 0;
            let free = self.pieces.pop_front();
            // One is soon filled again.
            if self.room() - (self.entries as usize) < PIECE {
                self.pieces.extend(free);
            }
        }
    }

    /// The event at the cursor, which goes on to the one after it. It begins at the first event, and stays where it is in the queue
    /// whatever comes in behind it or goes before it.
    pub fn advance(&mut self) -> Option<&Frame> {
        let entry = entry_at(&self.pieces, self.cursor_place())?;
        let events = entry.events();
        let event = self.next_event as usize;
        if event + 1 < events.len() {
            self.next_event += 1;
        } else {
            self.next_entry += 1;
            self.next_event = 0;
        }
        events.get(event)
    }

    /// The events of the run that begins at the cursor, if one does and `is_wanted`; the cursor goes on to the one after it.
    pub fn advance_run(&mut self, is_wanted: impl FnOnce(&Frame) -> bool) -> Option<&Frame> {
        if self.next_event > 0 {
            return None;
        }
        let entry = entry_at(&self.pieces, self.cursor_place())?;
        if !entry.is_run() || !is_wanted(entry) {
            return None;
        }
        self.next_entry += 1;
        Some(entry)
    }

    /// Sets the cursor behind so many events.
    pub fn seek(&mut self, events: usize) {
        let mut left = events + self.begun as usize;
        let mut entry = 0;
        while let Some(frame) = self.entry(entry)
            && frame.events().len() <= left
        {
            left -= frame.events().len();
            entry += 1;
        }
        self.next_entry = entry as u32;
        self.next_event = left as u8;
    }

    fn entry(&self, index: usize) -> Option<&Frame> {
        entry_at(&self.pieces, self.gone as usize + index)
    }

    /// The place of the entry at the cursor.
    const fn cursor_place(&self) -> usize {
        self.gone as usize + self.next_entry as usize
    }

    /// All events, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Frame> {
        let entries = self.pieces.iter().flat_map(|piece| piece.iter().flatten());
        entries.flat_map(Frame::events).skip(self.begun as usize)
    }

    /// Gives back pieces that hold nothing. A queue that was never long keeps its first one: it may be emptied and filled again
    /// by each turn, and asking for it anew each time would cost more.
    pub fn give_back(&mut self) {
        let was_long = self.pieces.capacity() > KEPT_PIECES;
        let needed = self.end().div_ceil(PIECE);
        self.pieces.truncate(needed.max(usize::from(!was_long)));
        if was_long && self.pieces.capacity() > 4 * self.pieces.len() {
            self.pieces.shrink_to(2 * self.pieces.len());
        }
    }

    /// The place after the last entry.
    const fn end(&self) -> usize {
        self.gone as usize + self.entries as usize
    }

    /// Entries for which there are places.
    pub fn room(&self) -> usize {
        self.pieces.len() * PIECE
    }
}

/// Of the pieces alone: the cursor moves while the entry is looked at.
fn entry_at(pieces: &VecDeque<Box<Piece>>, place: usize) -> Option<&Frame> {
    pieces.get(place / PIECE)?[place % PIECE].as_ref()
}

impl Extend<Frame> for FrameQueue {
    fn extend<T: IntoIterator<Item = Frame>>(&mut self, frames: T) {
        frames.into_iter().for_each(|frame| self.push_back(frame));
    }
}

impl FromIterator<Frame> for FrameQueue {
    fn from_iter<T: IntoIterator<Item = Frame>>(frames: T) -> Self {
        let mut queue = Self::default();
        queue.extend(frames);
        queue
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn frame(number: usize) -> Frame {
        Bytes::from(number.to_string()).into()
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push(usize),
        PushRun(usize),
        Drop(usize),
        Advance(usize),
        AdvanceRun(bool),
        Seek(usize),
        GiveBack,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (1_usize..70).prop_map(Step::Push),
            3 => (0_usize..20).prop_map(Step::PushRun),
            4 => (1_usize..70).prop_map(Step::Drop),
            3 => (1_usize..70).prop_map(Step::Advance),
            2 => any::<bool>().prop_map(Step::AdvanceRun),
            1 => (0_usize..100).prop_map(Step::Seek),
            1 => Just(Step::GiveBack),
        ];
        proptest::collection::vec(step, 0..60)
    }

    /// All events by what a plain list would have, with the number of them before the cursor.
    #[derive(Default)]
    struct Model {
        events: VecDeque<Frame>,
        before: usize,
        made: usize,
    }

    impl Model {
        fn make(&mut self, count: usize) -> Vec<Frame> {
            let made: Vec<Frame> = (self.made..self.made + count).map(frame).collect();
            self.made += count;
            self.events.extend(made.iter().cloned());
            made
        }
    }

    proptest! {
        /// It does what a `VecDeque` with an index does, and its room is in proportion.
        #[test]
        fn it_is_a_queue(steps in steps()) {
            let mut queue = FrameQueue::default();
            let mut model = Model::default();
            for step in steps {
                match step {
                    Step::Push(count) => queue.extend(model.make(count)),
                    Step::PushRun(count) => queue.push_run(&Run::new(model.make(count))),
                    Step::Drop(count) => {
                        let mut left = count.min(model.events.len());
                        while left > 0 {
                            let (dropped, size) = queue.drop_front(left).unwrap();
                            prop_assert!((1..=left).contains(&dropped));
                            let expected: usize = model.events.drain(..dropped).map(|it| it.size()).sum();
                            prop_assert_eq!(size, expected);
                            model.before = model.before.saturating_sub(dropped);
                            left -= dropped;
                        }
                    }
                    Step::Advance(count) => {
                        for _ in 0..count {
                            let expected = model.events.get(model.before);
                            let found = queue.advance();
                            prop_assert_eq!(found.is_some(), expected.is_some());
                            if let (Some(found), Some(expected)) = (found, expected) {
                                prop_assert!(found.is(expected));
                                model.before += 1;
                            }
                        }
                    }
                    Step::AdvanceRun(is_wanted) => {
                        if let Some(run) = queue.advance_run(|_| is_wanted) {
                            prop_assert!(is_wanted);
                            let expected = model.events.iter().skip(model.before);
                            prop_assert!(run.events().iter().zip(expected).all(|(a, b)| a.is(b)));
                            model.before += run.events().len();
                        }
                    }
                    Step::Seek(count) => {
                        model.before = count.min(model.events.len());
                        queue.seek(model.before);
                    }
                    Step::GiveBack => {
                        queue.give_back();
                        prop_assert!(queue.room() <= queue.len() + 2 * PIECE);
                    }
                }
                prop_assert_eq!(queue.len(), model.events.len());
                prop_assert_eq!(queue.is_empty(), model.events.is_empty());
                prop_assert!(queue.room() < queue.len() + 3 * PIECE);
                prop_assert_eq!(queue.iter().count(), model.events.len());
                prop_assert!(queue.iter().zip(&model.events).all(|(a, b)| a.is(b)));
            }
            while queue.drop_front(usize::MAX).is_some() {}
            prop_assert!(queue.is_empty());
        }
    }

    #[test]
    fn a_run_takes_the_place_of_one_event() {
        let run = Run::new((0..100).map(frame));
        let mut queue = FrameQueue::default();
        for _ in 0..PIECE {
            queue.push_run(&run);
        }
        assert_eq!((queue.len(), queue.room()), (100 * PIECE, PIECE));
        assert!(queue.advance_run(|_| false).is_none());
        assert!(
            queue
                .advance_run(|found| found.is(run.as_frame()))
                .is_some()
        );
        // One that has begun is no run any more.
        queue.advance();
        assert!(queue.advance_run(|_| true).is_none());
        queue.seek(300);
        assert!(queue.advance_run(|_| true).is_some());
        assert_eq!(size_of::<Option<Frame>>(), size_of::<usize>());
    }

    #[test]
    fn one_that_is_filled_and_emptied_in_turn_keeps_one_piece() {
        let mut queue = FrameQueue::default();
        assert_eq!(queue.room(), 0);
        for _ in 0..100 {
            queue.extend((0..40).map(frame));
            while queue.drop_front(1).is_some() {}
            queue.give_back();
            assert_eq!(queue.room(), PIECE);
        }
        assert!(queue.pieces.capacity() <= KEPT_PIECES);
    }
}
