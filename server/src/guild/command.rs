//! What a guild can be asked: every write and every read that reaches it.
//!
//! Commands and replies are plain data, so that they can travel to the node that owns the guild.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::protocol::objects::{
    ChannelType, EmojiKey, Member, MessageReference, Nonce, Overwrite, User,
};
use crate::protocol::{ApiError, ChannelId, MessageId, Permissions, RoleId, Timestamp, UserId};

/// Who asks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Caller {
    /// A user, with the rights that its roles give.
    User(Arc<User>),
    /// The operator, through the admin API: every right.
    Operator,
}

impl Caller {
    /// The user who asks; `None` for the operator.
    pub fn user_id(&self) -> Option<UserId> {
        match self {
            Self::User(user) => Some(user.id),
            Self::Operator => None,
        }
    }
}

/// A request to a guild.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// Who asks.
    pub caller: Caller,
    /// For what.
    pub command: Command,
}

/// What is asked of a guild.
///
/// `Option<Option<T>>` fields of edits: outer `None` leaves the value, inner `None` clears it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Command {
    /// Make the guild: the first command that it can take.
    CreateGuild(Box<NewGuild>),
    /// Change settings. Needs MANAGE_GUILD; a new owner needs the old one.
    EditGuild(Box<GuildEdit>),
    /// Delete the guild. Owner only.
    DeleteGuild,
    /// Settings and roles, as `GET /guilds/{id}` shows them.
    GetGuild {
        /// Adds `approximate_member_count` and `approximate_presence_count`.
        with_counts: bool,
    },
    /// Every channel that the caller sees.
    GetChannels,
    /// One channel. Needs VIEW_CHANNEL.
    GetChannel(ChannelId),
    /// Add a channel. Needs MANAGE_CHANNELS.
    CreateChannel(Box<NewChannel>),
    /// Change a channel. Needs MANAGE_CHANNELS.
    EditChannel(ChannelId, Box<ChannelEdit>),
    /// Remove a channel. Needs MANAGE_CHANNELS.
    DeleteChannel(ChannelId),
    /// Set one overwrite of a channel. Needs MANAGE_ROLES.
    SetOverwrite(ChannelId, Overwrite),
    /// Remove one overwrite of a channel. Needs MANAGE_ROLES.
    DeleteOverwrite(ChannelId, u64),
    /// Every role.
    GetRoles,
    /// Add a role. Needs MANAGE_ROLES.
    CreateRole(RoleId, Box<RoleEdit>),
    /// Change a role. Needs MANAGE_ROLES and a higher role.
    EditRole(RoleId, Box<RoleEdit>),
    /// Remove a role. Needs MANAGE_ROLES and a higher role.
    DeleteRole(RoleId),
    /// A page of members by rising user id.
    GetMembers {
        /// Members after this user.
        after: Option<UserId>,
        /// At most this many, 1 to 1,000.
        limit: usize,
    },
    /// One member.
    GetMember(UserId),
    /// Members whose name or nick starts with `query` (empty: all), or those of `user_ids`.
    /// The answer is [`Reply::Members`].
    RequestMembers(Box<MemberQuery>),
    /// Add a user. Needs MANAGE_GUILD or CREATE_INSTANT_INVITE.
    /// The answer is [`Reply::Unchanged`] where the user is a member already.
    AddMember(Box<NewMember>),
    /// Change a member. Needs the permission for each field.
    EditMember(UserId, Box<MemberEdit>),
    /// Remove a member: oneself, or another with KICK_MEMBERS and a higher role.
    RemoveMember(UserId),
    /// Give a role to a member. Needs MANAGE_ROLES and a higher role.
    AddMemberRole(UserId, RoleId),
    /// Take a role from a member. Needs MANAGE_ROLES and a higher role.
    RemoveMemberRole(UserId, RoleId),
    /// Send a message. Needs VIEW_CHANNEL and SEND_MESSAGES.
    CreateMessage(ChannelId, Box<NewMessage>),
    /// Edit one's own message (others may only change flags, with MANAGE_MESSAGES).
    EditMessage(ChannelId, MessageId, Box<MessageEdit>),
    /// Delete a message: one's own, or another's with MANAGE_MESSAGES.
    DeleteMessage(ChannelId, MessageId),
    /// Delete 2 to 100 messages. Needs MANAGE_MESSAGES.
    BulkDelete(ChannelId, Vec<MessageId>),
    /// A page of history, newest first. Needs VIEW_CHANNEL and READ_MESSAGE_HISTORY.
    GetMessages {
        /// The channel.
        channel: ChannelId,
        /// Which part.
        page: Page,
        /// At most this many, 1 to 100.
        limit: usize,
    },
    /// One message.
    GetMessage(ChannelId, MessageId),
    /// React. Needs READ_MESSAGE_HISTORY, and ADD_REACTIONS for a new emoji.
    AddReaction(ChannelId, MessageId, EmojiKey),
    /// Take a reaction back: one's own (`None`), or another's with MANAGE_MESSAGES.
    RemoveReaction(ChannelId, MessageId, EmojiKey, Option<UserId>),
    /// Users who reacted with an emoji, by rising id.
    GetReactions {
        /// The channel.
        channel: ChannelId,
        /// The message.
        message: MessageId,
        /// The emoji.
        emoji: EmojiKey,
        /// Users after this one.
        after: Option<UserId>,
        /// At most this many, 1 to 100.
        limit: usize,
    },
    /// Show that the caller is typing. Needs SEND_MESSAGES.
    Typing(ChannelId),
}

impl Command {
    /// Whether it is answered without anything being written.
    pub const fn only_reads(&self) -> bool {
        matches!(
            self,
            Self::GetGuild { .. }
                | Self::GetChannels
                | Self::GetChannel(_)
                | Self::GetRoles
                | Self::GetMembers { .. }
                | Self::GetMember(_)
                | Self::RequestMembers(_)
                | Self::GetMessages { .. }
                | Self::GetMessage(..)
                | Self::GetReactions { .. }
                | Self::Typing(_)
        )
    }
}

/// A guild to be made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewGuild {
    /// 2 to 100 characters.
    pub name: String,
    /// The owner, its first member.
    pub owner: Arc<User>,
    /// Further members.
    pub members: Vec<Arc<User>>,
    /// Its channels, ids already given.
    pub channels: Vec<NewChannel>,
    /// Whether it is a direct message channel: `members` and owner are the recipients.
    pub direct: bool,
}

/// A channel to be made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewChannel {
    /// Its id, given by the caller so that the directory knows it first.
    pub id: ChannelId,
    /// What it is for.
    pub kind: ChannelType,
    /// Its fields; `name` is required.
    pub fields: ChannelEdit,
}

/// Fields of a channel to set.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ChannelEdit {
    /// 1 to 100 characters.
    pub name: Option<String>,
    /// At most 1,024 characters.
    pub topic: Option<Option<String>>,
    /// Order in lists.
    pub position: Option<u16>,
    /// The category.
    pub parent_id: Option<Option<ChannelId>>,
    /// All overwrites.
    pub permission_overwrites: Option<Vec<Overwrite>>,
    /// Age restricted.
    pub nsfw: Option<bool>,
    /// Slow mode in seconds, 0 to 21,600.
    pub rate_limit_per_user: Option<u16>,
    /// Voice channels: bits per second.
    pub bitrate: Option<u32>,
    /// Voice channels: most users.
    pub user_limit: Option<u16>,
}

/// Fields of a guild to set.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct GuildEdit {
    /// 2 to 100 characters.
    pub name: Option<String>,
    /// At most 300 characters.
    pub description: Option<Option<String>>,
    /// The new owner, a member.
    pub owner_id: Option<UserId>,
    /// 0 to 4.
    pub verification_level: Option<u8>,
    /// 0 or 1.
    pub default_message_notifications: Option<u8>,
    /// 0 to 2.
    pub explicit_content_filter: Option<u8>,
    /// A channel of the guild.
    pub system_channel_id: Option<Option<ChannelId>>,
    /// A locale.
    pub preferred_locale: Option<String>,
}

/// Fields of a role to set.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RoleEdit {
    /// 1 to 100 characters; `new role` by default.
    pub name: Option<String>,
    /// Bits granted; those of `@everyone` by default.
    pub permissions: Option<Permissions>,
    /// 24-bit RGB.
    pub color: Option<u32>,
    /// Whether members with it are listed apart.
    pub hoist: Option<bool>,
    /// Whether everyone may mention it.
    pub mentionable: Option<bool>,
    /// Rank, 1 and up.
    pub position: Option<u16>,
}

/// A member to be added.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewMember {
    /// The account.
    pub user: Arc<User>,
    /// The name in the guild.
    pub nick: Option<String>,
    /// Roles from the start. Needs MANAGE_ROLES.
    pub roles: Vec<RoleId>,
}

/// Fields of a member to set.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct MemberEdit {
    /// At most 32 characters. Needs CHANGE_NICKNAME for oneself, MANAGE_NICKNAMES for others.
    pub nick: Option<Option<String>>,
    /// All roles. Needs MANAGE_ROLES.
    pub roles: Option<Vec<RoleId>>,
    /// Until when the member may only read. Needs MODERATE_MEMBERS.
    pub communication_disabled_until: Option<Option<Timestamp>>,
}

/// Which members a session asks for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct MemberQuery {
    /// Start of the name or nick, letter case ignored; empty for all.
    pub query: String,
    /// Members with exactly these ids, instead of a query.
    pub user_ids: Vec<UserId>,
    /// At most this many; 0 for no limit, which only an empty query may ask for.
    pub limit: usize,
    /// Whether to add presences.
    pub presences: bool,
}

/// A message to be sent.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct NewMessage {
    /// At most 2,000 characters.
    pub content: String,
    /// Spoken.
    pub tts: bool,
    /// At most 10 embeds, as they came.
    pub embeds: Vec<Box<RawValue>>,
    /// Components, as they came.
    pub components: Vec<Box<RawValue>>,
    /// Flags that an author may set.
    pub flags: u64,
    /// The author's mark.
    pub nonce: Option<Nonce>,
    /// Whether a message of the same author and nonce is returned instead of sending another.
    pub enforce_nonce: bool,
    /// Which mentions count; `None` for all.
    pub allowed_mentions: Option<AllowedMentions>,
    /// What it replies to, and whether it is an error if that is not there.
    pub reference: Option<(MessageReference, bool)>,
}

/// Which mentions in a content count.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AllowedMentions {
    /// Kinds parsed from the content: `users`, `roles`, `everyone`.
    #[serde(default)]
    pub parse: Vec<String>,
    /// Users besides.
    #[serde(default)]
    pub users: Vec<UserId>,
    /// Roles besides.
    #[serde(default)]
    pub roles: Vec<RoleId>,
    /// Whether the author replied to is mentioned.
    #[serde(default)]
    pub replied_user: bool,
}

/// Fields of a message to set.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct MessageEdit {
    /// At most 2,000 characters.
    pub content: Option<String>,
    /// At most 10 embeds.
    pub embeds: Option<Vec<Box<RawValue>>>,
    /// Components.
    pub components: Option<Vec<Box<RawValue>>>,
    /// Flags that an author may set.
    pub flags: Option<u64>,
    /// Which mentions count; `None` for all.
    pub allowed_mentions: Option<AllowedMentions>,
}

/// Which part of a channel's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Page {
    /// The newest.
    Latest,
    /// The newest before this id.
    Before(MessageId),
    /// The oldest after this id.
    After(MessageId),
    /// Those around this id.
    Around(MessageId),
}

/// What a guild answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Reply {
    /// A JSON body, ready to send.
    Json(Bytes),
    /// Done; nothing to show (204).
    Done,
    /// Nothing had to be done (204 where a change would be 201).
    Unchanged,
    /// Members for GUILD_MEMBERS_CHUNK, with shown presences as JSON objects where asked for.
    Members {
        /// Those found.
        members: Vec<Arc<Member>>,
        /// Ids asked for that are no members.
        not_found: Vec<UserId>,
        /// Presence objects of those found.
        presences: Vec<Box<RawValue>>,
    },
}

/// A reply or the error that the client sees.
pub type Outcome = Result<Reply, ApiError>;
