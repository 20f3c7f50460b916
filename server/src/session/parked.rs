//! Sessions from before a restart, until they are resumed or their time is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;

use super::id::SessionId;
use super::refusal::Refusal;
use super::state::SessionParts;
use super::trail::Past;
use super::trail::dir::Found;
use crate::protocol::UserId;

/// A session between a stop and the next start.
#[derive(Debug)]
pub struct Parked {
    /// The session.
    pub parts: SessionParts,
    /// Since when it has had no connection, in milliseconds since the Unix epoch.
    pub detached_ms: u64,
    /// The claim by which this node has it; 0 where it began here.
    pub claim: u64,
}

/// What is kept of a session.
#[derive(Debug)]
enum Kept {
    /// All of it: the process before this one was stopped.
    Whole(SessionParts),
    /// What its trail shows: that process was killed.
    Past(Past),
}

#[derive(Debug)]
struct Entry {
    kept: Kept,
    /// Since when it has had no connection, in milliseconds since the Unix epoch.
    detached_ms: u64,
    claim: u64,
}

impl Kept {
    fn user(&self) -> UserId {
        match self {
            Self::Whole(parts) => parts.user.id,
            Self::Past(past) => past.user(),
        }
    }

    /// The session for a client that has seen up to `seq`.
    fn at(self, seq: u64) -> Result<SessionParts, Refusal> {
        match self {
            Self::Whole(parts) if parts.outbox.reaches(seq) => Ok(parts),
            Self::Whole(_) => Err(Refusal::NotKept),
            Self::Past(past) => past.at(seq),
        }
    }
}

impl Entry {
    fn is_over(&self, now_ms: u64, window_ms: u64) -> bool {
        self.ends_ms(window_ms) <= now_ms
    }

    const fn ends_ms(&self, window_ms: u64) -> u64 {
        self.detached_ms.saturating_add(window_ms)
    }
}

/// The parked sessions of a node. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct ParkedSessions(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    sessions: DashMap<SessionId, Entry>,
    /// No session ends before this time, in milliseconds since the Unix epoch.
    next_end_ms: AtomicU64,
}

impl ParkedSessions {
    /// Adds sessions from before a stop.
    pub fn fill(&self, sessions: impl IntoIterator<Item = Parked>) {
        for Parked {
            parts,
            detached_ms,
            claim,
        } in sessions
        {
            self.insert(parts.id, Kept::Whole(parts), (detached_ms, claim));
        }
    }

    /// Adds sessions from before a crash, but for those that are here: what came after the crash kept them whole. Answers how
    /// many.
    pub fn fill_found(&self, sessions: impl IntoIterator<Item = Found>) -> usize {
        let mut count = 0;
        for Found { past, detached_ms } in sessions {
            if !self.0.sessions.contains_key(&past.id()) {
                let claim = past.claim();
                self.insert(past.id(), Kept::Past(past), (detached_ms, claim));
                count += 1;
            }
        }
        count
    }

    fn insert(&self, id: SessionId, kept: Kept, (detached_ms, claim): (u64, u64)) {
        let entry = Entry {
            kept,
            detached_ms,
            claim,
        };
        self.0.sessions.insert(id, entry);
        self.0.next_end_ms.store(0, Ordering::Relaxed);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.sessions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.sessions.is_empty()
    }

    /// Takes a session for its user, who has seen up to `seq`, with the claim by which it was here.
    ///
    /// *Invariant I10*: one that cannot give everything after `seq`, or whose time is over, is ended.
    pub fn claim(
        &self,
        id: SessionId,
        user: UserId,
        seq: u64,
        now_ms: u64,
        window_ms: u64,
    ) -> Result<Parked, Refusal> {
        let is_own = |_: &SessionId, entry: &Entry| entry.kept.user() == user;
        let own = self.0.sessions.remove_if(&id, is_own);
        let (_, entry) = own.ok_or(Refusal::Unknown)?;
        if entry.is_over(now_ms, window_ms) {
            return Err(Refusal::Over);
        }
        Ok(Parked {
            parts: entry.kept.at(seq)?,
            detached_ms: entry.detached_ms,
            claim: entry.claim,
        })
    }

    /// Drops sessions whose time is over.
    pub fn sweep(&self, now_ms: u64, window_ms: u64) {
        if self.is_empty() || now_ms < self.0.next_end_ms.load(Ordering::Relaxed) {
            return;
        }
        let mut next = u64::MAX;
        self.0.sessions.retain(|_, entry| {
            let stays = !entry.is_over(now_ms, window_ms);
            if stays {
                next = next.min(entry.ends_ms(window_ms));
            }
            stays
        });
        self.0.next_end_ms.store(next, Ordering::Relaxed);
    }

    /// Takes all that can be kept for another start. Those from before a crash stay: their trails are what is kept of them.
    pub fn take_whole(&self) -> Vec<Parked> {
        let ids: Vec<SessionId> = self.0.sessions.iter().map(|entry| *entry.key()).collect();
        let is_whole = |_: &SessionId, entry: &Entry| matches!(entry.kept, Kept::Whole(_));
        ids.into_iter()
            .filter_map(|id| self.0.sessions.remove_if(&id, is_whole))
            .filter_map(|(_, entry)| match entry.kept {
                Kept::Whole(parts) => Some(Parked {
                    parts,
                    detached_ms: entry.detached_ms,
                    claim: entry.claim,
                }),
                Kept::Past(_) => None,
            })
            .collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::fanout::outbox::{LateParts, OutboxParts};
    use crate::protocol::Intents;
    use crate::protocol::objects::{Presence, User};

    pub(crate) const ALICE: UserId = UserId::new(1);
    const WINDOW_MS: u64 = 1_000;

    /// Events 5 to 7 of a session that was sent those up to 6.
    pub(crate) fn parked(detached_ms: u64) -> Parked {
        Parked {
            parts: SessionParts {
                id: SessionId::random(),
                user: Arc::new(User::new(ALICE, "alice", false)),
                intents: Intents::NONE,
                shard: (0, 1),
                large_threshold: 50,
                presence: Presence::default(),
                outbox: OutboxParts {
                    frames: vec!["a".into(), "b".into(), "c".into()],
                    first_seq: 5,
                    sent_seq: 6,
                    late: LateParts::default(),
                },
                present: Vec::new(),
                asked: Vec::new(),
            },
            detached_ms,
            claim: 0,
        }
    }

    #[test]
    fn i10_a_session_is_claimed_by_its_user_once_and_whole() {
        for (seq, whole) in [
            (3, false),
            (4, true),
            (6, true),
            (7, false),
            (u64::MAX, false),
        ] {
            let all = ParkedSessions::default();
            let session = parked(100);
            let id = session.parts.id;
            all.fill([session]);
            let claimed = all.claim(id, UserId::new(2), 6, 200, WINDOW_MS);
            assert_eq!(claimed.unwrap_err(), Refusal::Unknown);
            assert_eq!(all.len(), 1, "a stranger does no harm");
            let claimed = all.claim(id, ALICE, seq, 200, WINDOW_MS);
            assert_eq!(claimed.err(), (!whole).then_some(Refusal::NotKept), "{seq}");
            let again = all.claim(id, ALICE, 6, 200, WINDOW_MS);
            assert_eq!(again.unwrap_err(), Refusal::Unknown, "once");
        }
    }

    #[test]
    fn the_resume_window_goes_on_from_when_the_session_was_detached() {
        let all = ParkedSessions::default();
        let (one, two) = (parked(100), parked(500));
        let ids = [one.parts.id, two.parts.id];
        all.fill([one, two]);
        let late = all.claim(ids[0], ALICE, 6, 1_100, WINDOW_MS);
        assert_eq!(late.unwrap_err(), Refusal::Over);
        all.sweep(1_499, WINDOW_MS);
        assert_eq!(all.len(), 1);
        all.sweep(1_500, WINDOW_MS);
        assert!(all.is_empty());
        all.fill([parked(2_000)]);
        all.sweep(2_999, WINDOW_MS);
        assert_eq!(all.take_whole().len(), 1);
        assert!(all.is_empty());
    }
}
