//! A guild at one position, as a session first sees it.

use std::sync::Arc;

use bytes::Bytes;

use super::Visibility;
use crate::protocol::objects::Member;
use crate::protocol::{GuildId, Position};

/// What all sessions that attach at one position share.
#[derive(Debug)]
pub struct GuildView {
    /// The guild.
    pub guild: GuildId,
    /// The last record that the view holds.
    pub position: Position,
    /// Members of the GUILD_CREATE object without braces and without a trailing comma, `id` first:
    /// everything except `joined_at`, `large`, `unavailable`, `members`, `channels` and
    /// `presences`.
    pub head: Bytes,
    /// Channels and who sees them.
    pub table: Arc<Visibility>,
}

/// A guild's answer to a hub that attaches a session.
#[derive(Debug)]
pub struct Attachment {
    /// The shared part.
    pub view: Arc<GuildView>,
    /// The session's own member.
    pub member: Arc<Member>,
    /// Whether the guild has more members than the session's `large_threshold`.
    pub large: bool,
    /// A JSON array of all members, where asked for and not more than the session's
    /// `large_threshold`; otherwise the session is shown its own member alone.
    pub members: Option<Bytes>,
    /// A JSON array of the shown presences, where asked for and the guild is not large: presences of
    /// members that the session was not told of are of no use to it.
    pub presences: Option<Bytes>,
}
