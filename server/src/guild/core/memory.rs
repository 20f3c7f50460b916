//! The recent messages of a guild, with their reactions: bounded, the oldest forgotten first. What is
//! forgotten is in the journal still; for a while it may be known again (see [`Recalled`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ascending::Ascending;
use super::limits::CoreSettings;
use super::recalled::{Recalled, Recollection};
use super::remembered::Remembered;
use crate::guild::command::Page;
use crate::guild::seldom::{Blank, Seldom};
use crate::journal::Span;
use crate::protocol::objects::{Emoji, Message};
use crate::protocol::{ChannelId, MessageId, UserId};

const LOWEST: MessageId = MessageId::new(0);
const HIGHEST: MessageId = MessageId::new(u64::MAX);

/// Recent messages. Ids of a guild rise in journal order, so the lowest id is the oldest.
#[derive(Debug)]
pub(super) struct MessageMemory {
    recent: Seldom<Recent>,
    /// The newest message that was forgotten: all that are newer and exist are here.
    floor: MessageId,
    /// Messages up to here are gone for good.
    trimmed: MessageId,
    recalled: Option<Box<Recalled>>,
}

/// Messages in memory.
#[derive(Debug)]
struct Recent {
    messages: Ascending<MessageId, Remembered>,
    channels: BTreeMap<ChannelId, Ascending<MessageId, ()>>,
    bytes: usize,
}

impl Recent {
    const fn new() -> Self {
        Self {
            messages: Ascending::new(),
            channels: BTreeMap::new(),
            bytes: 0,
        }
    }
}

impl Default for Recent {
    fn default() -> Self {
        Self::new()
    }
}

impl Blank for Recent {
    const BLANK: &'static Self = &Self::new();

    fn is_blank(&self) -> bool {
        self.messages.is_empty()
    }
}

impl Default for MessageMemory {
    fn default() -> Self {
        Self::after(LOWEST, LOWEST)
    }
}

impl MessageMemory {
    /// Without messages; those up to `floor` were forgotten, those up to `trimmed` are gone.
    pub(super) const fn after(floor: MessageId, trimmed: MessageId) -> Self {
        Self {
            recent: Seldom::new(),
            floor,
            trimmed,
            recalled: None,
        }
    }

    /// Adds a message and forgets the oldest ones beyond the limits.
    pub(super) fn insert(&mut self, entry: Remembered, limits: &CoreSettings) {
        let (id, channel) = (entry.message.id, entry.message.channel_id);
        let recent = &mut *self.recent;
        recent.bytes += entry.bytes();
        if let Some(previous) = recent.messages.insert(id, entry) {
            recent.bytes -= previous.bytes();
        }
        let ids = recent.channels.entry(channel).or_insert(Ascending::new());
        ids.insert(id, ());
        while self.recent.messages.len() > limits.max_messages
            || self.recent.bytes > limits.max_message_bytes
        {
            let Some(&(oldest, _)) = self.recent.messages.first() else {
                break;
            };
            self.floor = oldest;
            if let Some(entry) = self.take(oldest)
                && let Some(recalled) = &mut self.recalled
            {
                recalled.keep(entry);
            }
        }
    }

    /// A message of a channel.
    pub(super) fn get(&self, channel: ChannelId, id: MessageId) -> Option<&Remembered> {
        self.recent
            .messages
            .get(id)
            .or_else(|| self.recalled.as_ref()?.get(id))
            .filter(|entry| entry.message.channel_id == channel)
    }

    fn get_mut(&mut self, id: MessageId) -> Option<&mut Remembered> {
        let recent = self.recent.made();
        match recent.and_then(|recent| recent.messages.get_mut(id)) {
            Some(entry) => Some(entry),
            None => self.recalled.as_mut()?.get_mut(id),
        }
    }

    /// Changes a message, if it is known.
    fn change(&mut self, id: MessageId, change: impl FnOnce(&mut Remembered)) {
        let is_recent = self.recent.messages.get(id).is_some();
        let Some(entry) = self.get_mut(id) else {
            return;
        };
        let before = entry.bytes();
        change(entry);
        let after = entry.bytes();
        if is_recent {
            self.recent.bytes = self.recent.bytes - before + after;
        }
    }

    /// Replaces a message by its edited form; its reactions stay.
    pub(super) fn replace(&mut self, message: Arc<Message>) {
        self.change(message.id, |entry| entry.message = message);
    }

    /// Notes a reaction.
    pub(super) fn react(&mut self, id: MessageId, emoji: Emoji, user: UserId) {
        self.change(id, |entry| entry.react(emoji, user));
    }

    /// Takes a reaction back.
    pub(super) fn unreact(&mut self, id: MessageId, emoji: &Emoji, user: UserId) {
        self.change(id, |entry| entry.unreact(emoji, user));
    }

    /// Drops a message that was deleted.
    pub(super) fn remove(&mut self, id: MessageId) {
        self.take(id);
        if let Some(recalled) = &mut self.recalled {
            recalled.remove(id);
        }
    }

    fn take(&mut self, id: MessageId) -> Option<Remembered> {
        let recent = self.recent.made()?;
        let entry = recent.messages.remove(id)?;
        recent.bytes -= entry.bytes();
        let channel = entry.message.channel_id;
        if let Some(ids) = recent.channels.get_mut(&channel) {
            ids.remove(id);
            if ids.is_empty() {
                recent.channels.remove(&channel);
            }
        }
        Some(entry)
    }

    /// Drops all messages of a channel.
    pub(super) fn remove_channel(&mut self, channel: ChannelId) {
        if let Some(recent) = self.recent.made()
            && recent.channels.remove(&channel).is_some()
        {
            let bytes = &mut recent.bytes;
            recent.messages.retain(|entry| {
                let stays = entry.message.channel_id != channel;
                if !stays {
                    *bytes -= entry.bytes();
                }
                stays
            });
        }
        if let Some(recalled) = &mut self.recalled {
            recalled.retain(|entry| entry.message.channel_id != channel);
        }
    }

    /// Drops all messages up to `through`, for good.
    pub(super) fn trim(&mut self, through: MessageId) {
        while let Some(&(oldest, _)) = self.recent.messages.first()
            && oldest <= through
        {
            self.take(oldest);
        }
        if let Some(recalled) = &mut self.recalled {
            recalled.retain(|entry| entry.message.id > through);
        }
        self.trimmed = self.trimmed.max(through);
    }

    /// A page of a channel, newest first, of what is known.
    pub(super) fn page(&self, channel: ChannelId, page: Page, limit: usize) -> Vec<&Remembered> {
        let mut found = match page {
            Page::Latest => self.below(channel, HIGHEST, limit),
            Page::Before(id) => {
                before(id).map_or_else(Vec::new, |id| self.below(channel, id, limit))
            }
            Page::After(id) => self.above_newest_first(channel, id, limit),
            Page::Around(id) => {
                let mut found = self.above_newest_first(channel, id, limit / 2);
                found.extend(self.below(channel, id, limit - found.len()));
                found
            }
        };
        found.truncate(limit);
        found
            .iter()
            .filter_map(|id| self.get(channel, *id))
            .collect()
    }

    /// What has to be read so that a page is whole.
    pub(super) fn missing(&self, channel: ChannelId, page: Page, limit: usize) -> Vec<Span> {
        let missing: [Option<Span>; 2] = match page {
            Page::Latest => [None, self.missing_below(channel, HIGHEST, limit)],
            Page::Before(id) => {
                let below = before(id).and_then(|id| self.missing_below(channel, id, limit));
                [None, below]
            }
            Page::After(id) => [self.missing_above(channel, id, limit), None],
            Page::Around(id) => {
                let above = self.above(channel, id, limit / 2).len();
                [
                    self.missing_above(channel, id, limit / 2),
                    self.missing_below(channel, id, limit - above),
                ]
            }
        };
        missing.into_iter().flatten().collect()
    }

    /// The highest ids up to `to`, falling.
    fn below(&self, channel: ChannelId, to: MessageId, limit: usize) -> Vec<MessageId> {
        let recent = self.recent.channels.get(&channel).into_iter();
        let recent = recent.flat_map(|ids| ids.keys_through(to));
        let old = self.recalled.iter().flat_map(|r| r.ids(channel).rev());
        let old = old.filter(|id| *id <= to);
        recent.chain(old).take(limit).collect()
    }

    /// The lowest ids above `id`, rising.
    fn above(&self, channel: ChannelId, id: MessageId, limit: usize) -> Vec<MessageId> {
        let recent = self.recent.channels.get(&channel).into_iter();
        let recent = recent.flat_map(|ids| ids.keys_above(id));
        let old = self.recalled.iter().flat_map(|r| r.ids(channel));
        let old = old.filter(|old| *old > id);
        old.chain(recent).take(limit).collect()
    }

    fn above_newest_first(
        &self,
        channel: ChannelId,
        id: MessageId,
        limit: usize,
    ) -> Vec<MessageId> {
        let mut found = self.above(channel, id, limit);
        found.reverse();
        found
    }

    fn missing_below(&self, channel: ChannelId, to: MessageId, limit: usize) -> Option<Span> {
        let found = self.below(channel, to, limit);
        let lowest = found.last().filter(|_| found.len() == limit);
        let from = lowest.copied().unwrap_or(LOWEST);
        (!self.knows(channel, from, to)).then(|| Span {
            channel,
            from: LOWEST,
            to: to.min(self.base()),
            newest_first: true,
            limit,
        })
    }

    fn missing_above(&self, channel: ChannelId, id: MessageId, limit: usize) -> Option<Span> {
        if limit == 0 {
            return None;
        }
        let from = MessageId::new(id.get().checked_add(1)?);
        let found = self.above(channel, id, limit);
        let highest = found.last().filter(|_| found.len() == limit);
        let to = highest.copied().unwrap_or(HIGHEST);
        (!self.knows(channel, from, to)).then(|| Span {
            channel,
            from,
            to: self.base(),
            newest_first: false,
            limit,
        })
    }

    /// What has to be read so that it is known whether there is such a message.
    pub(super) fn missing_one(&self, channel: ChannelId, id: MessageId) -> Option<Span> {
        (!self.knows(channel, id, id)).then(|| Span::one(channel, id))
    }

    /// Whether every message of a channel between two ids is known.
    pub(super) fn knows(&self, channel: ChannelId, from: MessageId, to: MessageId) -> bool {
        let from = from.get().max(self.trimmed.get() + 1);
        let to = to.min(self.floor);
        if to.get() < from {
            return true;
        }
        let recalled = self.recalled.as_ref();
        recalled.is_some_and(|recalled| recalled.known_down_from(channel, to) <= from)
    }

    /// Whether there may be messages up to `through`.
    pub(super) fn has_any_through(&self, through: MessageId) -> bool {
        let oldest = self.recent.messages.first().map(|(oldest, _)| *oldest);
        through > self.trimmed
            && (!self.is_whole() || oldest.is_some_and(|oldest| oldest <= through))
    }

    /// Whether nothing that exists was forgotten.
    pub(super) fn is_whole(&self) -> bool {
        self.floor <= self.trimmed
    }

    fn base(&self) -> MessageId {
        let recalled = self.recalled.as_ref();
        recalled.map_or(self.floor, |recalled| recalled.base())
    }

    /// From now on what is forgotten is kept aside, while older messages are read.
    pub(super) fn begin_recall(&mut self) {
        self.recalled = Some(Box::new(Recalled::new(self.floor)));
    }

    /// Takes in what was read; `false` where too much was forgotten meanwhile.
    pub(super) fn recall(&mut self, read: Recollection) -> bool {
        let trimmed = self.trimmed;
        let Some(recalled) = &mut self.recalled else {
            return false;
        };
        recalled.fill(read, trimmed);
        !recalled.is_overflown()
    }

    /// Forgets what was kept aside and read.
    pub(super) fn end_recall(&mut self) {
        self.recalled = None;
    }

    /// Every message, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Remembered> {
        self.recent.messages.iter().map(|(_, entry)| entry)
    }

    /// Gives back room that is not needed.
    pub(super) fn give_back(&mut self) {
        if let Some(recent) = self.recent.made() {
            recent.messages.give_back();
            let channels = recent.channels.values_mut();
            channels.for_each(Ascending::give_back);
        }
        self.recent.give_back();
    }

    /// The newest message that was forgotten; 0 where none was.
    pub(super) const fn floor(&self) -> MessageId {
        self.floor
    }

    /// The newest message that is gone for good; 0 where none is.
    pub(super) const fn trimmed(&self) -> MessageId {
        self.trimmed
    }

    /// How many messages are known.
    pub(super) fn len(&self) -> usize {
        self.recent.messages.len()
    }

    /// The bytes that count against the limit.
    pub(super) fn bytes(&self) -> usize {
        self.recent.bytes
    }
}

fn before(id: MessageId) -> Option<MessageId> {
    id.get().checked_sub(1).map(MessageId::new)
}
