//! The index of messages: which records are about which message. Every call here blocks.

use fjall::{PersistMode, Readable};

use super::disk::{Disk, StoreError, damaged_key, read_error};
use super::keys;
use crate::journal::{About, Entry, JournalError, Span, Stretch};
use crate::protocol::{ChannelId, GuildId, MessageId, Position};

/// Most bytes of records in one answer, but for those of a single message.
const MAX_ABOUT_BYTES: usize = 4 << 20;
/// Records looked at between two commits while an index is built.
const BUILD_BATCH: usize = 20_000;

/// Tells from a record's bytes which messages it is about.
pub type Indexer = fn(&[u8]) -> Option<About>;

impl Disk {
    /// Messages of a span with the records about them.
    pub(super) fn about(&self, guild: GuildId, span: Span) -> Result<Stretch, JournalError> {
        let view = self.db.snapshot();
        let channel = span.channel;
        let range = keys::mention(guild, channel, span.from, 0)
            ..=keys::mention(guild, channel, span.to, Position::MAX);
        let found = view.range(&self.messages, range);
        let found: Box<dyn Iterator<Item = fjall::Guard>> = if span.newest_first {
            Box::new(found.rev())
        } else {
            Box::new(found)
        };
        let trimmed = self.trimmed(guild)?;
        let mut stretch = Stretch::default();
        let mut bytes = 0;
        for pair in found {
            let key = pair.key().map_err(|error| read_error(&error))?;
            let (id, position) = keys::split_mention(&key).ok_or_else(damaged_key)?;
            let has_room = |count| count < span.limit && bytes < MAX_ABOUT_BYTES;
            let Some(entries) = stretch.entries_of(id, has_room) else {
                break;
            };
            let record = view.get(&self.records, keys::record(guild, position));
            let Some(record) = record.map_err(|error| read_error(&error))? else {
                if position <= trimmed {
                    continue;
                }
                let missing = format!("guild {guild} has no record {position}, its index has");
                return Err(JournalError::Damaged(missing));
            };
            bytes += record.len();
            entries.push(Entry {
                position,
                record: record.into(),
            });
        }
        if span.newest_first {
            for (_, entries) in &mut stretch.messages {
                entries.reverse();
            }
        }
        Ok(stretch)
    }

    /// Index entries of a guild's messages up to `through`, at most `limit`.
    pub(super) fn mentions_through(
        &self,
        guild: GuildId,
        through: MessageId,
        limit: usize,
    ) -> Result<Vec<[u8; 32]>, JournalError> {
        let view = self.db.snapshot();
        let mut keys = Vec::new();
        let mut channel = Some(0);
        while let Some(from) = channel.filter(|_| keys.len() < limit) {
            let lowest = keys::mention(guild, ChannelId::new(from), MessageId::new(0), 0);
            let highest = keys::mention(
                guild,
                ChannelId::new(u64::MAX),
                MessageId::new(u64::MAX),
                u64::MAX,
            );
            let Some(first) = view.range(&self.messages, lowest..=highest).next() else {
                break;
            };
            let first = first.key().map_err(|error| read_error(&error))?;
            let found = keys::channel_of_mention(&first).ok_or_else(damaged_key)?;
            let lowest = keys::mention(guild, found, MessageId::new(0), 0);
            let highest = keys::mention(guild, found, through, Position::MAX);
            let room = limit - keys.len();
            for pair in view.range(&self.messages, lowest..=highest).take(room) {
                let key = pair.key().map_err(|error| read_error(&error))?;
                keys.push(key.as_ref().try_into().map_err(|_| damaged_key())?);
            }
            channel = found.get().checked_add(1);
        }
        Ok(keys)
    }

    /// Builds the index of a store that was written before there was one. A process that is killed
    /// meanwhile leaves a store that is still of the older form.
    pub(super) fn build_index(&self, indexer: Indexer) -> Result<(), StoreError> {
        tracing::info!("the store is of an older form: its index of messages is built now");
        let mut batch = self.db.batch();
        let (mut records, mut entries, mut unread) = (0_u64, 0_u64, 0_u64);
        for pair in self.db.snapshot().iter(&self.records) {
            let (key, record) = pair.into_inner()?;
            let Some((guild, position)) = keys::split_record(&key) else {
                unread += 1;
                continue;
            };
            records += 1;
            if let Some(about) = indexer(&record) {
                for id in about.messages {
                    let key = keys::mention(guild, about.channel, id, position);
                    batch.insert(&self.messages, key, []);
                    entries += 1;
                }
            }
            if records.is_multiple_of(BUILD_BATCH as u64) {
                std::mem::replace(&mut batch, self.db.batch()).commit()?;
                tracing::info!(records, entries, "records looked at");
            }
        }
        batch.insert(&self.meta, keys::FORMAT_KEY, keys::FORMAT.to_be_bytes());
        batch.durability(Some(PersistMode::SyncAll)).commit()?;
        tracing::info!(records, entries, unread, "the index of messages is built");
        Ok(())
    }
}
