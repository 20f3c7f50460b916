//! Names of dispatch events and the intent that each needs.

use serde::{Deserialize, Serialize};

use super::Intents;

/// A dispatch event that the server sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)] // each variant is the wire name in camel case
pub enum EventName {
    Ready,
    Resumed,
    GuildCreate,
    GuildUpdate,
    GuildDelete,
    GuildRoleCreate,
    GuildRoleUpdate,
    GuildRoleDelete,
    ChannelCreate,
    ChannelUpdate,
    ChannelDelete,
    GuildMemberAdd,
    GuildMemberUpdate,
    GuildMemberRemove,
    GuildMembersChunk,
    MessageCreate,
    MessageUpdate,
    MessageDelete,
    MessageDeleteBulk,
    MessageReactionAdd,
    MessageReactionRemove,
    TypingStart,
    PresenceUpdate,
}

impl EventName {
    /// The name on the wire (`t`).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "READY",
            Self::Resumed => "RESUMED",
            Self::GuildCreate => "GUILD_CREATE",
            Self::GuildUpdate => "GUILD_UPDATE",
            Self::GuildDelete => "GUILD_DELETE",
            Self::GuildRoleCreate => "GUILD_ROLE_CREATE",
            Self::GuildRoleUpdate => "GUILD_ROLE_UPDATE",
            Self::GuildRoleDelete => "GUILD_ROLE_DELETE",
            Self::ChannelCreate => "CHANNEL_CREATE",
            Self::ChannelUpdate => "CHANNEL_UPDATE",
            Self::ChannelDelete => "CHANNEL_DELETE",
            Self::GuildMemberAdd => "GUILD_MEMBER_ADD",
            Self::GuildMemberUpdate => "GUILD_MEMBER_UPDATE",
            Self::GuildMemberRemove => "GUILD_MEMBER_REMOVE",
            Self::GuildMembersChunk => "GUILD_MEMBERS_CHUNK",
            Self::MessageCreate => "MESSAGE_CREATE",
            Self::MessageUpdate => "MESSAGE_UPDATE",
            Self::MessageDelete => "MESSAGE_DELETE",
            Self::MessageDeleteBulk => "MESSAGE_DELETE_BULK",
            Self::MessageReactionAdd => "MESSAGE_REACTION_ADD",
            Self::MessageReactionRemove => "MESSAGE_REACTION_REMOVE",
            Self::TypingStart => "TYPING_START",
            Self::PresenceUpdate => "PRESENCE_UPDATE",
        }
    }

    /// The intent a session must have to receive the event in a guild; `NONE` where it always does.
    pub const fn guild_intent(self) -> Intents {
        match self {
            Self::Ready | Self::Resumed | Self::GuildMembersChunk => Intents::NONE,
            Self::GuildCreate
            | Self::GuildUpdate
            | Self::GuildDelete
            | Self::GuildRoleCreate
            | Self::GuildRoleUpdate
            | Self::GuildRoleDelete
            | Self::ChannelCreate
            | Self::ChannelUpdate
            | Self::ChannelDelete => Intents::GUILDS,
            Self::GuildMemberAdd | Self::GuildMemberUpdate | Self::GuildMemberRemove => {
                Intents::GUILD_MEMBERS
            }
            Self::MessageCreate
            | Self::MessageUpdate
            | Self::MessageDelete
            | Self::MessageDeleteBulk => Intents::GUILD_MESSAGES,
            Self::MessageReactionAdd | Self::MessageReactionRemove => {
                Intents::GUILD_MESSAGE_REACTIONS
            }
            Self::TypingStart => Intents::GUILD_MESSAGE_TYPING,
            Self::PresenceUpdate => Intents::GUILD_PRESENCES,
        }
    }

    /// The intent a session must have to receive the event of a direct message channel.
    pub const fn direct_intent(self) -> Intents {
        match self {
            Self::MessageCreate
            | Self::MessageUpdate
            | Self::MessageDelete
            | Self::MessageDeleteBulk => Intents::DIRECT_MESSAGES,
            Self::MessageReactionAdd | Self::MessageReactionRemove => {
                Intents::DIRECT_MESSAGE_REACTIONS
            }
            Self::TypingStart => Intents::DIRECT_MESSAGE_TYPING,
            other => other.guild_intent(),
        }
    }

    /// Whether the event is of passing interest: it is not journaled and is the first to be dropped.
    pub const fn is_ephemeral(self) -> bool {
        matches!(self, Self::TypingStart | Self::PresenceUpdate)
    }
}
