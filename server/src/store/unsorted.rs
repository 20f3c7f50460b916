//! The newest records of guilds: those of commits that are not sorted yet. They are in memory, and on the disk in the order
//! in which they came ([`super::commits`]).
//!
//! The writer alone changes it: it adds what it has committed, and takes out what is sorted. So who reads looks
//! here first and at the sorted records then, and finds a record in one or in both.

use std::collections::VecDeque;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry as Slot;

use super::index::Mention;
use crate::journal::{Entry, NewRecord, Span};
use crate::protocol::{GuildId, Position};

/// The newest records of all guilds.
#[derive(Debug, Default)]
pub(super) struct Unsorted(DashMap<GuildId, Log>);

/// Those of one guild.
#[derive(Debug)]
struct Log {
    /// Of the record before the first one here.
    after: Position,
    records: VecDeque<NewRecord>,
}

impl Log {
    fn last(&self) -> Position {
        self.after + self.records.len() as Position
    }

    fn entries(&self) -> impl Iterator<Item = (Position, &NewRecord)> {
        (self.after + 1..).zip(&self.records)
    }
}

/// A record is not the next one of its guild.
#[derive(Debug)]
pub(super) struct Gap;

impl Unsorted {
    /// Adds a record that was committed.
    pub(super) fn push(
        &self,
        guild: GuildId,
        position: Position,
        record: NewRecord,
    ) -> Result<(), Gap> {
        let mut log = self.0.entry(guild).or_insert_with(|| Log {
            after: position - 1,
            records: VecDeque::new(),
        });
        if log.last() + 1 != position {
            return Err(Gap);
        }
        log.records.push_back(record);
        Ok(())
    }

    /// The position of a guild's last record, where that is here.
    pub(super) fn last_position(&self, guild: GuildId) -> Option<Position> {
        self.0.get(&guild).map(|log| log.last())
    }

    /// Records of a guild after a position, at most `limit` of them.
    pub(super) fn read(&self, guild: GuildId, after: Position, limit: usize) -> Vec<Entry> {
        let Some(log) = self.0.get(&guild) else {
            return Vec::new();
        };
        let skipped = after.saturating_sub(log.after);
        let skipped = log.records.len().min(skipped as usize);
        let records = log.records.range(skipped..).take(limit);
        (log.after + 1 + skipped as Position..)
            .zip(records)
            .map(|(position, record)| Entry {
                position,
                record: record.bytes.clone(),
            })
            .collect()
    }

    /// Records that are about messages of a span, one entry for each of those, in no order.
    pub(super) fn about(&self, guild: GuildId, span: &Span) -> Vec<(Mention, Entry)> {
        let Some(log) = self.0.get(&guild) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (position, record) in log.entries() {
            let about = record.about.as_ref();
            for mention in about.into_iter().flat_map(|it| Mention::all(it, position)) {
                if mention.is_in(span) {
                    let record = record.bytes.clone();
                    found.push((mention, Entry { position, record }));
                }
            }
        }
        found
    }

    /// Guilds that have records here, after one, in no order.
    pub(super) fn guilds(&self, after: Option<GuildId>) -> Vec<GuildId> {
        let guilds = self.0.iter().map(|log| *log.key());
        guilds.filter(|guild| Some(*guild) > after).collect()
    }

    /// Bytes of the records here.
    pub(super) fn bytes(&self) -> usize {
        let bytes = |log: &Log| log.records.iter().map(|it| it.bytes.len()).sum::<usize>();
        self.0.iter().map(|log| bytes(&log)).sum()
    }

    /// Where the logs end that have records here, by rising id.
    pub(super) fn ends(&self) -> Vec<(GuildId, Position)> {
        let ends = self.0.iter().map(|log| (*log.key(), log.last()));
        let mut ends: Vec<_> = ends.collect();
        ends.sort_unstable();
        ends
    }

    /// A guild's first records here up to a position, with the position of the first.
    pub(super) fn first(
        &self,
        guild: GuildId,
        through: Position,
    ) -> Option<(Position, Vec<NewRecord>)> {
        let log = self.0.get(&guild)?;
        let count = through.saturating_sub(log.after) as usize;
        let records: Vec<NewRecord> = log.records.iter().take(count).cloned().collect();
        (!records.is_empty()).then_some((log.after + 1, records))
    }

    /// Forgets a guild's records up to a position, which are sorted.
    pub(super) fn forget_through(&self, guild: GuildId, through: Position) {
        if let Slot::Occupied(mut log) = self.0.entry(guild) {
            let sorted = through.saturating_sub(log.get().after) as usize;
            if sorted >= log.get().records.len() {
                log.remove();
                return;
            }
            let log = log.get_mut();
            log.records.drain(..sorted);
            log.after += sorted as Position;
        }
    }

    /// Forgets a guild's records.
    pub(super) fn forget(&self, guild: GuildId) {
        self.0.remove(&guild);
    }
}
