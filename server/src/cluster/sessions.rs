//! What is kept of sessions for other nodes, and which one of them may have a session.
//!
//! Of each session there is one *state*, which the newest takes the place of, and one *claim*: a number that grows each time the
//! session goes from one node to another. A state says which claim it was written under, so that one by a process which
//! the session has left meanwhile is told from one that counts.

mod memory;

#[cfg(test)]
pub(crate) mod conformance;

use std::pin::Pin;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::protocol::{GuildId, UserId};

pub use memory::MemorySessions;

/// The form of a state.
const VERSION: u8 = 1;
/// Bytes before the state itself.
const HEAD: usize = 1 + 1 + 8 + 8;

/// What takes a moment.
pub type Soon<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What is kept of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The process that wrote it.
    pub process: u64,
    /// The claim by which that process has the session; 0 where it began there.
    pub claim: u64,
    /// Whether that process has let the session go: nothing has happened to it since.
    pub is_final: bool,
    /// The session.
    pub state: Bytes,
}

impl Kept {
    /// As it is stored.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(HEAD + self.state.len());
        out.put_u8(VERSION);
        out.put_u8(u8::from(self.is_final));
        out.put_u64(self.process);
        out.put_u64(self.claim);
        out.put_slice(&self.state);
        out.freeze()
    }

    /// What was stored; `None` where it is of another form.
    pub fn from_bytes(mut stored: Bytes) -> Option<Self> {
        if stored.len() < HEAD || stored.get_u8() != VERSION {
            return None;
        }
        Some(Self {
            is_final: stored.get_u8() == 1,
            process: stored.get_u64(),
            claim: stored.get_u64(),
            state: stored,
        })
    }
}

/// The newest claim of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Grows with each claim.
    pub number: u64,
    /// The process that made it.
    pub process: u64,
}

/// What there is of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// The newest state.
    pub kept: Option<Kept>,
    /// The newest claim; none where the session is where it began, or where it has not changed hands for long.
    pub claim: Option<Claim>,
}

impl Found {
    /// The number of the newest claim, 0 without one: what the next claim has to name.
    pub fn number(&self) -> u64 {
        self.claim.map_or(0, |claim| claim.number)
    }

    /// The state, where it is of the process that has the session: nobody has claimed it since it was written.
    pub fn current(&self) -> Option<&Kept> {
        let kept = self.kept.as_ref()?;
        // A claim is forgotten after a while; the state was then written long after it.
        let is_current = self.claim.is_none_or(|claim| claim.number == kept.claim);
        is_current.then_some(kept)
    }

    /// The process that has the session, or had it last.
    pub fn process(&self) -> Option<u64> {
        let claimed = self.claim.map(|claim| claim.process);
        claimed.or_else(|| self.kept.as_ref().map(|kept| kept.process))
    }
}

/// Why nothing came of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It does not fit.
    #[error("a session of {0} bytes is too large")]
    TooLarge(usize),
    /// What keeps sessions does not answer. What was written may be there.
    #[error("{0}")]
    Unavailable(String),
}

/// What came of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// The session is the caller's, by this claim.
    Yes(u64),
    /// Somebody else was first.
    No,
}

/// Where sessions are kept for other nodes.
pub trait SessionStore: Send + Sync {
    /// Most bytes of a state.
    fn max_bytes(&self) -> usize;

    /// Keeps the newest state of a session, for a while. The answer comes when it is kept.
    fn put(&self, id: &str, kept: Kept) -> Soon<Result<(), StoreError>>;

    /// Keeps a table of who sees which channel of a guild, for as long as a state; several sessions' states may name it.
    fn put_table(&self, guild: GuildId, name: u64, table: Bytes) -> Soon<Result<(), StoreError>>;

    /// A table that was kept; `None` where there is none of this name.
    fn table(&self, guild: GuildId, name: u64) -> Soon<Result<Option<Bytes>, StoreError>>;

    /// What there is of a session.
    fn find(&self, id: &str) -> Soon<Result<Found, StoreError>>;

    /// Claims a session for a process, if `former` is the number of its newest claim (0: there is none). Of several that do so
    /// at the same time one succeeds.
    fn claim(&self, id: &str, former: u64, process: u64) -> Soon<Result<Claimed, StoreError>>;
}

/// A session that a client wants to resume.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Wanted {
    /// Its id.
    pub session: String,
    /// Whose it has to be.
    pub user: UserId,
    /// What the client has seen.
    pub seq: u64,
}

/// What a process does with a session that is wanted elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Yielded {
    /// It has let it go; the state is final.
    Kept,
    /// It has no such session, or not all that the client missed.
    Gone,
}

/// Who else there is.
pub trait Holders: Send + Sync {
    /// Whether this process may write what is others' as well: nobody can have taken it for dead.
    fn may_write(&self) -> bool;

    /// Whether a process is on the list of nodes.
    fn is_there(&self, process: u64) -> bool;

    /// The other processes on the list of nodes.
    fn others(&self) -> Vec<u64>;

    /// Asks a process for a session; `None` where it does not answer.
    fn ask(&self, process: u64, wanted: Wanted) -> Soon<Option<Yielded>>;
}

/// Who lets sessions of this node go when others ask for them.
pub trait Yields: Send + Sync {
    /// A session of this node is wanted elsewhere. `None` where it stays for now.
    fn yields(&self, wanted: Wanted) -> Soon<Option<Yielded>>;
}
