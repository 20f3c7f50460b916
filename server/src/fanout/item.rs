//! What a guild hands to the hubs: dispatches, and the permission changes between them.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::visibility::Visibility;
use crate::protocol::objects::Member;
use crate::protocol::{ChannelId, EventName, Intents, Position, UserId};

/// One thing that a hub applies to its sessions of a guild, in order.
#[derive(Debug, Clone)]
pub enum Item {
    /// Deliver an event.
    Dispatch(Dispatch),
    /// From here on this decides who sees which channel. Sessions are told of channels that they
    /// gain (CHANNEL_CREATE) and lose (CHANNEL_DELETE).
    Visibility {
        /// Where in the journal the change stands.
        position: Position,
        /// The new table.
        table: Arc<Visibility>,
    },
    /// A member's roles or time-out changed: its sessions see by them from here on.
    Member {
        /// Where in the journal the change stands.
        position: Position,
        /// The member.
        member: Arc<Member>,
    },
    /// A user is no longer a member: its sessions get GUILD_DELETE and nothing more of the guild.
    Left {
        /// Where in the journal the change stands.
        position: Position,
        /// The user.
        user: UserId,
    },
    /// The guild was deleted: every session gets GUILD_DELETE.
    Deleted {
        /// Where in the journal the change stands.
        position: Position,
    },
}

impl Item {
    /// Where in the journal the item stands; `None` for an ephemeral event.
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Dispatch(dispatch) => dispatch.position,
            Self::Visibility { position, .. }
            | Self::Member { position, .. }
            | Self::Left { position, .. }
            | Self::Deleted { position } => Some(*position),
        }
    }
}

/// An event, serialized once for all its recipients.
#[derive(Debug, Clone)]
pub struct Dispatch {
    /// Where in the journal it stands; `None` for an ephemeral event.
    pub position: Option<Position>,
    /// Which event.
    pub event: EventName,
    /// The payload up to the sequence number: `{"t":"NAME","op":0,"d":{…}`; see
    /// [`crate::fanout::envelope`].
    pub body: Bytes,
    /// The intent that a recipient must have.
    pub intent: Intents,
    /// The channel that a recipient must see, if it is about one.
    pub channel: Option<ChannelId>,
    /// Who it is for.
    pub audience: Audience,
    /// Whom an ephemeral event tells of: of two of a kind about the same user only the newer is of use.
    pub subject: Option<UserId>,
}

/// Who of a guild's sessions an event is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Audience {
    /// Everyone with the intent and the channel.
    Everyone,
    /// Sessions of this user alone.
    Only(UserId),
    /// Everyone but this user's sessions.
    Except(UserId),
}
