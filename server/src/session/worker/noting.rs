//! Notes of this worker's sessions for other nodes, in case that this one is killed.

use std::sync::Arc;

use super::Worker;
use crate::clock;
use crate::fanout::outbox::{LateParts, OutboxParts};
use crate::fanout::room::SubscriptionParts;
use crate::session::parked::Parked;
use crate::session::state::{MembershipState, Session, SessionParts};

/// How often is looked in an interval.
pub const LOOKS: u32 = 10;
/// Most sessions that are noted at a look; the others have their turn at the next.
const MOST: usize = 512;

/// How a session was noted last.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Noted {
    generation: u32,
    seq: u64,
    guilds: usize,
    at_ms: u64,
}

/// What the worker has noted.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// By sessions' keys.
    noted: Vec<Noted>,
    /// The key of the session whose turn is next.
    next: usize,
    /// How many notes had failed when it was looked last.
    failures: u64,
}

impl Worker {
    /// Notes those sessions that have changed since they were noted last, which was an interval ago or longer.
    pub fn note_for_others(&mut self) {
        let Some(elsewhere) = self.shared.elsewhere.clone() else {
            return;
        };
        if self.shared.links.is_draining() {
            return;
        }
        let failures = elsewhere.failed_notes();
        if std::mem::replace(&mut self.notes.failures, failures) != failures {
            self.notes.noted.clear();
        }
        let now_ms = self.now_ms();
        let every_ms = elsewhere.note_every().as_millis() as u64;
        let refresh_ms = elsewhere.refresh_after().as_millis() as u64;
        let (mut batch, mut fresh) = (Vec::new(), Vec::new());
        let first = std::mem::take(&mut self.notes.next);
        let mut next = 0;
        let later = self.sessions.iter().filter(|(key, _)| *key >= first);
        let earlier = self.sessions.iter().filter(|(key, _)| *key < first);
        for (key, session) in later.chain(earlier) {
            if batch.len() >= MOST {
                next = key;
                break;
            }
            let now = Noted {
                generation: session.generation,
                seq: session.outbox.last_seq(),
                guilds: session.guilds.len(),
                at_ms: now_ms,
            };
            let before = self.notes.noted.get(key).copied().unwrap_or_default();
            let is_same = (before.generation, before.seq, before.guilds)
                == (now.generation, now.seq, now.guilds);
            let is_new = before.generation != now.generation;
            // A look may be that late: who gets something in each interval is to be noted after each of them.
            let early_ms = every_ms / u64::from(LOOKS);
            let wait_ms = if is_same {
                refresh_ms
            } else {
                every_ms - early_ms
            };
            if !is_new && now_ms.saturating_sub(before.at_ms) < wait_ms {
                continue;
            }
            if let Some(parts) = self.as_it_is(session) {
                let claim = self.shared.links.claim_of(session.id);
                batch.push(Parked {
                    parts,
                    detached_ms: clock::unix_ms(),
                    claim,
                });
                fresh.push((key, now));
            }
        }
        self.notes.next = next;
        if batch.is_empty() || !elsewhere.note(batch) {
            return;
        }
        for (key, now) in fresh {
            if self.notes.noted.len() <= key {
                self.notes.noted.resize(key + 1, Noted::default());
            }
            self.notes.noted[key] = now;
        }
    }

    /// A session after its newest event, without any; `None` while a guild has not answered it: then what it is about to
    /// be told is in no note.
    fn as_it_is(&self, session: &Session) -> Option<SessionParts> {
        if session.resuming.is_some() {
            return None;
        }
        let mut present = Vec::with_capacity(session.guilds.len());
        for membership in &session.guilds {
            let MembershipState::Present(place) = membership.state else {
                return None;
            };
            let room = self.rooms.get(&membership.guild)?;
            let (position, member) = room.standing(place)?;
            present.push(SubscriptionParts {
                guild: membership.guild,
                position,
                member: Arc::clone(member),
                table: Arc::clone(room.table()),
            });
        }
        let seq = session.outbox.last_seq();
        Some(SessionParts {
            id: session.id,
            user: Arc::clone(&session.user),
            intents: session.intents,
            shard: session.shard,
            large_threshold: session.large_threshold,
            presence: session.presence.clone(),
            outbox: OutboxParts {
                frames: Vec::new(),
                first_seq: seq + 1,
                sent_seq: seq,
                late: LateParts::default(),
            },
            present,
            asked: Vec::new(),
        })
    }
}
