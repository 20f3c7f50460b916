//! The guild's last items, for sessions that were between two hubs when they happened.

use std::collections::VecDeque;
use std::sync::Arc;

use super::seldom::{Blank, Seldom};
use crate::fanout::Item;
use crate::protocol::Position;

/// How much is kept.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    items: usize,
    /// Of event bodies.
    bytes: usize,
}

/// For who may come.
const USUAL: Bounds = Bounds {
    items: 512,
    bytes: 512 << 10,
};
/// For who has come, and waits for what was read back for it.
const AWAITED: Bounds = Bounds {
    items: 65_536,
    bytes: 64 << 20,
};

/// A bounded tail of the items that went to the hubs.
#[derive(Debug, Default)]
pub(super) struct RecentItems {
    kept: Seldom<Kept>,
    /// Every item after this position is kept.
    complete_after: Position,
}

#[derive(Debug, Default)]
struct Kept {
    items: VecDeque<(Position, Item)>,
    bytes: usize,
}

impl Blank for Kept {
    const BLANK: &'static Self = &Self {
        items: VecDeque::new(),
        bytes: 0,
    };

    fn is_blank(&self) -> bool {
        self.items.is_empty()
    }
}

impl RecentItems {
    /// A tail that starts after this position.
    pub(super) fn starting_after(position: Position) -> Self {
        Self {
            complete_after: position,
            ..Self::default()
        }
    }

    /// Adds an item that was handed out; ephemeral ones are not kept. What is awaited is kept for longer: it was read back, and
    /// would go before it is told.
    pub(super) fn push(&mut self, item: &Item, is_awaited: bool) {
        let Some(position) = item.position() else {
            return;
        };
        let kept = &mut *self.kept;
        kept.bytes += size(item);
        kept.items.push_back((position, item.clone()));
        let bounds = if is_awaited { AWAITED } else { USUAL };
        while kept.items.len() > bounds.items || kept.bytes > bounds.bytes {
            let Some((position, item)) = kept.items.pop_front() else {
                break;
            };
            kept.bytes -= size(&item);
            self.complete_after = position;
        }
    }

    /// Forgets everything; a stretch from before now is no longer to be had.
    pub(super) fn clear(&mut self) {
        if let Some((position, _)) = self.kept.items.back() {
            self.complete_after = *position;
        }
        *self = Self::starting_after(self.complete_after);
    }

    /// Puts the items of `(since, until]` before those that are kept. Nothing happens where it does
    /// not begin at `until` any more.
    ///
    /// The bounds hold again from the next [`Self::push`] on.
    pub(super) fn extend_back(&mut self, since: Position, until: Position, items: Vec<Item>) {
        if self.complete_after != until {
            return;
        }
        for item in items.into_iter().rev() {
            if let Some(position) = item.position() {
                self.kept.bytes += size(&item);
                self.kept.items.push_front((position, item));
            }
        }
        self.complete_after = since;
    }

    /// Every item after this position is kept.
    pub(super) const fn complete_after(&self) -> Position {
        self.complete_after
    }

    /// Every item after a position; `None` where some are no longer kept.
    pub(super) fn since(&self, position: Position) -> Option<Arc<[Item]>> {
        if position < self.complete_after {
            return None;
        }
        let missed = self.kept.items.iter().filter(|(at, _)| *at > position);
        Some(missed.map(|(_, item)| item.clone()).collect())
    }
}

fn size(item: &Item) -> usize {
    match item {
        Item::Dispatch(dispatch) => dispatch.body.len(),
        _ => 256,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fanout::{Audience, Dispatch};
    use crate::protocol::{EventName, Intents};

    fn item(position: Position, len: usize) -> Item {
        Item::Dispatch(Dispatch {
            position: Some(position),
            event: EventName::MessageCreate,
            body: vec![b'x'; len].into(),
            intent: Intents::NONE,
            channel: None,
            audience: Audience::Everyone,
            subject: None,
        })
    }

    #[test]
    fn i10_a_stretch_is_given_whole_or_not_at_all() {
        let mut recent = RecentItems::starting_after(5);
        assert!(recent.since(4).is_none());
        assert_eq!(recent.since(5).unwrap().len(), 0);
        for position in 6..=2_000 {
            recent.push(&item(position, 10), false);
        }
        let since = |position| recent.since(position).map(|items| items.len());
        assert_eq!(since(2_000 - USUAL.items as u64), Some(USUAL.items));
        assert_eq!(since(2_000 - USUAL.items as u64 - 1), None);
        assert_eq!(since(2_000), Some(0));
    }

    #[test]
    fn i10_what_was_read_back_stays_while_somebody_waits_for_it() {
        let mut recent = RecentItems::starting_after(2_000);
        recent.extend_back(
            0,
            2_000,
            (1..=2_000).map(|position| item(position, 10)).collect(),
        );
        recent.push(&item(2_001, 10), true);
        assert_eq!(recent.since(0).unwrap().len(), 2_001);
        for position in 2_002..=100_000 {
            recent.push(&item(position, 10), true);
        }
        assert_eq!(
            recent.kept.items.len(),
            AWAITED.items,
            "bounded all the same"
        );
        recent.push(&item(100_001, 10), false);
        assert_eq!(recent.kept.items.len(), USUAL.items);
    }

    #[test]
    fn i7_bytes_are_bounded_and_two_items_of_one_position_go_together_or_are_refused() {
        let mut recent = RecentItems::default();
        for position in 1..=100 {
            recent.push(&item(position, 20_000), false);
            recent.push(&item(position, 20_000), false);
        }
        assert!(recent.kept.bytes <= USUAL.bytes);
        for position in 0..=100 {
            if let Some(items) = recent.since(position) {
                assert_eq!(items.len() as u64, 2 * (100 - position));
            }
        }
        recent.clear();
        assert!(recent.since(99).is_none());
        assert_eq!(recent.since(100).unwrap().len(), 0);
    }
}
