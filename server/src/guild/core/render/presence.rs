//! Presences.

use serde::Serialize;

use super::{Scope, body_of};
use crate::fanout::{Dispatch, Item};
use crate::guild::core::json::{self, OpenObject};
use crate::protocol::objects::{Presence, Status, User};
use crate::protocol::{EventName, GuildId, UserId};

/// PRESENCE_UPDATE.
pub(in crate::guild::core) fn presence_item(guild: GuildId, user: &User, shown: &Presence) -> Item {
    let scope = Scope {
        guild,
        direct: false,
    };
    let name = EventName::PresenceUpdate;
    let body = body_of(name, |out| {
        write_presence(out, user, shown);
        OpenObject::reopen(out).field("guild_id", &guild).close();
    });
    Item::Dispatch(Dispatch {
        subject: Some(user.id),
        ..scope.dispatch(None, name, None, body)
    })
}

/// A presence object without its guild, as in GUILD_CREATE.
pub(in crate::guild::core) fn write_presence(out: &mut Vec<u8>, user: &User, shown: &Presence) {
    let active = (shown.status != Status::Offline).then_some(shown.status);
    let data = PresenceData {
        user: UserRef { id: user.id },
        status: shown.status,
        activities: &shown.activities,
        client_status: if user.bot {
            ClientStatus {
                web: active,
                desktop: None,
            }
        } else {
            ClientStatus {
                web: None,
                desktop: active,
            }
        },
    };
    json::append(out, &data);
}

#[derive(Serialize)]
struct PresenceData<'e> {
    user: UserRef,
    status: Status,
    activities: &'e [Box<serde_json::value::RawValue>],
    client_status: ClientStatus,
}

#[derive(Serialize)]
struct UserRef {
    id: UserId,
}

#[derive(Serialize)]
struct ClientStatus {
    #[serde(skip_serializing_if = "Option::is_none")]
    desktop: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    web: Option<Status>,
}
