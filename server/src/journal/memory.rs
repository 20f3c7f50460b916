//! The journal in memory: for tests and for what need not survive.

use std::sync::Arc;

use bytes::Bytes;
use dashmap::DashMap;

use super::{Entry, Journal, JournalError, JournalFuture, Snapshot};
use crate::protocol::{GuildId, Position};

/// Every guild's log, in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryJournal {
    logs: Arc<DashMap<GuildId, Vec<Bytes>>>,
    snapshots: Arc<DashMap<GuildId, Snapshot>>,
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
        records: Vec<Bytes>,
    ) -> JournalFuture<Position> {
        let mut log = self.logs.entry(guild).or_default();
        let actual = log.len() as Position;
        if actual != expected {
            return ready(Err(JournalError::Conflict { actual }));
        }
        log.extend(records);
        ready(Ok(log.len() as Position))
    }

    fn read(&self, guild: GuildId, after: Position, limit: usize) -> JournalFuture<Vec<Entry>> {
        let entries = self.logs.get(&guild).map_or_else(Vec::new, |log| {
            log.iter()
                .enumerate()
                .skip(after as usize)
                .take(limit)
                .map(|(index, record)| Entry {
                    position: index as Position + 1,
                    record: record.clone(),
                })
                .collect()
        });
        ready(Ok(entries))
    }

    fn last_position(&self, guild: GuildId) -> JournalFuture<Position> {
        ready(Ok(self
            .logs
            .get(&guild)
            .map_or(0, |log| log.len() as Position)))
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
