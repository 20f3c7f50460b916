//! Stores of older forms, which are brought to today's when they are opened.

use bytes::Bytes;
use fjall::{Keyspace, KeyspaceCreateOptions, PersistMode};

use super::blocks;
use super::disk::{Disk, StoreError};
use super::index::Mention;
use super::keys;
use super::recovery::{Recovery, Starts};
use super::sorter;
use crate::journal::JournalError;
use crate::protocol::{GuildId, Position};

/// The keyspace that had the commits of the last records, by number.
pub(super) const COMMITS: &str = "commits";
/// The keyspace that had one record to a key.
pub(super) const RECORDS: &str = "records";
/// Guilds looked at between two commits.
const BATCH: usize = 1_000;
/// Records of a guild that are put into blocks at a time.
const RUN: usize = 4_096;

impl Disk {
    /// Brings a store to today's form, whose format is `found`; tells whether that is one that it knows. A process that is
    /// killed meanwhile leaves a store that is still of the older form.
    pub(super) fn bring_to_today(&self, found: Option<u32>) -> Result<bool, StoreError> {
        let has_whole_index = match found {
            Some(keys::FORMAT | keys::FORMAT_WITH_COMMITS | keys::FORMAT_WITH_WHOLE_INDEX) => true,
            Some(keys::FORMAT_WITHOUT_INDEX | keys::FORMAT_WITH_MARKS) => false,
            _ => return Ok(false),
        };
        let (records, commits) = (self.former(RECORDS)?, self.former(COMMITS)?);
        if found != Some(keys::FORMAT) {
            tracing::info!("the store is of an older form, and is brought to today's");
            if let Some(records) = &records {
                self.put_into_blocks(records)?;
            }
            if !has_whole_index {
                self.complete_index()?;
            }
            if let Some(commits) = &commits {
                self.sort_commits(commits)?;
            }
            self.meta
                .insert(keys::FORMAT_KEY, keys::FORMAT.to_be_bytes())?;
            self.db.persist(PersistMode::SyncAll)?;
            self.forget_marks()?;
            tracing::info!("the store is of today's form");
        }
        for former in [records, commits].into_iter().flatten() {
            self.db.delete_keyspace(former)?;
        }
        Ok(true)
    }

    /// A keyspace of an older form, where it is there.
    fn former(&self, name: &str) -> Result<Option<Keyspace>, StoreError> {
        if !self.db.keyspace_exists(name) {
            return Ok(None);
        }
        Ok(Some(
            self.db.keyspace(name, KeyspaceCreateOptions::default)?,
        ))
    }

    /// Writes by guild what was committed last.
    fn sort_commits(&self, commits: &Keyspace) -> Result<(), StoreError> {
        let starts = Starts::new();
        let mut recovery = Recovery::new(self, &starts, u64::MAX);
        for pair in commits.iter() {
            // Any of them may be sorted.
            recovery.take(0, pair.value()?.into())?;
        }
        let logs = self.unsorted.ends();
        sorter::sort(self, &logs, |_| Ok(()))?;
        for (guild, through) in logs {
            self.unsorted.forget_through(guild, through);
        }
        Ok(())
    }

    /// Writes records that had a key of their own as blocks: the same ones as before, where it was interrupted. (They could not
    /// be cleared: what is written past the write-ahead files would be cleared with that by a restart.)
    fn put_into_blocks(&self, records: &Keyspace) -> Result<(), StoreError> {
        if records.is_empty()? {
            return Ok(());
        }
        let mut ingestion = self.blocks.start_ingestion()?;
        let mut write = |guild, first, run: &mut Vec<Bytes>| {
            for (key, value) in blocks::blocks(guild, first, run) {
                ingestion.write(key, value)?;
            }
            run.clear();
            Ok::<_, StoreError>(())
        };
        let damaged = || StoreError::Database("a key of the store is not one".to_owned());
        let mut count = 0_u64;
        let (mut guild, mut first, mut run) = (GuildId::new(0), 0, Vec::new());
        for pair in records.iter() {
            let (key, record) = pair.into_inner()?;
            let (of, position, _) = keys::split_block(&key).ok_or_else(damaged)?;
            let goes_on = of == guild && position == first + run.len() as Position;
            if !goes_on || run.len() >= RUN {
                write(guild, first, &mut run)?;
                (guild, first) = (of, position);
            }
            run.push(record.into());
            count += 1;
        }
        write(guild, first, &mut run)?;
        ingestion.finish()?;
        tracing::info!(records = count, "the store's records are in blocks");
        Ok(())
    }

    /// Adds to the index what it has not got yet of each guild: what is behind its mark, or all.
    fn complete_index(&self) -> Result<(), StoreError> {
        let damaged = |error: JournalError| StoreError::Database(error.to_string());
        let (mut entries, mut last) = (0_u64, None);
        loop {
            let guilds = self.guilds(last, BATCH).map_err(damaged)?;
            let view = self.db.snapshot();
            for guild in &guilds {
                let mark = self.meta.get(keys::mark(*guild))?;
                let indexed = mark.as_deref().and_then(keys::number).unwrap_or(0);
                for block in self.blocks(&view, *guild, indexed.saturating_add(1)) {
                    let mut batch = self.db.batch();
                    let behind = block.map_err(damaged)?.into_entries();
                    for entry in behind.filter(|entry| entry.position > indexed) {
                        let about = (self.indexer)(&entry.record);
                        for mention in about.iter().flat_map(|it| Mention::all(it, entry.position))
                        {
                            batch.insert(&self.messages, keys::mention(*guild, mention), []);
                            entries += 1;
                        }
                    }
                    batch.commit()?;
                }
            }
            last = guilds.last().copied();
            if last.is_none() {
                tracing::info!(entries, "the store's index of messages has every record");
                return Ok(());
            }
        }
    }

    /// Forgets how far the index once reached. What is left of that by a process that is killed meanwhile does no harm.
    fn forget_marks(&self) -> Result<(), StoreError> {
        let mut batch = self.db.batch();
        for mark in self.meta.prefix(keys::MARKS) {
            batch.remove(&self.meta, mark.key()?);
            if batch.len() >= BATCH {
                std::mem::replace(&mut batch, self.db.batch()).commit()?;
            }
        }
        Ok(batch.commit()?)
    }
}
