//! Forgetting what is kept: a whole guild, or the old part of its log.

use std::sync::Arc;

use fjall::{OwnedWriteBatch, PersistMode};

use super::blocks;
use super::disk::Disk;
use super::index::Mention;
use super::keys;
use super::shared::Commits;
use super::writer::Writer;
use crate::journal::JournalError;
use crate::protocol::{GuildId, MessageId, Position};

/// Keys forgotten in one commit: others wait for it.
const FORGET_BATCH: usize = 4_096;

impl Writer {
    /// Forgets a guild, its newest records first: what an interruption leaves has no gap.
    pub(super) fn remove(&mut self, guild: GuildId) -> Result<(), JournalError> {
        let shared = Arc::clone(&self.shared);
        let disk = shared.disk();
        let disk = self.writable(disk.as_ref())?;
        self.ends.forget(guild);
        let from = self.log.next();
        loop {
            // Synced, as the log may be by itself, which has the guild still.
            let mut batch = disk.db.batch().durability(Some(PersistMode::SyncData));
            let keys = disk.blocks_through(guild, Position::MAX).rev();
            let keys = keys.take(FORGET_BATCH).collect::<Result<Vec<_>, _>>()?;
            let mentions = disk.mentions_through(guild, MessageId::new(u64::MAX), FORGET_BATCH)?;
            let done = keys.len() < FORGET_BATCH && mentions.len() < FORGET_BATCH;
            batch.remove(&disk.snapshots, guild.get().to_be_bytes());
            for key in keys {
                batch.remove(&disk.blocks, key);
            }
            for key in mentions {
                batch.remove(&disk.messages, key);
            }
            if done {
                batch.remove(&disk.meta, keys::trimmed(guild));
            }
            // Nothing may fail between what is forgotten in memory and the commit, but the commit.
            batch.insert(&disk.meta, keys::start(guild), from.to_be_bytes());
            disk.unsorted.forget(guild);
            self.commit_forgotten(batch, guild)?;
            self.sorting.starts(guild, from);
            self.line.beat();
            if done {
                return Ok(());
            }
        }
    }

    /// Forgets a part of the old records of a guild, the oldest first, and of the index entries of its
    /// old messages. Tells whether nothing is left to be done.
    ///
    /// What of its log is not sorted is so with that: a restart would find what is forgotten by it still.
    pub(super) fn trim(
        &mut self,
        guild: GuildId,
        through: Position,
        messages: MessageId,
    ) -> Result<bool, JournalError> {
        let shared = Arc::clone(&self.shared);
        let disk = shared.disk();
        let disk = self.writable(disk.as_ref())?;
        let Some(snapshot) = disk.snapshot(guild)? else {
            return Ok(true);
        };
        // The last record stays, and with it the log's position.
        let last = *self.ends.find(disk, guild)?;
        let through = through.min(snapshot.position.min(last).saturating_sub(1));
        let mut batch = disk.db.batch().durability(Some(shared.mode));
        if disk.trimmed(guild)? < through {
            batch.insert(&disk.meta, keys::trimmed(guild), through.to_be_bytes());
        }
        let keys = disk.blocks_through(guild, through);
        let keys = keys.take(FORGET_BATCH).collect::<Result<Vec<_>, _>>()?;
        let mentions = disk.mentions_through(guild, messages, FORGET_BATCH)?;
        let done = keys.len() < FORGET_BATCH && mentions.len() < FORGET_BATCH;
        for key in keys {
            batch.remove(&disk.blocks, key);
        }
        for key in mentions {
            batch.remove(&disk.messages, key);
        }
        let unsorted = disk.unsorted.first(guild, last);
        let from = self.log.next();
        if let Some((first, records)) = &unsorted {
            let gone = (through + 1).saturating_sub(*first) as usize;
            for mention in Mention::of(records, *first) {
                if mention.message > messages {
                    batch.insert(&disk.messages, keys::mention(guild, mention), []);
                }
            }
            let kept = records.get(gone..).unwrap_or_default();
            let first = (*first).max(through + 1);
            blocks::insert(&mut batch, disk, guild, first, kept);
            batch.insert(&disk.meta, keys::start(guild), from.to_be_bytes());
        }
        self.commit_forgotten(batch, guild)?;
        if unsorted.is_some() {
            disk.unsorted.forget_through(guild, last);
            self.sorting.starts(guild, from);
        }
        Ok(done)
    }

    fn writable<'d>(&self, disk: Option<&'d Disk>) -> Result<&'d Disk, JournalError> {
        disk.filter(|_| self.shared.accepts_writes())
            .ok_or_else(|| {
                self.shared.counters.store_refused.inc();
                JournalError::Unavailable(self.shared.refusal())
            })
    }

    fn commit_forgotten(
        &mut self,
        batch: OwnedWriteBatch,
        guild: GuildId,
    ) -> Result<(), JournalError> {
        let committed = self.shared.inject(Commits::New, || batch.commit());
        committed.map_err(|error| self.failed(&error, vec![guild], false))
    }
}
