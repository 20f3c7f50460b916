//! Forgetting what is kept: a whole guild, or the old part of its log.

use std::sync::Arc;

use fjall::OwnedWriteBatch;

use super::disk::Disk;
use super::keys;
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
        let mut last = self.ends.find(disk, guild)?.position;
        self.ends.forget(guild);
        loop {
            let mut batch = disk.db.batch().durability(Some(shared.mode));
            batch.remove(&disk.snapshots, guild.get().to_be_bytes());
            for _ in 0..FORGET_BATCH.min(last as usize) {
                batch.remove(&disk.records, keys::record(guild, last));
                last -= 1;
            }
            let mentions = disk.mentions_through(guild, MessageId::new(u64::MAX), FORGET_BATCH)?;
            let done = last == 0 && mentions.len() < FORGET_BATCH;
            for key in mentions {
                batch.remove(&disk.messages, key);
            }
            if done {
                batch.remove(&disk.meta, keys::trimmed(guild));
                batch.remove(&disk.meta, keys::indexed(guild));
            } else if disk.indexed(&disk.db.snapshot(), guild)? > last {
                // What is appended after an interruption is behind the index.
                batch.insert(&disk.meta, keys::indexed(guild), last.to_be_bytes());
            }
            self.commit_forgotten(batch, guild)?;
            self.line.beat();
            if done {
                return Ok(());
            }
        }
    }

    /// Forgets a part of the old records of a guild, the oldest first, and of the index entries of its
    /// old messages. Tells whether nothing is left to be done.
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
        let last = self.ends.find(disk, guild)?.position;
        let through = through.min(snapshot.position.min(last).saturating_sub(1));
        let mut batch = disk.db.batch().durability(Some(shared.mode));
        if disk.trimmed(guild)? < through {
            batch.insert(&disk.meta, keys::trimmed(guild), through.to_be_bytes());
        }
        let records = disk.records_through(guild, through, FORGET_BATCH)?;
        let mentions = disk.mentions_through(guild, messages, FORGET_BATCH)?;
        let done = records.len() < FORGET_BATCH && mentions.len() < FORGET_BATCH;
        for position in records {
            batch.remove(&disk.records, keys::record(guild, position));
        }
        for key in mentions {
            batch.remove(&disk.messages, key);
        }
        // Nothing may fail between this and the commit. What is behind the index would be found by its record still: the index has it from now on, or what is over is forgotten.
        if let Some(behind) = self.ends.find(disk, guild)?.due(disk, guild, 1)? {
            for mention in behind {
                if mention.message > messages {
                    batch.insert(&disk.messages, keys::mention(guild, mention), []);
                }
            }
            batch.insert(&disk.meta, keys::indexed(guild), last.to_be_bytes());
        }
        self.commit_forgotten(batch, guild)?;
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
        let committed = self.shared.inject(|| batch.commit());
        committed.map_err(|error| self.failed(&error, vec![guild]))
    }
}
