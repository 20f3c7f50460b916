//! Settings, channels, roles and members.

use bytes::Bytes;
use serde::Serialize;
use smallvec::smallvec;

use super::{Items, Scope, body_of};
use crate::fanout::envelope::dispatch_body;
use crate::fanout::{Audience, Dispatch, Item};
use crate::guild::core::json::OpenObject;
use crate::guild::core::table::{channel_with_guild, settings_with_roles};
use crate::guild::event::Event;
use crate::protocol::objects::{Member, Role, User};
use crate::protocol::{EventName, GuildId, Position, RoleId};

/// What is told of an event about the guild itself.
pub(super) fn items(scope: Scope, position: Position, event: &Event) -> Items {
    if scope.direct {
        direct_items(position, event)
    } else {
        all_items(scope, position, event)
    }
}

/// Events about the guild itself mean nothing in direct messages, but who is gone is gone.
fn direct_items(position: Position, event: &Event) -> Items {
    match event {
        Event::MemberUpdated(member) => smallvec![Item::Member {
            position,
            member: member.clone(),
        }],
        Event::MemberLeft { user } => smallvec![Item::Left {
            position,
            user: user.id,
        }],
        _ => Items::new(),
    }
}

fn all_items(scope: Scope, position: Position, event: &Event) -> Items {
    let guild = scope.guild;
    let dispatch = |name: EventName, channel, body| {
        Item::Dispatch(scope.dispatch(Some(position), name, channel, body))
    };
    let role_event = |name: EventName, role: &Role| -> Items {
        let data = RoleEvent {
            guild_id: guild,
            role,
        };
        smallvec![dispatch(name, None, dispatch_body(name, &data))]
    };
    match event {
        Event::GuildUpdated { settings, roles } => {
            let name = EventName::GuildUpdate;
            let body = body_of(name, |out| {
                out.extend_from_slice(&settings_with_roles(settings, roles.iter()));
            });
            smallvec![dispatch(name, None, body)]
        }
        Event::ChannelUpdated(channel) => {
            let name = EventName::ChannelUpdate;
            let body = body_of(name, |out| channel_with_guild(out, channel, guild));
            smallvec![dispatch(name, Some(channel.id), body)]
        }
        Event::RoleCreated(role) => role_event(EventName::GuildRoleCreate, role),
        Event::RoleUpdated(role) => role_event(EventName::GuildRoleUpdate, role),
        Event::RoleDeleted { role_id } => {
            let name = EventName::GuildRoleDelete;
            let data = RoleDelete {
                guild_id: guild,
                role_id: *role_id,
            };
            smallvec![dispatch(name, None, dispatch_body(name, &data))]
        }
        Event::MemberJoined(member) => {
            let name = EventName::GuildMemberAdd;
            smallvec![dispatch(name, None, member_body(name, guild, member))]
        }
        Event::MemberUpdated(member) => {
            let name = EventName::GuildMemberUpdate;
            smallvec![
                Item::Member {
                    position,
                    member: member.clone(),
                },
                dispatch(name, None, member_body(name, guild, member)),
            ]
        }
        Event::MemberLeft { user } => {
            let name = EventName::GuildMemberRemove;
            let data = MemberRemove {
                guild_id: guild,
                user,
            };
            let removal = Dispatch {
                audience: Audience::Except(user.id),
                ..scope.dispatch(Some(position), name, None, dispatch_body(name, &data))
            };
            smallvec![
                Item::Left {
                    position,
                    user: user.id,
                },
                Item::Dispatch(removal),
            ]
        }
        _ => Items::new(),
    }
}

fn member_body(event: EventName, guild: GuildId, member: &Member) -> Bytes {
    body_of(event, |out| {
        OpenObject::from_value(out, member)
            .field("guild_id", &guild)
            .close();
    })
}

#[derive(Serialize)]
struct RoleEvent<'e> {
    guild_id: GuildId,
    role: &'e Role,
}

#[derive(Serialize)]
struct RoleDelete {
    guild_id: GuildId,
    role_id: RoleId,
}

#[derive(Serialize)]
struct MemberRemove<'e> {
    guild_id: GuildId,
    user: &'e User,
}
