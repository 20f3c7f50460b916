//! Messages that memory had forgotten and that are known again for a while.
//!
//! Memory holds every message above its *floor*, the newest one that it forgot. While older ones are
//! read from the journal, what memory forgets is kept here as well: so every message is either above
//! the floor, or here, or at most as old as the *base*, the floor when the read began.

use std::collections::BTreeMap;

use super::remembered::Remembered;
use crate::protocol::{ChannelId, MessageId};

/// Most messages that memory may forget while a read is under way.
const MAX_LEFT: usize = 8_192;
/// Most bytes of them.
const MAX_LEFT_BYTES: usize = 8 << 20;

/// All messages of a channel from one id to another: what is not there does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Covered {
    /// The channel.
    pub channel: ChannelId,
    /// The lowest id.
    pub from: MessageId,
    /// The highest id.
    pub to: MessageId,
}

/// What was read from the journal for requests that wait.
#[derive(Debug, Default)]
pub struct Recollection {
    /// The messages.
    pub messages: Vec<Remembered>,
    /// What is known with them.
    pub covered: Vec<Covered>,
}

/// Messages at most as new as the floor.
#[derive(Debug)]
pub(super) struct Recalled {
    base: MessageId,
    messages: BTreeMap<MessageId, Remembered>,
    covered: Vec<Covered>,
    left_bytes: usize,
    overflown: bool,
}

impl Recalled {
    pub(super) const fn new(base: MessageId) -> Self {
        Self {
            base,
            messages: BTreeMap::new(),
            covered: Vec::new(),
            left_bytes: 0,
            overflown: false,
        }
    }

    /// Up to here a read is to look.
    pub(super) const fn base(&self) -> MessageId {
        self.base
    }

    /// Takes in what memory forgets.
    pub(super) fn keep(&mut self, entry: Remembered) {
        self.left_bytes += entry.bytes();
        if self.messages.len() >= MAX_LEFT || self.left_bytes > MAX_LEFT_BYTES {
            self.overflown = true;
            self.messages.clear();
        }
        if !self.overflown {
            self.messages.insert(entry.message.id, entry);
        }
    }

    /// Whether more was forgotten than is kept: what was read is of no use then.
    pub(super) const fn is_overflown(&self) -> bool {
        self.overflown
    }

    /// Takes in what was read, but for what is trimmed by now.
    pub(super) fn fill(&mut self, read: Recollection, trimmed: MessageId) {
        for entry in read.messages {
            let id = entry.message.id;
            if id > trimmed && id <= self.base {
                self.messages.entry(id).or_insert(entry);
            }
        }
        self.covered = read.covered;
    }

    pub(super) fn get(&self, id: MessageId) -> Option<&Remembered> {
        self.messages.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: MessageId) -> Option<&mut Remembered> {
        self.messages.get_mut(&id)
    }

    pub(super) fn remove(&mut self, id: MessageId) {
        self.messages.remove(&id);
    }

    pub(super) fn retain(&mut self, keep: impl Fn(&Remembered) -> bool) {
        self.messages.retain(|_, entry| keep(entry));
    }

    /// Ids of a channel, rising.
    pub(super) fn ids(&self, channel: ChannelId) -> impl DoubleEndedIterator<Item = MessageId> {
        let of_channel = move |(id, entry): (&MessageId, &Remembered)| {
            (entry.message.channel_id == channel).then_some(*id)
        };
        self.messages.iter().filter_map(of_channel)
    }

    /// The lowest id from which on everything of a channel up to `to` is known; above `to` where
    /// nothing is.
    pub(super) fn known_down_from(&self, channel: ChannelId, to: MessageId) -> u64 {
        // What memory forgot since the read began is here as a whole.
        let mut lowest = to.get().saturating_add(1);
        if to > self.base && !self.overflown {
            lowest = self.base.get() + 1;
        }
        loop {
            let next = self.covered.iter().filter(|covered| {
                covered.channel == channel
                    && covered.from.get() < lowest
                    && covered.to.get() >= lowest - 1
            });
            match next.map(|covered| covered.from.get()).min() {
                Some(from) => lowest = from,
                None => return lowest,
            }
        }
    }
}
