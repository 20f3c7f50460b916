//! Messages, reactions, typing.

use serde::Serialize;

use super::Scope;
use crate::fanout::envelope::{dispatch_body, write_prefix};
use crate::fanout::{Dispatch, Item};
use crate::guild::core::json::{self, OpenObject};
use crate::guild::event::Event;
use crate::protocol::objects::fixed::{False, Zero};
use crate::protocol::objects::{Emoji, Member, Message, Nonce};
use crate::protocol::{ChannelId, EventName, GuildId, MessageId, Position, UserId};

/// What is told of an event about a message.
pub(super) fn item(scope: Scope, position: Position, event: &Event) -> Option<Item> {
    match event {
        Event::MessageCreated {
            message,
            member,
            nonce,
            referenced,
        } => {
            let mut json = json::to_vec(&**message);
            complete_message(&mut json, nonce.as_ref(), referenced.as_deref());
            let (name, channel) = (EventName::MessageCreate, message.channel_id);
            let member = member.as_deref().map(json::to_vec);
            Some(message_item(
                scope,
                position,
                name,
                channel,
                &json,
                member.as_deref(),
            ))
        }
        Event::MessageEdited {
            message,
            member,
            referenced,
        } => {
            let mut json = json::to_vec(&**message);
            complete_message(&mut json, None, referenced.as_deref());
            let (name, channel) = (EventName::MessageUpdate, message.channel_id);
            let member = member.as_deref().map(json::to_vec);
            Some(message_item(
                scope,
                position,
                name,
                channel,
                &json,
                member.as_deref(),
            ))
        }
        Event::MessageDeleted {
            channel_id,
            message_id,
        } => {
            let data = MessageDelete {
                id: *message_id,
                channel_id: *channel_id,
                guild_id: scope.guild_id(),
            };
            let name = EventName::MessageDelete;
            Some(in_channel(scope, position, name, *channel_id, &data))
        }
        Event::MessagesDeleted {
            channel_id,
            message_ids,
        } => {
            let data = MessageDeleteBulk {
                ids: message_ids,
                channel_id: *channel_id,
                guild_id: scope.guild_id(),
            };
            let name = EventName::MessageDeleteBulk;
            Some(in_channel(scope, position, name, *channel_id, &data))
        }
        other => reaction_item(scope, position, other),
    }
}

fn reaction_item(scope: Scope, position: Position, event: &Event) -> Option<Item> {
    let (name, data) = match event {
        Event::ReactionAdded {
            channel_id,
            message_id,
            message_author_id,
            member,
            emoji,
        } => {
            let data = ReactionEvent {
                user_id: member.user.id,
                channel_id: *channel_id,
                message_id: *message_id,
                guild_id: scope.guild_id(),
                member: (!scope.direct).then_some(&**member),
                emoji,
                message_author_id: *message_author_id,
                burst: False,
                kind: Zero,
            };
            (EventName::MessageReactionAdd, data)
        }
        Event::ReactionRemoved {
            channel_id,
            message_id,
            user_id,
            emoji,
        } => {
            let data = ReactionEvent {
                user_id: *user_id,
                channel_id: *channel_id,
                message_id: *message_id,
                guild_id: scope.guild_id(),
                member: None,
                emoji,
                message_author_id: None,
                burst: False,
                kind: Zero,
            };
            (EventName::MessageReactionRemove, data)
        }
        _ => return None,
    };
    Some(in_channel(scope, position, name, data.channel_id, &data))
}

fn in_channel(
    scope: Scope,
    position: Position,
    event: EventName,
    channel: ChannelId,
    data: &impl Serialize,
) -> Item {
    let body = dispatch_body(event, data);
    Item::Dispatch(scope.dispatch(Some(position), event, Some(channel), body))
}

/// Adds to a message's JSON what belongs to its creation or edit: its nonce, and the message it
/// replies to. With that it is the message as REST shows it.
pub(in crate::guild::core) fn complete_message(
    json: &mut Vec<u8>,
    nonce: Option<&Nonce>,
    referenced: Option<&Message>,
) {
    if nonce.is_some() || referenced.is_some() {
        OpenObject::reopen(json)
            .optional("nonce", nonce)
            .optional("referenced_message", referenced)
            .close();
    }
}

/// MESSAGE_CREATE or MESSAGE_UPDATE around a message that [`complete_message`] has been through.
pub(in crate::guild::core) fn message_item(
    scope: Scope,
    position: Position,
    event: EventName,
    channel: ChannelId,
    message: &[u8],
    member: Option<&[u8]>,
) -> Item {
    let mut body = Vec::with_capacity(message.len() + 384);
    write_prefix(&mut body, event);
    let mut data = OpenObject::from_json(&mut body, message);
    match scope.guild_id() {
        Some(guild) => {
            data.field("guild_id", &guild);
            match member {
                Some(member) => data.raw("member", member),
                None => &mut data,
            }
        }
        None => data.field("channel_type", &1_u8),
    }
    .close();
    Item::Dispatch(scope.dispatch(Some(position), event, Some(channel), body.into()))
}

/// TYPING_START.
pub(in crate::guild::core) fn typing_item(
    scope: Scope,
    channel: ChannelId,
    member: &Member,
    now_ms: u64,
) -> Item {
    let name = EventName::TypingStart;
    let data = Typing {
        channel_id: channel,
        guild_id: scope.guild_id(),
        user_id: member.user.id,
        timestamp: now_ms / 1_000,
        member: (!scope.direct).then_some(member),
    };
    Item::Dispatch(Dispatch {
        subject: Some(member.user.id),
        ..scope.dispatch(None, name, Some(channel), dispatch_body(name, &data))
    })
}

#[derive(Serialize)]
struct MessageDelete {
    id: MessageId,
    channel_id: ChannelId,
    #[serde(skip_serializing_if = "Option::is_none")]
    guild_id: Option<GuildId>,
}

#[derive(Serialize)]
struct MessageDeleteBulk<'e> {
    ids: &'e [MessageId],
    channel_id: ChannelId,
    #[serde(skip_serializing_if = "Option::is_none")]
    guild_id: Option<GuildId>,
}

#[derive(Serialize)]
struct ReactionEvent<'e> {
    user_id: UserId,
    channel_id: ChannelId,
    message_id: MessageId,
    #[serde(skip_serializing_if = "Option::is_none")]
    guild_id: Option<GuildId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    member: Option<&'e Member>,
    emoji: &'e Emoji,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_author_id: Option<UserId>,
    burst: False,
    #[serde(rename = "type")]
    kind: Zero,
}

#[derive(Serialize)]
struct Typing<'e> {
    channel_id: ChannelId,
    #[serde(skip_serializing_if = "Option::is_none")]
    guild_id: Option<GuildId>,
    user_id: UserId,
    timestamp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    member: Option<&'e Member>,
}
