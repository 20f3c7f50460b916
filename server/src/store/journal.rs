//! The journal on the embedded store.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::shared::Shared;
use super::writer::Request;
use crate::journal::{
    Entry, Journal, JournalError, JournalFuture, NewRecord, Snapshot, Span, Stretch,
};
use crate::protocol::{GuildId, MessageId, Position};

/// What a request takes in memory beside its records, in bytes.
const REQUEST_BYTES: usize = 256;

/// A [`Journal`] on the disk. Clones are the same journal.
#[derive(Clone)]
pub struct EmbeddedJournal {
    shared: Arc<Shared>,
}

impl EmbeddedJournal {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    fn ask<T: Send + 'static>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, JournalError>>) -> Request,
        bytes: usize,
    ) -> JournalFuture<T> {
        let (answer, answered) = oneshot::channel();
        let asked = self.shared.ask(request(answer), REQUEST_BYTES + bytes);
        Box::pin(async move {
            asked.map_err(JournalError::Unavailable)?;
            let gone = |_| JournalError::Ambiguous("the store stopped meanwhile".to_owned());
            answered.await.map_err(gone)?
        })
    }
}

impl Journal for EmbeddedJournal {
    fn append(
        &self,
        guild: GuildId,
        expected: Position,
        records: Vec<NewRecord>,
    ) -> JournalFuture<Position> {
        let bytes = records
            .iter()
            .map(|record| 64 + record.bytes.len() + 32 * record.mentions())
            .sum();
        self.ask(
            |answer| Request::Append {
                guild,
                expected,
                records,
                answer,
            },
            bytes,
        )
    }

    fn read(&self, guild: GuildId, after: Position, limit: usize) -> JournalFuture<Vec<Entry>> {
        let read = move |disk: &super::disk::Disk| disk.read(guild, after, limit);
        self.shared.read(Some(guild), read)
    }

    fn about(&self, guild: GuildId, span: Span) -> JournalFuture<Stretch> {
        self.shared
            .read(Some(guild), move |disk| disk.about(guild, span))
    }

    fn trim(&self, guild: GuildId, through: Position, messages: MessageId) -> JournalFuture<bool> {
        self.ask(
            |answer| Request::Trim {
                guild,
                through,
                messages,
                answer,
            },
            0,
        )
    }

    fn last_position(&self, guild: GuildId) -> JournalFuture<Position> {
        self.shared
            .read(Some(guild), move |disk| disk.last_position(guild))
    }

    fn remove(&self, guild: GuildId) -> JournalFuture<()> {
        self.ask(|answer| Request::Remove { guild, answer }, 0)
    }

    fn guilds(&self, after: Option<GuildId>, limit: usize) -> JournalFuture<Vec<GuildId>> {
        self.shared
            .read(None, move |disk| disk.guilds(after, limit))
    }

    fn snapshot(&self, guild: GuildId) -> JournalFuture<Option<Snapshot>> {
        self.shared
            .read(Some(guild), move |disk| disk.snapshot(guild))
    }

    fn put_snapshot(&self, guild: GuildId, snapshot: Snapshot) -> JournalFuture<()> {
        let bytes = snapshot.bytes.len();
        self.ask(
            |answer| Request::PutSnapshot {
                guild,
                snapshot,
                answer,
            },
            bytes,
        )
    }

    fn accepts_writes(&self) -> bool {
        self.shared.accepts_writes()
    }
}
