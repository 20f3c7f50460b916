//! A session as it is noted from time to time, in case its node is killed: who it is, the number of its last event, and where
//! it is in each guild. No events: whoever has that number gets all that came since from the guilds.
//!
//! What a guild's sessions share, who sees which channel, is kept once beside them, named by its hash.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use crate::fanout::Visibility;
use crate::fanout::outbox::{LateParts, OutboxParts};
use crate::fanout::room::SubscriptionParts;
use crate::protocol::objects::{Member, Presence, User};
use crate::protocol::{GuildId, Intents, Position};
use crate::session::id::SessionId;
use crate::session::state::SessionParts;

/// What is noted of a session.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) user: Arc<User>,
    intents: u64,
    shard: (u32, u32),
    large_threshold: u16,
    presence: Presence,
    /// The number of its newest event.
    pub(super) seq: u64,
    pub(super) guilds: Vec<Place>,
}

/// Where a session is in a guild.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) guild: GuildId,
    position: Position,
    member: Arc<Member>,
    /// The name of the table of who sees which channel.
    pub(super) table: u64,
}

/// A table as it is kept, and its name.
pub(super) fn table_bytes(table: &Visibility) -> (u64, Vec<u8>) {
    let json = serde_json::to_vec(table).expect("tables have names for keys and no failing parts");
    (XxHash3_64::oneshot(&json), json)
}

/// What [`table_bytes`] made; `None` where it is another one.
pub(super) fn read_table(name: u64, json: &[u8]) -> Option<Arc<Visibility>> {
    let table = serde_json::from_slice(json).ok()?;
    (XxHash3_64::oneshot(json) == name).then(|| Arc::new(table))
}

impl Note {
    /// The note of a session whose tables have these names, in its guilds' order.
    pub(super) fn of(parts: &SessionParts, tables: &[u64]) -> Self {
        let places = parts.present.iter().zip(tables);
        let places = places.map(|(standing, table)| Place {
            guild: standing.guild,
            position: standing.position,
            member: Arc::clone(&standing.member),
            table: *table,
        });
        Self {
            user: Arc::clone(&parts.user),
            intents: parts.intents.bits(),
            shard: parts.shard,
            large_threshold: parts.large_threshold,
            presence: parts.presence.clone(),
            seq: parts.outbox.sent_seq,
            guilds: places.collect(),
        }
    }

    /// The session, with the tables of its guilds in order.
    pub(super) fn into_parts(self, id: SessionId, tables: Vec<Arc<Visibility>>) -> SessionParts {
        let places = self.guilds.into_iter().zip(tables);
        let present = places.map(|(place, table)| SubscriptionParts {
            guild: place.guild,
            position: place.position,
            member: place.member,
            table,
        });
        SessionParts {
            id,
            user: self.user,
            intents: Intents::from_bits(self.intents),
            shard: self.shard,
            large_threshold: self.large_threshold,
            presence: self.presence,
            outbox: OutboxParts {
                frames: Vec::new(),
                first_seq: self.seq + 1,
                sent_seq: self.seq,
                late: LateParts::default(),
            },
            present: present.collect(),
            asked: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::protocol::{Permissions, UserId};

    #[test]
    fn a_session_is_read_back_as_it_was_noted() {
        let user = Arc::new(User::new(UserId::new(7), "alice", false));
        let joined = "2026-01-01T00:00:00.000000+00:00";
        let member = serde_json::json!({"user": *user, "roles": ["9"], "joined_at": joined});
        let table = Arc::new(Visibility {
            guild: GuildId::new(10),
            owner: UserId::new(1),
            everyone: Permissions::VIEW_CHANNEL,
            roles: HashMap::new(),
            channels: Vec::new(),
            direct: false,
        });
        let before = SessionParts {
            id: SessionId::random(),
            user,
            intents: Intents::from_bits(513),
            shard: (1, 2),
            large_threshold: 70,
            presence: Presence::default(),
            outbox: OutboxParts {
                frames: Vec::new(),
                first_seq: 43,
                sent_seq: 42,
                late: LateParts::default(),
            },
            present: vec![SubscriptionParts {
                guild: GuildId::new(10),
                position: 77,
                member: Arc::new(serde_json::from_value(member).unwrap()),
                table: Arc::clone(&table),
            }],
            asked: Vec::new(),
        };
        let (name, json) = table_bytes(&table);
        assert!(read_table(name + 1, &json).is_none());
        let text = serde_json::to_vec(&Note::of(&before, &[name])).unwrap();
        let note: Note = serde_json::from_slice(&text).unwrap();
        assert_eq!((note.seq, note.guilds[0].table), (42, name));
        let tables = vec![read_table(name, &json).unwrap()];
        let after = note.into_parts(before.id, tables);
        assert_eq!((after.intents, after.shard), (before.intents, (1, 2)));
        assert_eq!(after.present[0].position, 77);
        assert_eq!(after.present[0].member, before.present[0].member);
        for seq in 40..45 {
            assert_eq!(after.outbox.reaches(seq), seq == 42);
        }
    }
}
