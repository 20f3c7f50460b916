//! The guild's last items, for sessions that were between two hubs when they happened.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::fanout::Item;
use crate::protocol::Position;

/// Most items kept.
const MAX_ITEMS: usize = 512;
/// Most bytes of event bodies kept.
const MAX_BYTES: usize = 512 * 1024;

/// A bounded tail of the items that went to the hubs.
#[derive(Debug, Default)]
pub(super) struct RecentItems {
    items: VecDeque<(Position, Item)>,
    bytes: usize,
    /// Every item after this position is kept.
    complete_after: Position,
}

impl RecentItems {
    /// A tail that starts after this position.
    pub(super) fn starting_after(position: Position) -> Self {
        Self {
            complete_after: position,
            ..Self::default()
        }
    }

    /// Adds an item that was handed out; ephemeral ones are not kept.
    pub(super) fn push(&mut self, item: &Item) {
        let Some(position) = item.position() else {
            return;
        };
        self.bytes += size(item);
        self.items.push_back((position, item.clone()));
        while self.items.len() > MAX_ITEMS || self.bytes > MAX_BYTES {
            let Some((position, item)) = self.items.pop_front() else {
                break;
            };
            self.bytes -= size(&item);
            self.complete_after = position;
        }
    }

    /// Forgets everything; a stretch from before now is no longer to be had.
    pub(super) fn clear(&mut self) {
        if let Some((position, _)) = self.items.back() {
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
                self.bytes += size(&item);
                self.items.push_front((position, item));
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
        let missed = self.items.iter().filter(|(at, _)| *at > position);
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
            recent.push(&item(position, 10));
        }
        let since = |position| recent.since(position).map(|items| items.len());
        assert_eq!(since(2_000 - MAX_ITEMS as u64), Some(MAX_ITEMS));
        assert_eq!(since(2_000 - MAX_ITEMS as u64 - 1), None);
        assert_eq!(since(2_000), Some(0));
    }

    #[test]
    fn i7_bytes_are_bounded_and_two_items_of_one_position_go_together_or_are_refused() {
        let mut recent = RecentItems::default();
        for position in 1..=100 {
            recent.push(&item(position, 20_000));
            recent.push(&item(position, 20_000));
        }
        assert!(recent.bytes <= MAX_BYTES);
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
