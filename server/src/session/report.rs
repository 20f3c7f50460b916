//! What a session shows of itself when asked.

use super::id::SessionId;
use super::state::{Link, Session};
use crate::fanout::late::Dropped;
use crate::protocol::{Intents, UserId};

/// A session at one moment.
#[derive(Debug, Clone)]
pub struct SessionReport {
    /// Its name.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// Whether that is a bot.
    pub bot: bool,
    /// What it asked for.
    pub intents: Intents,
    /// Shard id and number of shards.
    pub shard: (u32, u32),
    /// How many guilds it has.
    pub guilds: usize,
    /// For how many milliseconds it has had no connection; `None` where it has one.
    pub detached_ms: Option<u64>,
    /// Sequence number of its last event.
    pub seq: u64,
    /// Events that wait to be written.
    pub pending_events: usize,
    /// Bytes of events that wait to be written.
    pub pending_bytes: usize,
    /// Events kept for a Resume.
    pub kept_events: usize,
    /// Bytes of events kept for a Resume.
    pub kept_bytes: usize,
    /// Ephemeral events that wait without a number, because the session is behind.
    pub late_events: usize,
    /// Ephemeral events that it was not sent.
    pub dropped: Dropped,
}

impl SessionReport {
    /// Looks at a session at `now_ms` of its worker's clock.
    pub fn of(session: &Session, now_ms: u64) -> Self {
        Self {
            id: session.id,
            user: session.user.id,
            bot: session.user.bot,
            intents: session.intents,
            shard: session.shard,
            guilds: session.guilds.len(),
            detached_ms: match session.link {
                Link::Connected(_) => None,
                Link::Detached(since_ms) => Some(now_ms.saturating_sub(since_ms)),
            },
            seq: session.outbox.last_seq(),
            pending_events: session.outbox.pending(),
            pending_bytes: session.outbox.pending_bytes(),
            kept_events: session.outbox.kept(),
            kept_bytes: session.outbox.kept_bytes(),
            late_events: session.outbox.late(),
            dropped: session.outbox.dropped(),
        }
    }
}
