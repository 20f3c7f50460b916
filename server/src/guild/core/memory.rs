//! The recent messages of a guild, with their reactions: bounded, the oldest forgotten first.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::limits::CoreSettings;
use crate::guild::command::Page;
use crate::protocol::objects::{Emoji, Message, Reaction};
use crate::protocol::{ChannelId, MessageId, UserId};

/// A message and who reacted to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Remembered {
    pub(super) message: Arc<Message>,
    /// By first use of the emoji; each one's users by rising id, never none.
    pub(super) reactions: Vec<Reaction>,
}

impl Remembered {
    fn bytes(&self) -> usize {
        let message = &self.message;
        let rich = message.embeds.iter().chain(&message.components);
        message.content.len()
            + rich.map(|raw| raw.get().len()).sum::<usize>()
            + self
                .reactions
                .iter()
                .map(|reaction| {
                    reaction.emoji.name.len() + reaction.users.len() * size_of::<UserId>()
                })
                .sum::<usize>()
    }

    /// The users who reacted with an emoji.
    pub(super) fn users_of(&self, emoji: &Emoji) -> Option<&[UserId]> {
        self.reactions
            .iter()
            .find(|reaction| is_same_emoji(&reaction.emoji, emoji))
            .map(|reaction| &reaction.users[..])
    }
}

/// Custom emoji are the same by id, whatever they are called.
pub(super) fn is_same_emoji(one: &Emoji, other: &Emoji) -> bool {
    one.id == other.id && (one.id.is_some() || one.name == other.name)
}

/// Recent messages. Ids of a guild rise in journal order, so the lowest id is the oldest.
#[derive(Debug, Default)]
pub(super) struct MessageMemory {
    messages: BTreeMap<MessageId, Remembered>,
    channels: BTreeMap<ChannelId, BTreeSet<MessageId>>,
    bytes: usize,
}

impl MessageMemory {
    /// Adds a message and forgets the oldest ones beyond the limits.
    pub(super) fn insert(&mut self, entry: Remembered, limits: &CoreSettings) {
        let (id, channel) = (entry.message.id, entry.message.channel_id);
        self.bytes += entry.bytes();
        if let Some(previous) = self.messages.insert(id, entry) {
            self.bytes -= previous.bytes();
        }
        self.channels.entry(channel).or_default().insert(id);
        while self.messages.len() > limits.max_messages || self.bytes > limits.max_message_bytes {
            let Some((&oldest, _)) = self.messages.first_key_value() else {
                break;
            };
            self.remove(oldest);
        }
    }

    /// A message of a channel.
    pub(super) fn get(&self, channel: ChannelId, id: MessageId) -> Option<&Remembered> {
        self.messages
            .get(&id)
            .filter(|entry| entry.message.channel_id == channel)
    }

    /// The oldest message still known: older ones may exist.
    pub(super) fn oldest(&self) -> Option<MessageId> {
        self.messages.keys().next().copied()
    }

    /// Replaces a message by its edited form; its reactions stay.
    pub(super) fn replace(&mut self, message: Arc<Message>) {
        if let Some(entry) = self.messages.get_mut(&message.id) {
            let before = entry.bytes();
            entry.message = message;
            self.bytes = self.bytes - before + entry.bytes();
        }
    }

    /// Forgets a message.
    pub(super) fn remove(&mut self, id: MessageId) {
        let Some(entry) = self.messages.remove(&id) else {
            return;
        };
        self.bytes -= entry.bytes();
        let channel = entry.message.channel_id;
        if let Some(ids) = self.channels.get_mut(&channel) {
            ids.remove(&id);
            if ids.is_empty() {
                self.channels.remove(&channel);
            }
        }
    }

    /// Forgets all messages of a channel.
    pub(super) fn remove_channel(&mut self, channel: ChannelId) {
        for id in self.channels.remove(&channel).unwrap_or_default() {
            if let Some(entry) = self.messages.remove(&id) {
                self.bytes -= entry.bytes();
            }
        }
    }

    /// Notes a reaction.
    pub(super) fn react(&mut self, id: MessageId, emoji: Emoji, user: UserId) {
        let Some(entry) = self.messages.get_mut(&id) else {
            return;
        };
        let before = entry.bytes();
        match entry
            .reactions
            .iter_mut()
            .find(|reaction| is_same_emoji(&reaction.emoji, &emoji))
        {
            Some(reaction) => {
                if let Err(place) = reaction.users.binary_search(&user) {
                    reaction.users.insert(place, user);
                }
            }
            None => entry.reactions.push(Reaction {
                emoji,
                users: vec![user],
            }),
        }
        self.bytes = self.bytes - before + entry.bytes();
    }

    /// Takes a reaction back.
    pub(super) fn unreact(&mut self, id: MessageId, emoji: &Emoji, user: UserId) {
        let Some(entry) = self.messages.get_mut(&id) else {
            return;
        };
        let before = entry.bytes();
        entry.reactions.retain_mut(|reaction| {
            if is_same_emoji(&reaction.emoji, emoji)
                && let Ok(place) = reaction.users.binary_search(&user)
            {
                reaction.users.remove(place);
            }
            !reaction.users.is_empty()
        });
        self.bytes = self.bytes - before + entry.bytes();
    }

    /// A page of a channel, newest first.
    pub(super) fn page(&self, channel: ChannelId, page: Page, limit: usize) -> Vec<&Remembered> {
        let Some(ids) = self.channels.get(&channel) else {
            return Vec::new();
        };
        let mut found: Vec<MessageId> = match page {
            Page::Latest => ids.iter().rev().take(limit).copied().collect(),
            Page::Before(id) => ids.range(..id).rev().take(limit).copied().collect(),
            Page::After(id) => newest_first(after(ids, id, limit)),
            Page::Around(id) => {
                let mut found = newest_first(after(ids, id, limit / 2));
                let rest = limit - found.len();
                found.extend(ids.range(..=id).rev().take(rest));
                found
            }
        };
        found.truncate(limit);
        found
            .iter()
            .filter_map(|id| self.messages.get(id))
            .collect()
    }

    /// Every message, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Remembered> {
        self.messages.values()
    }

    /// How many messages are known.
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// The bytes that count against the limit.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

fn after(ids: &BTreeSet<MessageId>, id: MessageId, limit: usize) -> Vec<MessageId> {
    let above = (std::ops::Bound::Excluded(id), std::ops::Bound::Unbounded);
    ids.range(above).take(limit).copied().collect()
}

fn newest_first(mut ids: Vec<MessageId>) -> Vec<MessageId> {
    ids.reverse();
    ids
}
