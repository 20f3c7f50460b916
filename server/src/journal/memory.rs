//! The journal in memory: for tests and for what need not survive.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use dashmap::DashMap;

use super::{Entry, Journal, JournalError, JournalFuture, NewRecord, Snapshot, Span, Stretch};
use crate::protocol::{ChannelId, GuildId, MessageId, Position};

/// Every guild's log, in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryJournal {
    logs: Arc<DashMap<GuildId, Log>>,
    snapshots: Arc<DashMap<GuildId, Snapshot>>,
}

/// One guild's log.
#[derive(Debug, Default)]
struct Log {
    /// The last position that was trimmed away.
    trimmed: Position,
    records: VecDeque<Bytes>,
    /// Which record is about which message.
    index: BTreeSet<(ChannelId, MessageId, Position)>,
}

impl Log {
    fn last(&self) -> Position {
        self.trimmed + self.records.len() as Position
    }

    /// The record at a position, if there is one.
    fn entry(&self, position: Position) -> Option<Entry> {
        let place = position.checked_sub(self.trimmed + 1)?;
        let record = self.records.get(usize::try_from(place).ok()?)?;
        Some(Entry {
            position,
            record: record.clone(),
        })
    }

    fn push(&mut self, record: NewRecord) {
        // As large as it is: what it was written into has room to spare.
        self.records
            .push_back(Bytes::copy_from_slice(&record.bytes));
        let position = self.last();
        if let Some(about) = record.about {
            let entries = about.messages.into_iter();
            self.index
                .extend(entries.map(|id| (about.channel, id, position)));
        }
    }

    fn about(&self, span: Span) -> Stretch {
        let range = (span.channel, span.from, 0)..=(span.channel, span.to, Position::MAX);
        let found = self.index.range(range);
        if span.newest_first {
            self.gather(found.rev(), span.limit)
        } else {
            self.gather(found, span.limit)
        }
    }

    fn gather<'i>(
        &self,
        found: impl Iterator<Item = &'i (ChannelId, MessageId, Position)>,
        limit: usize,
    ) -> Stretch {
        let mut stretch = Stretch::default();
        for (_, id, position) in found {
            let Some(entries) = stretch.entries_of(*id, |count| count < limit) else {
                break;
            };
            entries.extend(self.entry(*position));
        }
        for (_, entries) in &mut stretch.messages {
            entries.sort_by_key(|entry| entry.position);
        }
        stretch
    }
}

fn ready<T: Send + 'static>(result: Result<T, JournalError>) -> JournalFuture<T> {
    Box::pin(std::future::ready(result))
}

impl MemoryJournal {
    /// An empty journal.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Journal for MemoryJournal {
    fn append(
        &self,
        guild: GuildId,
        expected: Position,
        records: Vec<NewRecord>,
    ) -> JournalFuture<Position> {
        let mut log = self.logs.entry(guild).or_default();
        let actual = log.last();
        if actual != expected {
            return ready(Err(JournalError::Conflict { actual }));
        }
        for record in records {
            log.push(record);
        }
        ready(Ok(log.last()))
    }

    fn read(&self, guild: GuildId, after: Position, limit: usize) -> JournalFuture<Vec<Entry>> {
        let Some(log) = self.logs.get(&guild) else {
            return ready(Ok(Vec::new()));
        };
        if after < log.trimmed {
            let through = log.trimmed;
            return ready(Err(JournalError::Trimmed { through }));
        }
        let positions = (after..log.last()).map(|before| before + 1);
        let entries = positions
            .take(limit)
            .filter_map(|position| log.entry(position));
        ready(Ok(entries.collect()))
    }

    fn about(&self, guild: GuildId, span: Span) -> JournalFuture<Stretch> {
        let log = self.logs.get(&guild);
        ready(Ok(log.map(|log| log.about(span)).unwrap_or_default()))
    }

    fn trim(&self, guild: GuildId, through: Position, messages: MessageId) -> JournalFuture<bool> {
        let kept = self.snapshots.get(&guild).map(|kept| kept.position);
        if let (Some(kept), Some(mut log)) = (kept, self.logs.get_mut(&guild)) {
            let through = through.min(kept.saturating_sub(1));
            while log.trimmed < through && log.records.len() > 1 {
                log.records.pop_front();
                log.trimmed += 1;
            }
            log.index.retain(|(_, id, _)| *id > messages);
        }
        ready(Ok(true))
    }

    fn last_position(&self, guild: GuildId) -> JournalFuture<Position> {
        ready(Ok(self.logs.get(&guild).map_or(0, |log| log.last())))
    }

    fn remove(&self, guild: GuildId) -> JournalFuture<()> {
        self.logs.remove(&guild);
        self.snapshots.remove(&guild);
        ready(Ok(()))
    }

    fn guilds(&self, after: Option<GuildId>, limit: usize) -> JournalFuture<Vec<GuildId>> {
        let mut ids: Vec<GuildId> = self
            .logs
            .iter()
            .map(|log| *log.key())
            .filter(|id| after.is_none_or(|after| *id > after))
            .collect();
        ids.sort_unstable();
        ids.truncate(limit);
        ready(Ok(ids))
    }

    fn snapshot(&self, guild: GuildId) -> JournalFuture<Option<Snapshot>> {
        ready(Ok(self.snapshots.get(&guild).map(|kept| kept.clone())))
    }

    fn put_snapshot(&self, guild: GuildId, snapshot: Snapshot) -> JournalFuture<()> {
        let mut kept = self
            .snapshots
            .entry(guild)
            .or_insert_with(|| snapshot.clone());
        if kept.position < snapshot.position {
            *kept = snapshot;
        }
        ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::conformance;

    #[test]
    fn memory_journal_keeps_the_contract() {
        conformance::run(&MemoryJournal::new());
    }
}
