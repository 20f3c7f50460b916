//! The journal on JetStream: a subject for each guild, a message for each append.
//!
//! *Invariant I1* is kept by the server: an append names the sequence number of the subject's last
//! message, and is refused where another one came first.

mod read;
mod trim;

use std::sync::Arc;

use async_nats::jetstream::stream::Stream;
use bytes::Bytes;
use dashmap::DashMap;
use futures_util::TryStreamExt;

use super::chunks::{Pieces, fresh};
use super::frame::{self, Body, Head};
use super::index::Index;
use super::{Nats, NatsError, Stored, Written, last};
use crate::cluster::lease::Lease;
use crate::counters::AppendOutcome;
use crate::journal::{
    Entry, Journal, JournalError, JournalFuture, NewRecord, Snapshot, Span, Stretch,
};
use crate::protocol::{GuildId, MessageId, Position};

/// Guilds of which something is remembered; beyond that all of it is forgotten and asked for anew.
const MOST_KNOWN: usize = 100_000;
/// Entries of indexes in memory; beyond that the other guilds' are forgotten.
const MOST_ENTRIES: usize = 1 << 20;

impl From<NatsError> for JournalError {
    fn from(error: NatsError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<frame::Unreadable> for JournalError {
    fn from(error: frame::Unreadable) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// Where a guild's log ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct End {
    /// The position of the last record.
    position: Position,
    /// The sequence number of the message that it is in; 0 where there is none.
    sequence: u64,
}

/// What is remembered of a guild, so as not to ask for it.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// Where its log ended when it was last looked at or written.
    end: Option<End>,
    /// From which sequence number on to look for what follows a position.
    bookmark: Option<(Position, u64)>,
    /// What was trimmed.
    trimmed: Option<Position>,
}

/// The logs of all guilds, on JetStream. Cheap to clone.
#[derive(Clone)]
pub struct NatsJournal {
    nats: Nats,
    lease: Option<Arc<Lease>>,
    known: Arc<DashMap<GuildId, Known>>,
    indexes: Arc<DashMap<GuildId, Arc<tokio::sync::Mutex<Index>>>>,
}

impl NatsJournal {
    /// The journal of a cluster; nothing is written while the lease is not held.
    pub fn new(nats: Nats, lease: Option<Arc<Lease>>) -> Self {
        Self {
            nats,
            lease,
            known: Arc::default(),
            indexes: Arc::default(),
        }
    }

    /// The stream and the subject of a guild.
    fn log(&self, guild: GuildId) -> (&Stream<()>, String) {
        let logs = &self.nats.inner.logs;
        // Ids rise with time in their upper bits and per node in the lower ones: a hash spreads them.
        let hash = twox_hash::XxHash3_64::oneshot(&guild.get().to_be_bytes());
        let partition = (hash % logs.len() as u64) as usize;
        let subject = format!("{}.log.{partition}.{guild}", self.nats.name());
        (&logs[partition], subject)
    }

    fn may_write(&self) -> bool {
        self.lease.as_ref().is_none_or(|lease| lease.is_held())
    }

    fn known(&self, guild: GuildId) -> Known {
        self.known
            .get(&guild)
            .map(|known| *known)
            .unwrap_or_default()
    }

    fn note(&self, guild: GuildId, note: impl FnOnce(&mut Known)) {
        if self.known.len() >= MOST_KNOWN {
            self.known.clear();
        }
        note(&mut self.known.entry(guild).or_default());
    }

    /// Where the log ends now, and which append was the last.
    async fn look(&self, guild: GuildId) -> Result<(End, Option<Head>), JournalError> {
        let (stream, subject) = self.log(guild);
        let Some(stored) = last(stream, &subject).await? else {
            let end = End::default();
            self.note(guild, |known| known.end = Some(end));
            return Ok((end, None));
        };
        let (head, _) = frame::decode(stored.payload)?;
        let end = End {
            position: head.last(),
            sequence: stored.sequence,
        };
        self.note(guild, |known| known.end = Some(end));
        Ok((end, Some(head)))
    }

    async fn append_all(
        &self,
        guild: GuildId,
        expected: Position,
        records: Vec<NewRecord>,
    ) -> Result<Position, JournalError> {
        let end = match self.known(guild).end {
            Some(end) if end.position == expected => end,
            _ => self.look(guild).await?.0,
        };
        if end.position != expected {
            return Err(JournalError::Conflict {
                actual: end.position,
            });
        }
        if !self.may_write() {
            let why = "this node may not serve guilds now";
            return Err(JournalError::Unavailable(why.to_owned()));
        }
        if records.is_empty() {
            return Ok(expected);
        }
        let head = Head {
            id: fresh(),
            first: expected + 1,
            count: records.len() as u32,
        };
        let body = frame::encode_records(&records);
        let aside = if body.len() + frame::HEAD > self.nats.max_payload() {
            Some(self.nats.put_pieces(&guild.to_string(), &body).await?)
        } else {
            None
        };
        let message = frame::encode(head, &aside.map_or(Body::Here(body), Body::Elsewhere));
        let in_flight = InFlight::new(self.nats.clone());
        let result = self.write(guild, end, head, message).await;
        in_flight.ended(&result);
        let refused = matches!(
            result,
            Err(JournalError::Conflict { .. } | JournalError::Unavailable(_))
        );
        if let (Some(pieces), true) = (aside, refused) {
            self.forget_pieces(guild, pieces).await;
        }
        result
    }

    /// Writes one message after `end`.
    async fn write(
        &self,
        guild: GuildId,
        mut end: End,
        head: Head,
        message: Bytes,
    ) -> Result<Position, JournalError> {
        let (_, subject) = self.log(guild);
        // A second time only where the end was another one than remembered, and nothing was written.
        for attempt in 0..2 {
            let written = self
                .nats
                .publish(subject.clone(), message.clone(), Some(end.sequence));
            match written.await {
                Written::At(sequence) => {
                    let end = End {
                        position: head.last(),
                        sequence,
                    };
                    self.note(guild, |known| known.end = Some(end));
                    return Ok(end.position);
                }
                Written::Not(why) => return Err(JournalError::Unavailable(why)),
                Written::Refused => {
                    end = self.look(guild).await?.0;
                    if end.position + 1 != head.first || attempt > 0 {
                        let actual = end.position;
                        return Err(JournalError::Conflict { actual });
                    }
                }
                Written::Unknown(why) => return self.find_out(guild, head, why).await,
            }
        }
        unreachable!("the second attempt answers")
    }

    /// Reads what became of an append that was not answered. It is never sent again: should it still be
    /// on its way, it is refused once somebody else has written.
    async fn find_out(
        &self,
        guild: GuildId,
        head: Head,
        why: String,
    ) -> Result<Position, JournalError> {
        let Ok((end, found)) = self.look(guild).await else {
            self.note(guild, |known| known.end = None);
            return Err(JournalError::Ambiguous(why));
        };
        match found {
            Some(found) if found == head => Ok(end.position),
            _ if end.position + 1 == head.first => {
                // It may come yet.
                self.note(guild, |known| known.end = None);
                Err(JournalError::Ambiguous(why))
            }
            // Others have written since, and may have followed it.
            _ => Err(JournalError::Ambiguous(why)),
        }
    }

    async fn forget_pieces(&self, guild: GuildId, pieces: Pieces) {
        if let Err(error) = self.nats.drop_pieces(&guild.to_string(), &pieces).await {
            tracing::warn!(%guild, %error, "pieces of a refused append stay");
        }
    }

    /// The records of a message of the log.
    async fn records(
        &self,
        guild: GuildId,
        stored: Stored,
    ) -> Result<(Head, Vec<NewRecord>), JournalError> {
        let (head, body) = frame::decode(stored.payload)?;
        let body = match body {
            Body::Here(body) => body,
            Body::Elsewhere(pieces) => self
                .nats
                .get_pieces(&guild.to_string(), &pieces)
                .await?
                .ok_or_else(|| JournalError::Damaged("records are gone".to_owned()))?,
        };
        Ok((head, frame::decode_records(body, head.count)?))
    }

    async fn remove_all(&self, guild: GuildId) -> Result<(), JournalError> {
        let owner = guild.to_string();
        // The snapshot first: without it the log still tells that the guild is deleted, while a snapshot
        // without a log would bring it back.
        self.nats.drop_head(&owner).await?;
        let (stream, subject) = self.log(guild);
        let purged = stream.purge().filter(subject).await;
        purged.map_err(|error| NatsError::new("a log cannot be dropped", &error))?;
        self.nats.drop_all_pieces(&owner).await?;
        self.known.remove(&guild);
        self.indexes.remove(&guild);
        Ok(())
    }

    async fn list(
        &self,
        after: Option<GuildId>,
        limit: usize,
    ) -> Result<Vec<GuildId>, JournalError> {
        let mut ids = Vec::new();
        for stream in &self.nats.inner.logs {
            let failed = |error: &dyn std::fmt::Display| NatsError::new("no list of logs", error);
            let subjects = stream.info_with_subjects(">").await;
            let mut subjects = subjects.map_err(|error| failed(&error))?;
            while let Some((subject, _)) =
                subjects.try_next().await.map_err(|error| failed(&error))?
            {
                let id = subject.rsplit('.').next();
                let id = id.and_then(|id| id.parse::<GuildId>().ok());
                ids.extend(id.filter(|id| after.is_none_or(|after| *id > after)));
            }
        }
        ids.sort_unstable();
        ids.truncate(limit);
        Ok(ids)
    }
}

impl Journal for NatsJournal {
    fn append(
        &self,
        guild: GuildId,
        expected: Position,
        records: Vec<NewRecord>,
    ) -> JournalFuture<Position> {
        let journal = self.clone();
        Box::pin(async move { journal.append_all(guild, expected, records).await })
    }

    fn read(&self, guild: GuildId, after: Position, limit: usize) -> JournalFuture<Vec<Entry>> {
        let journal = self.clone();
        Box::pin(async move { journal.read_after(guild, after, limit).await })
    }

    fn about(&self, guild: GuildId, span: Span) -> JournalFuture<Stretch> {
        let journal = self.clone();
        Box::pin(async move { journal.find(guild, span).await })
    }

    fn trim(&self, guild: GuildId, through: Position, messages: MessageId) -> JournalFuture<bool> {
        let journal = self.clone();
        Box::pin(async move { journal.forget(guild, through, messages).await })
    }

    fn last_position(&self, guild: GuildId) -> JournalFuture<Position> {
        let journal = self.clone();
        Box::pin(async move { Ok(journal.look(guild).await?.0.position) })
    }

    fn remove(&self, guild: GuildId) -> JournalFuture<()> {
        let journal = self.clone();
        Box::pin(async move { journal.remove_all(guild).await })
    }

    fn guilds(&self, after: Option<GuildId>, limit: usize) -> JournalFuture<Vec<GuildId>> {
        let journal = self.clone();
        Box::pin(async move { journal.list(after, limit).await })
    }

    fn snapshot(&self, guild: GuildId) -> JournalFuture<Option<Snapshot>> {
        let journal = self.clone();
        Box::pin(async move { journal.newest_snapshot(guild).await })
    }

    fn put_snapshot(&self, guild: GuildId, snapshot: Snapshot) -> JournalFuture<()> {
        let journal = self.clone();
        Box::pin(async move { journal.keep_snapshot(guild, snapshot).await })
    }

    fn accepts_writes(&self) -> bool {
        self.nats.is_connected() && self.may_write()
    }
}

/// Counts an append while it is under way; its outcome, where who waits for it does not go away.
struct InFlight(Nats);

impl InFlight {
    fn new(nats: Nats) -> Self {
        nats.figures().appends_in_flight.inc();
        Self(nats)
    }

    fn ended(self, result: &Result<Position, JournalError>) {
        let outcome = match result {
            Ok(_) => AppendOutcome::Acknowledged,
            Err(JournalError::Conflict { .. }) => AppendOutcome::Refused,
            Err(JournalError::Ambiguous(_)) => AppendOutcome::Ambiguous,
            Err(_) => AppendOutcome::Failed,
        };
        self.0.figures().appends.of(outcome).inc();
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.figures().appends_in_flight.dec();
    }
}

#[cfg(test)]
mod tests;
