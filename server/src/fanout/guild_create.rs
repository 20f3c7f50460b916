//! Events that are put together per session: GUILD_CREATE, GUILD_DELETE, channels gained and lost.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;

use super::frame::Compose;
use super::{Attachment, ChannelSet, GuildView, envelope};
use crate::protocol::objects::Member;
use crate::protocol::{EventName, GuildId};

/// A GUILD_CREATE for one session. What it is made of is shared with the others of the guild.
#[derive(Debug)]
pub struct GuildCreate {
    view: Arc<GuildView>,
    member: Arc<Member>,
    /// Slots of the view's table that the session sees.
    visible: ChannelSet,
    /// Of all members and presences, for a session that is shown them.
    lists: Option<Box<Lists>>,
    large: bool,
    joined: bool,
}

#[derive(Debug)]
struct Lists {
    members: Option<Bytes>,
    presences: Option<Bytes>,
}

impl GuildCreate {
    /// For a session that sees these channels.
    ///
    /// `joined` tells a guild that the user just joined from one that became available at login: only
    /// the latter has the key `unavailable`.
    pub fn new(attachment: &Attachment, visible: &ChannelSet, joined: bool) -> Self {
        let has_lists = attachment.members.is_some() || attachment.presences.is_some();
        let lists = has_lists.then(|| {
            Box::new(Lists {
                members: attachment.members.clone(),
                presences: attachment.presences.clone(),
            })
        });
        Self {
            view: Arc::clone(&attachment.view),
            member: Arc::clone(&attachment.member),
            visible: visible.clone(),
            lists,
            large: attachment.large,
            joined,
        }
    }

    fn lists(&self) -> (Option<&Bytes>, Option<&Bytes>) {
        let Some(lists) = &self.lists else {
            return (None, None);
        };
        (lists.members.as_ref(), lists.presences.as_ref())
    }

    fn channels(&self) -> impl Iterator<Item = &Bytes> {
        let channels = &self.view.table.channels;
        self.visible
            .iter()
            .filter_map(|slot| channels.get(slot))
            .map(|channel| &channel.body)
    }
}

impl Compose for GuildCreate {
    fn compose(&self, body: &mut Vec<u8>) {
        let (members, presences) = self.lists();
        envelope::write_prefix(body, EventName::GuildCreate);
        body.push(b'{');
        body.extend_from_slice(&self.view.head);
        body.extend_from_slice(b",\"joined_at\":");
        write_json(body, &self.member.joined_at);
        if !self.joined {
            body.extend_from_slice(b",\"unavailable\":false");
        }
        let large = if self.large { "true" } else { "false" };
        write!(body, ",\"large\":{large},\"members\":").expect("writing to memory");
        match members {
            Some(members) => body.extend_from_slice(members),
            None => write_json(body, std::slice::from_ref(&*self.member)),
        }
        body.extend_from_slice(b",\"presences\":");
        body.extend_from_slice(presences.map_or(b"[]", |presences| presences));
        body.extend_from_slice(b",\"channels\":[");
        for (n, channel) in self.channels().enumerate() {
            if n > 0 {
                body.push(b',');
            }
            body.extend_from_slice(channel);
        }
        body.extend_from_slice(b"]}");
    }

    fn estimate(&self) -> usize {
        let (members, presences) = self.lists();
        let channels: usize = self.channels().map(|channel| channel.len() + 1).sum();
        self.view.head.len()
            + channels
            + members.map_or(512, Bytes::len)
            + presences.map_or(2, Bytes::len)
            + 192
    }
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
