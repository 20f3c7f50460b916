//! The queue in which a session's events wait and are kept.
//!
//! It grows and shrinks by the piece. A queue in one piece would be copied to twice the room again and again while
//! events are kept for a client that acknowledges seldom, into memory that is new each time.

use std::collections::VecDeque;

use super::frame::Frame;

/// Events in a piece: 128 bytes.
const PIECE: usize = 16;
/// A list of pieces with more room than this is of a queue that was long.
const KEPT_PIECES: usize = 4;

type Piece = [Option<Frame>; PIECE];

/// Frames in order, fewer than 2³²; owns nothing before the first.
#[derive(Debug, Default)]
pub struct FrameQueue {
    pieces: VecDeque<Box<Piece>>,
    /// Places of the first piece whose frames are gone.
    gone: u32,
    len: u32,
}

impl FrameQueue {
    /// How many there are.
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds one at the end.
    pub fn push_back(&mut self, frame: Frame) {
        let place = self.end();
        if place == self.room() {
            self.pieces.push_back(Box::default());
        }
        self.pieces[place / PIECE][place % PIECE] = Some(frame);
        self.len += 1;
    }

    /// Takes the first.
    pub fn pop_front(&mut self) -> Option<Frame> {
        let frame = self.pieces.front_mut()?[self.gone as usize].take()?;
        self.len -= 1;
        self.gone += 1;
        if self.len == 0 {
            // All places are free, and those at the beginning were used last.
            self.gone = 0;
        } else if self.gone as usize == PIECE {
            self.gone = 0;
            let free = self.pieces.pop_front();
            // One is soon filled again.
            if self.room() - self.len() < PIECE {
                self.pieces.extend(free);
            }
        }
        Some(frame)
    }

    /// The one at this index.
    pub fn get(&self, index: usize) -> Option<&Frame> {
        if index >= self.len() {
            return None;
        }
        let place = self.gone as usize + index;
        self.pieces[place / PIECE][place % PIECE].as_ref()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Frame> {
        self.pieces.iter().flat_map(|piece| piece.iter().flatten())
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

    /// The place after the last frame.
    const fn end(&self) -> usize {
        self.gone as usize + self.len as usize
    }

    /// Frames for which there are places.
    pub fn room(&self) -> usize {
        self.pieces.len() * PIECE
    }
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
        Pop(usize),
        GiveBack,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (1_usize..70).prop_map(Step::Push),
            3 => (1_usize..70).prop_map(Step::Pop),
            1 => Just(Step::GiveBack),
        ];
        proptest::collection::vec(step, 0..60)
    }

    proptest! {
        /// It does what a `VecDeque` does, and its room is in proportion.
        #[test]
        fn it_is_a_queue(steps in steps()) {
            let mut queue = FrameQueue::default();
            let mut model = VecDeque::new();
            let mut next = 0;
            for step in steps {
                match step {
                    Step::Push(count) => {
                        for _ in 0..count {
                            let frame = frame(next);
                            next += 1;
                            model.push_back(frame.clone());
                            queue.push_back(frame);
                        }
                    }
                    Step::Pop(count) => {
                        for _ in 0..count {
                            let (taken, expected) = (queue.pop_front(), model.pop_front());
                            prop_assert_eq!(taken.is_some(), expected.is_some());
                            if let (Some(taken), Some(expected)) = (taken, expected) {
                                prop_assert!(taken.is(&expected));
                            }
                        }
                    }
                    Step::GiveBack => {
                        queue.give_back();
                        prop_assert!(queue.room() <= queue.len() + 2 * PIECE);
                    }
                }
                prop_assert_eq!(queue.len(), model.len());
                prop_assert!(queue.room() < queue.len() + 3 * PIECE);
                prop_assert_eq!(queue.iter().count(), model.len());
                prop_assert!(queue.iter().zip(&model).all(|(a, b)| a.is(b)));
                for (index, expected) in model.iter().enumerate() {
                    prop_assert!(queue.get(index).is_some_and(|frame| frame.is(expected)));
                }
                prop_assert!(queue.get(model.len()).is_none());
            }
        }
    }

    #[test]
    fn one_that_is_filled_and_emptied_in_turn_keeps_one_piece() {
        let mut queue = FrameQueue::default();
        assert_eq!(queue.room(), 0);
        for _ in 0..100 {
            queue.extend((0..40).map(frame));
            while queue.pop_front().is_some() {}
            queue.give_back();
            assert_eq!(queue.room(), PIECE);
        }
        assert!(queue.pieces.capacity() <= KEPT_PIECES);
    }
}
