//! From an event to the items that hubs apply: pure, from the event alone.
//!
//! So a stretch that somebody missed can be rendered from journal records. What an event alone
//! cannot give is the [`Item::Visibility`] of a change of channels, roles or owner: that needs the
//! state, see [`super::Replay`].

mod guild;
mod message;
mod presence;

use bytes::Bytes;
use smallvec::{SmallVec, smallvec};

pub(super) use message::{complete_message, message_item, typing_item};
pub(super) use presence::{presence_item, write_presence};

use crate::fanout::envelope::write_prefix;
use crate::fanout::{Audience, Dispatch, Item};
use crate::guild::event::Event;
use crate::protocol::{ChannelId, EventName, GuildId, Intents, Position};

/// The items of one event, in the order in which hubs apply them.
pub type Items = SmallVec<[Item; 2]>;

/// What all events of a guild have in common.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    /// The guild.
    pub guild: GuildId,
    /// Whether it is a direct message channel: no `guild_id` in events, and other intents.
    pub direct: bool,
}

impl Scope {
    /// `None` in direct messages, whose events carry no `guild_id`.
    fn guild_id(self) -> Option<GuildId> {
        (!self.direct).then_some(self.guild)
    }

    fn intent(self, event: EventName) -> Intents {
        if self.direct {
            event.direct_intent()
        } else {
            event.guild_intent()
        }
    }

    fn dispatch(
        self,
        position: Option<Position>,
        event: EventName,
        channel: Option<ChannelId>,
        body: Bytes,
    ) -> Dispatch {
        Dispatch {
            position,
            event,
            body,
            intent: self.intent(event),
            channel,
            audience: Audience::Everyone,
            subject: None,
        }
    }
}

/// Everything that hubs are told of an event, but for a new [`Item::Visibility`].
///
/// Of a direct message channel only messages, reactions and who is gone are told. A member who left
/// is dropped by [`Item::Left`] first, and GUILD_MEMBER_REMOVE goes to everyone else.
pub fn items(scope: Scope, position: Position, event: &Event) -> Items {
    match event {
        Event::Claimed { .. }
        | Event::HistoryTrimmed { .. }
        | Event::GuildCreated { .. }
        | Event::ChannelCreated(_)
        | Event::ChannelDeleted(_) => Items::new(),
        Event::GuildDeleted => smallvec![Item::Deleted { position }],
        Event::GuildUpdated { .. }
        | Event::ChannelUpdated(_)
        | Event::RoleCreated(_)
        | Event::RoleUpdated(_)
        | Event::RoleDeleted { .. }
        | Event::MemberJoined(_)
        | Event::MemberUpdated(_)
        | Event::MemberLeft { .. } => guild::items(scope, position, event),
        Event::MessageCreated { .. }
        | Event::MessageEdited { .. }
        | Event::MessageDeleted { .. }
        | Event::MessagesDeleted { .. }
        | Event::ReactionAdded { .. }
        | Event::ReactionRemoved { .. } => {
            message::item(scope, position, event).into_iter().collect()
        }
    }
}

fn body_of(event: EventName, write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut body = Vec::with_capacity(512);
    write_prefix(&mut body, event);
    write(&mut body);
    body.into()
}
