//! What happens to a guild and is kept: the records of its journal.
//!
//! State is the fold of these over an empty guild. Each record holds all that its dispatch needs,
//! so that what a session missed can be rendered from the journal alone.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::smallvec;

use crate::journal::About;
use crate::protocol::objects::{
    Channel, Emoji, GuildSettings, Member, Message, Nonce, PartialMember, Role, User,
};
use crate::protocol::{ChannelId, MessageId, RoleId, UserId};

/// One durable happening in a guild.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Event {
    /// A node took the guild; the position of this record is the epoch of its ownership.
    Claimed {
        /// The node's name.
        node: String,
    },
    /// The guild came to be.
    GuildCreated {
        /// Its settings.
        settings: Box<GuildSettings>,
        /// Its roles; the first is `@everyone`.
        roles: Vec<Role>,
        /// Its channels.
        channels: Vec<Channel>,
        /// Its members; the first is the owner.
        members: Vec<Arc<Member>>,
        /// Whether it is a conversation between users (a direct message channel).
        direct: bool,
    },
    /// Its settings changed.
    GuildUpdated {
        /// All of them.
        settings: Box<GuildSettings>,
        /// The roles as they were: clients expect them beside the settings.
        roles: Vec<Role>,
    },
    /// It was deleted; nothing follows.
    GuildDeleted,
    /// A channel was added.
    ChannelCreated(Box<Channel>),
    /// A channel changed, also its overwrites.
    ChannelUpdated(Box<Channel>),
    /// A channel was removed with its messages.
    ChannelDeleted(Box<Channel>),
    /// A role was added.
    RoleCreated(Box<Role>),
    /// A role changed.
    RoleUpdated(Box<Role>),
    /// A role was removed from the guild, its members and its channels.
    RoleDeleted {
        /// The role.
        role_id: RoleId,
    },
    /// A user became a member.
    MemberJoined(Arc<Member>),
    /// A member's name, roles or time-out changed.
    MemberUpdated(Arc<Member>),
    /// A user is no longer a member.
    MemberLeft {
        /// The user.
        user: Arc<User>,
    },
    /// A message was sent.
    MessageCreated {
        /// The message.
        message: Arc<Message>,
        /// The author's membership at that time.
        member: Option<Box<PartialMember>>,
        /// The author's mark on it.
        nonce: Option<Nonce>,
        /// The message it replies to, as it was then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        referenced: Option<Arc<Message>>,
    },
    /// A message was edited; the whole message as it is now.
    MessageEdited {
        /// The message.
        message: Arc<Message>,
        /// The author's membership at that time, if still a member.
        member: Option<Box<PartialMember>>,
        /// The message it replies to, if that is still known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        referenced: Option<Arc<Message>>,
    },
    /// A message was deleted.
    MessageDeleted {
        /// Its channel.
        channel_id: ChannelId,
        /// The message.
        message_id: MessageId,
    },
    /// Messages were deleted together.
    MessagesDeleted {
        /// Their channel.
        channel_id: ChannelId,
        /// The messages.
        message_ids: Vec<MessageId>,
    },
    /// Messages up to one of them are gone, because of their age or number; nobody is told.
    HistoryTrimmed {
        /// The newest of them.
        through: MessageId,
    },
    /// A member reacted to a message.
    ReactionAdded {
        /// The channel of the message.
        channel_id: ChannelId,
        /// The message.
        message_id: MessageId,
        /// The author of the message, if known.
        message_author_id: Option<UserId>,
        /// The member who reacted.
        member: Arc<Member>,
        /// The emoji.
        emoji: Emoji,
    },
    /// A reaction was taken back or removed.
    ReactionRemoved {
        /// The channel of the message.
        channel_id: ChannelId,
        /// The message.
        message_id: MessageId,
        /// Whose reaction.
        user_id: UserId,
        /// The emoji.
        emoji: Emoji,
    },
}

impl Event {
    /// The messages that it is about: by them its record is found when they are no longer in memory.
    pub fn about(&self) -> Option<About> {
        let (channel, messages) = match self {
            Self::MessageCreated { message, .. } | Self::MessageEdited { message, .. } => {
                (message.channel_id, smallvec![message.id])
            }
            Self::MessageDeleted {
                channel_id,
                message_id,
            }
            | Self::ReactionAdded {
                channel_id,
                message_id,
                ..
            }
            | Self::ReactionRemoved {
                channel_id,
                message_id,
                ..
            } => (*channel_id, smallvec![*message_id]),
            Self::MessagesDeleted {
                channel_id,
                message_ids,
            } => (*channel_id, message_ids.iter().copied().collect()),
            _ => return None,
        };
        Some(About { channel, messages })
    }
}
