//! A message with its reactions, and what each record about it makes of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::guild::event::Event;
use crate::protocol::objects::{Emoji, Message, Reaction};
use crate::protocol::{ChannelId, MessageId, UserId};

/// A message and who reacted to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Remembered {
    pub(super) message: Arc<Message>,
    /// By first use of the emoji; each one's users by rising id, never none.
    pub(super) reactions: Vec<Reaction>,
}

impl Remembered {
    /// A message without reactions.
    pub(super) const fn new(message: Arc<Message>) -> Self {
        Self {
            message,
            reactions: Vec::new(),
        }
    }

    /// A message as the records about it have it, oldest first; `None` where it was deleted or its
    /// beginning is gone. The same as memory has after those records.
    pub fn fold(events: impl IntoIterator<Item = Event>) -> Option<Self> {
        let mut folded = None;
        for event in events {
            match event {
                Event::MessageCreated { message, .. } => folded = Some(Self::new(message)),
                Event::MessageDeleted { .. } | Event::MessagesDeleted { .. } => return None,
                other => {
                    if let Some(entry) = &mut folded {
                        entry.take(other);
                    }
                }
            }
        }
        folded
    }

    /// The message that it replies to.
    pub fn reference(&self) -> Option<(ChannelId, MessageId)> {
        let reference = self.message.message_reference.as_ref()?;
        Some((reference.channel_id, reference.message_id))
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::MessageEdited { message, .. } => self.message = message,
            Event::ReactionAdded { member, emoji, .. } => self.react(emoji, member.user.id),
            Event::ReactionRemoved { user_id, emoji, .. } => self.unreact(&emoji, user_id),
            _ => {}
        }
    }

    /// Notes a reaction.
    pub(super) fn react(&mut self, emoji: Emoji, user: UserId) {
        let same = |reaction: &&mut Reaction| is_same_emoji(&reaction.emoji, &emoji);
        match self.reactions.iter_mut().find(same) {
            Some(reaction) => {
                if let Err(place) = reaction.users.binary_search(&user) {
                    reaction.users.insert(place, user);
                }
            }
            None => self.reactions.push(Reaction {
                emoji,
                users: vec![user],
            }),
        }
    }

    /// Takes a reaction back.
    pub(super) fn unreact(&mut self, emoji: &Emoji, user: UserId) {
        self.reactions.retain_mut(|reaction| {
            if is_same_emoji(&reaction.emoji, emoji)
                && let Ok(place) = reaction.users.binary_search(&user)
            {
                reaction.users.remove(place);
            }
            !reaction.users.is_empty()
        });
    }

    /// Bytes of content, embeds, components and reactions.
    pub(super) fn bytes(&self) -> usize {
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
