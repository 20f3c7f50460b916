//! The contract of the per-guild log, and its implementations.
//!
//! A guild's log is a sequence of records with positions 1, 2, 3 … without gaps. The log is the
//! lock: an append names the position it expects, and fails where another writer was first (I1).

mod about;
#[cfg(test)]
pub(crate) mod conformance;
pub mod memory;

pub use about::{About, NewRecord, Span, Stretch};
pub use memory::MemoryJournal;

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

use crate::protocol::{GuildId, MessageId, Position};

/// What asynchronous journal calls return. It may be polled by one thread after the other, and does not
/// need the one that called to go on.
pub type JournalFuture<T> = Pin<Box<dyn Future<Output = Result<T, JournalError>> + Send>>;

/// Why the journal did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// Another writer was first: nothing was written.
    #[error("the log is at position {actual}, not at the expected one")]
    Conflict {
        /// Where the log is.
        actual: Position,
    },
    /// Nothing was written; trying again later may help.
    #[error("the journal does not take writes: {0}")]
    Unavailable(String),
    /// It is not known whether the records were written: read the log and decide.
    #[error("the append was not answered: {0}")]
    Ambiguous(String),
    /// What is asked for was trimmed away.
    #[error("the log was trimmed, its records up to {through} are gone")]
    Trimmed {
        /// The last position that is gone.
        through: Position,
    },
    /// A stored record cannot be read.
    #[error("a stored record is damaged: {0}")]
    Damaged(String),
}

/// A stored record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the guild's log.
    pub position: Position,
    /// What was appended.
    pub record: Bytes,
}

/// A guild's state at a position: what a start reads instead of the records up to there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The last record that the state contains.
    pub position: Position,
    /// The state, in the guild's own form.
    pub bytes: Bytes,
}

/// The log of every guild of a store.
///
/// Contract (held by the conformance suite, which runs on every implementation):
/// * `append` writes all records of a batch or none; they get `expected + 1 ..`; it answers the
///   position of the last one, once they are as durable as the store's setting promises.
/// * At most one append per guild is in flight; a second one may be answered with `Conflict`.
/// * `read` gives records in order, without a gap from `after + 1` on, at most `limit`; fewer mean
///   that the end was reached. What was acknowledged is there.
/// * A guild has at most one snapshot, the newest one that was put. It is a shortcut, and the only copy
///   of nothing but what was trimmed: all other records that it contains stay.
/// * `about` finds every record by the messages that its append named, in the same commit as the record.
/// * `trim` forgets what the newest snapshot contains, never a guild's last record. A read from before
///   what is left is answered with `Trimmed`.
/// * Calls never block the calling thread.
pub trait Journal: Send + Sync + 'static {
    /// Appends records if the guild's log is at `expected`.
    fn append(
        &self,
        guild: GuildId,
        expected: Position,
        records: Vec<NewRecord>,
    ) -> JournalFuture<Position>;

    /// Reads records after a position.
    fn read(&self, guild: GuildId, after: Position, limit: usize) -> JournalFuture<Vec<Entry>>;

    /// Reads messages of a channel with all records about them. Fewer than asked for do not mean that
    /// there are no more: [`Stretch::more`] says so.
    fn about(&self, guild: GuildId, span: Span) -> JournalFuture<Stretch>;

    /// Forgets records up to `through`, as far as the newest snapshot contains them, and that there
    /// were messages up to `messages`. Does a bounded part of it and tells whether all is done: call it
    /// until it is.
    fn trim(&self, guild: GuildId, through: Position, messages: MessageId) -> JournalFuture<bool>;

    /// The position of the guild's last record; 0 where there is none.
    fn last_position(&self, guild: GuildId) -> JournalFuture<Position>;

    /// Forgets a guild's whole log and its snapshot.
    fn remove(&self, guild: GuildId) -> JournalFuture<()>;

    /// Guilds that have a log, by rising id, after `after`, at most `limit`.
    fn guilds(&self, after: Option<GuildId>, limit: usize) -> JournalFuture<Vec<GuildId>>;

    /// The guild's newest snapshot.
    fn snapshot(&self, guild: GuildId) -> JournalFuture<Option<Snapshot>>;

    /// Keeps a snapshot in place of an older one; does nothing where a newer one is kept.
    fn put_snapshot(&self, guild: GuildId, snapshot: Snapshot) -> JournalFuture<()>;

    /// Whether an append has a chance now: `false` while the store is full or broken. Reads go on.
    fn accepts_writes(&self) -> bool {
        true
    }
}
