//! What sessions and hubs are given of the state: made when asked for, kept until it changes.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::json::{self, OpenObject};
use super::state::Guild;
use crate::fanout::{GuildView, Visibility, VisibleChannel};
use crate::guild::event::Event;
use crate::guild::seldom::Blank;
use crate::protocol::objects::{GuildSettings, Role};
use crate::protocol::{GuildId, Position};

/// How old the `last_message_id`s in a table may be for a session that attaches, in milliseconds.
const TABLE_REFRESH_MS: u64 = 5_000;

/// Derived data with its validity.
#[derive(Debug, Default)]
pub(super) struct Tables {
    table: Option<Arc<Visibility>>,
    /// When the table was last refreshed for an attachment, in milliseconds since the Unix epoch.
    table_ms: u64,
    /// Whether there were messages since the table was made.
    has_new_messages: bool,
    // Boxed: a guild that nobody looks at has neither.
    head: Option<Box<Bytes>>,
    members: Option<Box<Bytes>>,
    view: Option<Arc<GuildView>>,
}

impl Blank for Tables {
    const BLANK: &'static Self = &Self {
        table: None,
        table_ms: 0,
        has_new_messages: false,
        head: None,
        members: None,
        view: None,
    };

    fn is_blank(&self) -> bool {
        self.table.is_none() && self.head.is_none() && self.members.is_none() && self.view.is_none()
    }
}

impl Tables {
    /// Drops what an event makes invalid.
    pub(super) fn invalidate(&mut self, event: &Event) {
        match event {
            Event::Claimed { .. }
            | Event::MessageEdited { .. }
            | Event::MessageDeleted { .. }
            | Event::MessagesDeleted { .. }
            | Event::HistoryTrimmed { .. }
            | Event::ReactionAdded { .. }
            | Event::ReactionRemoved { .. } => {}
            Event::MessageCreated { .. } => self.has_new_messages = true,
            Event::MemberUpdated(_) => self.members = None,
            Event::MemberJoined(_) | Event::MemberLeft { .. } => {
                self.members = None;
                self.head = None;
            }
            Event::GuildCreated { .. }
            | Event::GuildDeleted
            | Event::GuildUpdated { .. }
            | Event::ChannelCreated(_)
            | Event::ChannelUpdated(_)
            | Event::ChannelDeleted(_)
            | Event::RoleCreated(_)
            | Event::RoleUpdated(_)
            | Event::RoleDeleted { .. } => {
                // A deleted channel may have been the system channel, a deleted role a member's.
                self.table = None;
                self.head = None;
                self.members = None;
            }
        }
    }
}

impl Guild {
    /// Who sees which channel.
    pub(super) fn table(&mut self) -> Arc<Visibility> {
        if let Some(table) = &self.tables.table {
            return Arc::clone(table);
        }
        let table = Arc::new(self.make_table());
        self.tables.table = Some(Arc::clone(&table));
        self.tables.has_new_messages = false;
        table
    }

    fn make_table(&self) -> Visibility {
        let guild = self.settings.id;
        let everyone = self.roles.get(&guild.everyone());
        let others = self
            .roles
            .values()
            .filter(|role| role.id != guild.everyone());
        Visibility {
            guild,
            owner: self.settings.owner_id,
            everyone: everyone.map(|role| role.permissions).unwrap_or_default(),
            roles: others
                .map(|role| (role.id, role.permissions))
                .collect::<HashMap<_, _>>(),
            channels: self
                .channels
                .values()
                .map(|channel| VisibleChannel {
                    id: channel.id,
                    overwrites: channel.permission_overwrites.to_vec(),
                    body: json::to_vec(channel).into(),
                })
                .collect(),
            direct: self.direct,
        }
    }

    /// The guild at `position`, for a session that attaches at `now_ms`.
    pub(super) fn view(&mut self, position: Position, now_ms: u64) -> Arc<GuildView> {
        if self.tables.has_new_messages
            && now_ms.saturating_sub(self.tables.table_ms) >= TABLE_REFRESH_MS
        {
            self.tables.table = None;
            self.tables.table_ms = now_ms;
        }
        let head = self.head();
        let table = self.table();
        if let Some(view) = &self.tables.view
            && view.position == position
            && view.head == head
            && Arc::ptr_eq(&view.table, &table)
        {
            return Arc::clone(view);
        }
        let view = Arc::new(GuildView {
            guild: self.settings.id,
            position,
            head,
            table,
        });
        self.tables.view = Some(Arc::clone(&view));
        view
    }

    fn head(&mut self) -> Bytes {
        if let Some(head) = &self.tables.head {
            return Bytes::clone(head);
        }
        let roles = self.roles.values().map(|role| &**role);
        let head = head(&self.settings, roles, self.members.len());
        self.tables.head = Some(Box::new(head.clone()));
        head
    }

    /// All members as a JSON array.
    pub(super) fn members_json(&mut self) -> Bytes {
        if let Some(members) = &self.tables.members {
            return Bytes::clone(members);
        }
        let members = Bytes::from(json::array(self.members.values(), |out, member| {
            json::append(out, &**member);
        }));
        self.tables.members = Some(Box::new(members.clone()));
        members
    }
}

/// See [`GuildView::head`].
fn head<'r>(
    settings: &GuildSettings,
    roles: impl Iterator<Item = &'r Role>,
    member_count: usize,
) -> Bytes {
    let mut head = settings_with_roles(settings, roles);
    let mut object = OpenObject::reopen(&mut head);
    object.field("member_count", &member_count);
    for empty in [
        "voice_states",
        "threads",
        "stage_instances",
        "guild_scheduled_events",
        "soundboard_sounds",
    ] {
        object.raw(empty, b"[]");
    }
    // Only the leading brace is left; what follows adds the rest of the object.
    Bytes::from(head).slice(1..)
}

/// A guild object as `GET /guilds/{id}` and GUILD_UPDATE show it.
pub(super) fn settings_with_roles<'r>(
    settings: &GuildSettings,
    roles: impl Iterator<Item = &'r Role>,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(2_048);
    let roles = json::array(roles, json::append);
    OpenObject::from_value(&mut out, settings)
        .raw("roles", &roles)
        .close();
    out
}

/// A channel object with its guild, as REST and CHANNEL_UPDATE show it.
pub(super) fn channel_with_guild(
    out: &mut Vec<u8>,
    channel: &crate::protocol::objects::Channel,
    guild: GuildId,
) {
    OpenObject::from_value(out, channel)
        .field("guild_id", &guild)
        .close();
}
