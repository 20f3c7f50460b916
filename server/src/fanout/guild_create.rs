//! Events that are put together per session: GUILD_CREATE, GUILD_DELETE, channels gained and lost.

use std::io::Write;

use bytes::Bytes;

use super::{Attachment, ChannelSet, envelope};
use crate::protocol::{EventName, GuildId};

/// The body of a GUILD_CREATE for a session that sees these channels.
///
/// `joined` tells a guild that the user just joined from one that became available at login: only
/// the latter has the key `unavailable`.
pub fn guild_create(attachment: &Attachment, visible: &ChannelSet, joined: bool) -> Bytes {
    let view = &attachment.view;
    let mut body = Vec::with_capacity(view.head.len() + 2_048);
    envelope::write_prefix(&mut body, EventName::GuildCreate);
    body.push(b'{');
    body.extend_from_slice(&view.head);
    body.extend_from_slice(b",\"joined_at\":");
    write_json(&mut body, &attachment.member.joined_at);
    if !joined {
        body.extend_from_slice(b",\"unavailable\":false");
    }
    let large = if attachment.large { "true" } else { "false" };
    write!(body, ",\"large\":{large},\"members\":").expect("writing to memory");
    match &attachment.members {
        Some(members) => body.extend_from_slice(members),
        None => write_json(&mut body, std::slice::from_ref(&*attachment.member)),
    }
    body.extend_from_slice(b",\"presences\":");
    body.extend_from_slice(attachment.presences.as_deref().unwrap_or(b"[]"));
    body.extend_from_slice(b",\"channels\":[");
    let mut first = true;
    for (slot, channel) in view.table.channels.iter().enumerate() {
        if visible.contains(slot) {
            if !first {
                body.push(b',');
            }
            first = false;
            body.extend_from_slice(&channel.body);
        }
    }
    body.extend_from_slice(b"]}");
    body.into()
}

/// The body of a GUILD_DELETE: `unavailable` for a guild that will come back.
pub fn guild_delete(guild: GuildId, unavailable: bool) -> Bytes {
    let mut body = Vec::with_capacity(96);
    envelope::write_prefix(&mut body, EventName::GuildDelete);
    write!(body, "{{\"id\":\"{guild}\"").expect("writing to memory");
    if unavailable {
        body.extend_from_slice(b",\"unavailable\":true");
    }
    body.push(b'}');
    body.into()
}

/// A CHANNEL_CREATE or CHANNEL_DELETE from a channel object without `guild_id`.
pub fn channel_event(event: EventName, guild: GuildId, channel: &[u8]) -> Bytes {
    let mut body = Vec::with_capacity(channel.len() + 96);
    envelope::write_prefix(&mut body, event);
    write!(body, "{{\"guild_id\":\"{guild}\",").expect("writing to memory");
    body.extend_from_slice(channel.strip_prefix(b"{").unwrap_or(channel));
    body.into()
}

fn write_json(body: &mut Vec<u8>, value: &(impl serde::Serialize + ?Sized)) {
    serde_json::to_writer(body, value).expect("protocol objects serialize to JSON");
}
