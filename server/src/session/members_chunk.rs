//! GUILD_MEMBERS_CHUNK: the answer to op 8.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::payload::RequestMembers;
use crate::fanout::envelope;
use crate::protocol::limits::MEMBERS_PER_CHUNK;
use crate::protocol::objects::Member;
use crate::protocol::{EventName, GuildId, UserId};

#[derive(Serialize)]
#[allow(clippy::struct_field_names)] // the keys of the wire
struct Chunk<'a> {
    guild_id: GuildId,
    members: &'a [Arc<Member>],
    chunk_index: usize,
    chunk_count: usize,
    #[serde(skip_serializing_if = "<[UserId]>::is_empty")]
    not_found: &'a [UserId],
    #[serde(skip_serializing_if = "Option::is_none")]
    presences: Option<&'a [Box<RawValue>]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
}

/// The bodies of all chunks: at least one, also where nobody was found.
pub fn bodies(
    request: &RequestMembers,
    members: &[Arc<Member>],
    not_found: &[UserId],
    presences: &[Box<RawValue>],
) -> Vec<Bytes> {
    let count = members.len().div_ceil(MEMBERS_PER_CHUNK).max(1);
    let mut parts = members.chunks(MEMBERS_PER_CHUNK);
    (0..count)
        .map(|index| {
            envelope::dispatch_body(
                EventName::GuildMembersChunk,
                &Chunk {
                    guild_id: request.guild_id,
                    members: parts.next().unwrap_or_default(),
                    chunk_index: index,
                    chunk_count: count,
                    not_found: if index == 0 { not_found } else { &[] },
                    presences: (request.presences && index == 0).then_some(presences),
                    nonce: request.nonce.as_deref(),
                },
            )
        })
        .collect()
}
