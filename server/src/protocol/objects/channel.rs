//! Channels and their permission overwrites.

use serde::{Deserialize, Serialize};
use serde_repr::{Deserialize_repr, Serialize_repr};

use super::fixed::{False, Null, Zero};
use crate::protocol::permissions::Permissions;
use crate::protocol::{ChannelId, MessageId, RoleId, UserId};

/// What a channel is for. Types without voice, threads or forums behave as text here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize_repr, Deserialize_repr)]
#[repr(u8)]
pub enum ChannelType {
    /// 0: text in a guild.
    Text = 0,
    /// 1: text between users; a guild of its own inside.
    Direct = 1,
    /// 2: voice in a guild; kept, without voice.
    Voice = 2,
    /// 4: groups other channels.
    Category = 4,
    /// 5: text that others may follow; behaves as text.
    Announcement = 5,
}

impl ChannelType {
    /// Whether messages can be sent there.
    pub const fn has_messages(self) -> bool {
        !matches!(self, Self::Category)
    }
}

/// A channel of a guild.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// The channel's id.
    pub id: ChannelId,
    /// What it is for.
    #[serde(rename = "type")]
    pub kind: ChannelType,
    /// 1 to 100 characters.
    pub name: Box<str>,
    /// At most 1,024 characters.
    pub topic: Option<Box<str>>,
    /// Order in lists; fits 16 bits.
    pub position: u16,
    /// The category it is in.
    pub parent_id: Option<ChannelId>,
    /// Exceptions to the permissions of roles and members.
    pub permission_overwrites: Box<[Overwrite]>,
    /// Whether it is marked as age restricted.
    #[serde(default)]
    pub nsfw: bool,
    /// Slow mode: seconds between two messages of one user, 0 to 21,600.
    #[serde(default)]
    pub rate_limit_per_user: u16,
    /// The newest message at the time of the snapshot.
    #[serde(default)]
    pub last_message_id: Option<MessageId>,
    /// Voice channels: bits per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<u32>,
    /// Voice channels: most users, 0 for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_limit: Option<u16>,
    /// Always null.
    #[serde(default)]
    pub last_pin_timestamp: Null,
    /// Always 0.
    #[serde(default)]
    pub flags: Zero,
    /// Always false.
    #[serde(default)]
    pub managed: False,
}

/// Whom an overwrite is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize_repr, Deserialize_repr)]
#[repr(u8)]
pub enum OverwriteType {
    /// 0: a role.
    Role = 0,
    /// 1: a member.
    Member = 1,
}

/// An exception to the permissions of a role or a member in one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overwrite {
    /// The role's or user's id, by `kind`.
    #[serde(with = "raw_id")]
    pub id: u64,
    /// Whom it is for.
    #[serde(rename = "type")]
    pub kind: OverwriteType,
    /// Bits granted.
    #[serde(default)]
    pub allow: Permissions,
    /// Bits taken.
    #[serde(default)]
    pub deny: Permissions,
}

impl Overwrite {
    /// Whether it is for this role.
    pub fn is_for_role(&self, role: RoleId) -> bool {
        self.kind == OverwriteType::Role && self.id == role.get()
    }

    /// Whether it is for this member.
    pub fn is_for_member(&self, user: UserId) -> bool {
        self.kind == OverwriteType::Member && self.id == user.get()
    }
}

/// Overwrites name roles and members by the same key; the id travels as a decimal string.
mod raw_id {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::protocol::UserId;

    #[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
    pub(super) fn serialize<S: Serializer>(id: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        UserId::deserialize(deserializer).map(UserId::get)
    }
}
