//! Messages and reactions.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::fixed::{EmptyList, False, Zero};
use super::{Member, User};
use crate::protocol::{ChannelId, GuildId, MessageId, RoleId, Timestamp, UserId};

/// A message without what belongs to one recipient or one event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Message {
    /// The message's id; ids of one guild rise in journal order.
    pub id: MessageId,
    /// 0 for an ordinary message, 19 for a reply.
    #[serde(rename = "type")]
    pub kind: u8,
    /// Where it was sent.
    pub channel_id: ChannelId,
    /// Who sent it.
    pub author: Arc<User>,
    /// At most 2,000 characters.
    pub content: String,
    /// When it was sent.
    pub timestamp: Timestamp,
    /// When it was last edited.
    pub edited_timestamp: Option<Timestamp>,
    /// Whether it is to be spoken.
    pub tts: bool,
    /// Whether it addresses everyone.
    pub mention_everyone: bool,
    /// Members it mentions.
    pub mentions: Vec<Arc<User>>,
    /// Roles it mentions.
    pub mention_roles: Vec<RoleId>,
    /// Always empty: uploads are not served.
    #[serde(default)]
    pub attachments: EmptyList,
    /// Embeds as the author sent them.
    pub embeds: Vec<Box<RawValue>>,
    /// Components as the author sent them.
    #[serde(default)]
    pub components: Vec<Box<RawValue>>,
    /// Whether it is pinned.
    pub pinned: bool,
    /// Message flags that the author may set (2: suppress embeds, 12: silent).
    pub flags: u64,
    /// What it replies to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_reference: Option<MessageReference>,
}

/// The message that another one replies to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageReference {
    /// The message.
    pub message_id: MessageId,
    /// Its channel.
    pub channel_id: ChannelId,
    /// Its guild.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guild_id: Option<GuildId>,
}

/// The member fields that accompany a message's author: everything but the user, and without the optional fields that would be
/// null or false, since each session of the channel is sent them with each message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialMember {
    /// The name in this guild.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nick: Option<Box<str>>,
    /// Roles beside `@everyone`.
    pub roles: Box<[RoleId]>,
    /// When the user joined.
    pub joined_at: Timestamp,
    /// Always false.
    #[serde(default)]
    pub deaf: False,
    /// Always false.
    #[serde(default)]
    pub mute: False,
    /// Always 0.
    #[serde(default)]
    pub flags: Zero,
    /// Until when the member may only read, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub communication_disabled_until: Option<Timestamp>,
}

impl From<&Member> for PartialMember {
    fn from(member: &Member) -> Self {
        Self {
            nick: member.nick.clone(),
            roles: member.roles.clone(),
            joined_at: member.joined_at,
            deaf: False,
            mute: False,
            flags: Zero,
            communication_disabled_until: member.communication_disabled_until,
        }
    }
}

/// A client's mark on a message that it creates: a string or a number, echoed as it came.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Nonce {
    /// At most 25 characters.
    Text(String),
    /// A number.
    Number(u64),
}

/// An emoji in a reaction: a Unicode one has only a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Emoji {
    /// The custom emoji's id; null for a Unicode emoji.
    pub id: Option<String>,
    /// The emoji itself, or the custom emoji's name.
    pub name: String,
}

/// Which emoji a path names: `%F0%9F%91%8D` or `name:id`, already percent-decoded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EmojiKey(pub Emoji);

impl EmojiKey {
    /// Reads the decoded path segment; `None` if it is empty, over 64 bytes or malformed.
    pub fn parse(segment: &str) -> Option<Self> {
        if segment.is_empty() || segment.len() > 64 {
            return None;
        }
        let Some((name, id)) = segment.rsplit_once(':') else {
            return Some(Self(Emoji {
                id: None,
                name: segment.to_owned(),
            }));
        };
        let name = name.strip_prefix("a:").unwrap_or(name);
        let valid = !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && id.parse::<u64>().is_ok_and(|id| id != 0);
        valid.then(|| {
            Self(Emoji {
                id: Some(id.to_owned()),
                name: name.to_owned(),
            })
        })
    }
}

/// Who reacted with one emoji, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// The emoji.
    pub emoji: Emoji,
    /// Users who reacted.
    pub users: Vec<UserId>,
}
