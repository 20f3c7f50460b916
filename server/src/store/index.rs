//! The index of messages: which records are about which message. It is written by the handful and has got behind by a few
//! records ([`super::ends`]); those are looked through as well. Every call here blocks.

use std::ops::RangeInclusive;

use fjall::{PersistMode, Readable, Snapshot};

use super::disk::{Disk, StoreError, damaged_key, read_error};
use super::ends::Mention;
use super::keys;
use crate::journal::{About, Entry, JournalError, Span, Stretch};
use crate::protocol::{ChannelId, GuildId, MessageId, Position};

/// Most bytes of records in one answer, but for those of a single message.
const MAX_ABOUT_BYTES: usize = 4 << 20;
/// Records or guilds looked at between two commits while a store is brought to today's form.
const BUILD_BATCH: usize = 20_000;

/// Tells from a record's bytes which messages it is about.
pub type Indexer = fn(&[u8]) -> Option<About>;

impl Disk {
    /// Messages of a span with the records about them.
    pub(super) fn about(&self, guild: GuildId, span: Span) -> Result<Stretch, JournalError> {
        let view = self.db.snapshot();
        let trimmed = self.trimmed(guild)?;
        let mut stretch = Stretch::default();
        let mut bytes = 0;
        for mention in self.mentions_of(&view, guild, &span)? {
            let Mention {
                message, position, ..
            } = mention?;
            let has_room = |count| count < span.limit && bytes < MAX_ABOUT_BYTES;
            let Some(entries) = stretch.entries_of(message, has_room) else {
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

    /// What is about the messages of a span, in its order: by the index, and by the records behind it.
    fn mentions_of(
        &self,
        view: &Snapshot,
        guild: GuildId,
        span: &Span,
    ) -> Result<impl Iterator<Item = Result<Mention, JournalError>>, JournalError> {
        let mention = |message, position| Mention {
            channel: span.channel,
            message,
            position,
        };
        let range = keys::mention(guild, mention(span.from, 0))
            ..=keys::mention(guild, mention(span.to, Position::MAX));
        let indexed = view.range(&self.messages, range);
        let indexed: Box<dyn Iterator<Item = fjall::Guard>> = if span.newest_first {
            Box::new(indexed.rev())
        } else {
            Box::new(indexed)
        };
        let mut indexed = indexed
            .map(|pair| {
                let key = pair.key().map_err(|error| read_error(&error))?;
                keys::split_mention(&key).ok_or_else(damaged_key)
            })
            .peekable();

        let after = self.indexed(view, guild)?.saturating_add(1);
        let mut behind = self.mentions_in(view, guild, after..=Position::MAX)?;
        behind.retain(|mention| {
            mention.channel == span.channel && (span.from..=span.to).contains(&mention.message)
        });
        let newest_first = span.newest_first;
        let comes_first = move |one: &Mention, other: &Mention| {
            let (one, other) = ((one.message, one.position), (other.message, other.position));
            if newest_first {
                one > other
            } else {
                one < other
            }
        };
        behind.sort_unstable_by_key(|mention| (mention.message, mention.position));
        if newest_first {
            behind.reverse();
        }
        let mut behind = behind.into_iter().peekable();
        Ok(std::iter::from_fn(move || {
            match (indexed.peek(), behind.peek()) {
                (Some(Ok(one)), Some(other)) if comes_first(other, one) => behind.next().map(Ok),
                (Some(_), _) => indexed.next(),
                (None, _) => behind.next().map(Ok),
            }
        }))
    }

    /// Up to which position the index has what a guild's records are about.
    pub(super) fn indexed(
        &self,
        view: &Snapshot,
        guild: GuildId,
    ) -> Result<Position, JournalError> {
        let kept = view.get(&self.meta, keys::indexed(guild));
        let kept = kept.map_err(|error| read_error(&error))?;
        Ok(kept.as_deref().and_then(keys::number).unwrap_or(0))
    }

    /// What some of a guild's records are about.
    pub(super) fn mentions_in(
        &self,
        view: &Snapshot,
        guild: GuildId,
        positions: RangeInclusive<Position>,
    ) -> Result<Vec<Mention>, JournalError> {
        let mut mentions = Vec::new();
        let range = keys::record(guild, *positions.start())..=keys::record(guild, *positions.end());
        for pair in view.range(&self.records, range) {
            let (key, record) = pair.into_inner().map_err(|error| read_error(&error))?;
            let (_, position) = keys::split_record(&key).ok_or_else(damaged_key)?;
            if let Some(about) = (self.indexer)(&record) {
                mentions.extend(Mention::all(&about, position));
            }
        }
        Ok(mentions)
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
        let bound = |channel, message, position| {
            let mention = Mention {
                channel,
                message,
                position,
            };
            keys::mention(guild, mention)
        };
        let last = bound(
            ChannelId::new(u64::MAX),
            MessageId::new(u64::MAX),
            Position::MAX,
        );
        while let Some(from) = channel.filter(|_| keys.len() < limit) {
            let first = bound(ChannelId::new(from), MessageId::new(0), 0);
            let Some(first) = view.range(&self.messages, first..=last).next() else {
                break;
            };
            let first = first.key().map_err(|error| read_error(&error))?;
            let found = keys::split_mention(&first).ok_or_else(damaged_key)?.channel;
            let range = bound(found, MessageId::new(0), 0)..=bound(found, through, Position::MAX);
            let room = limit - keys.len();
            for pair in view.range(&self.messages, range).take(room) {
                let key = pair.key().map_err(|error| read_error(&error))?;
                keys.push(key.as_ref().try_into().map_err(|_| damaged_key())?);
            }
            channel = found.get().checked_add(1);
        }
        Ok(keys)
    }

    /// Builds the index of a store that was written before there was one. A process that is killed
    /// meanwhile leaves a store that is still of the older form.
    pub(super) fn build_index(&self) -> Result<(), StoreError> {
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
            if let Some(about) = (self.indexer)(&record) {
                for mention in Mention::all(&about, position) {
                    batch.insert(&self.messages, keys::mention(guild, mention), []);
                    entries += 1;
                }
            }
            if records.is_multiple_of(BUILD_BATCH as u64) {
                std::mem::replace(&mut batch, self.db.batch()).commit()?;
                tracing::info!(records, entries, "records looked at");
            }
        }
        batch.commit()?;
        tracing::info!(records, entries, unread, "the index of messages is built");
        Ok(())
    }

    /// Marks an index that has every record as such. A process that is killed meanwhile leaves a store that is still of the
    /// older form.
    pub(super) fn mark_index(&self) -> Result<(), StoreError> {
        tracing::info!("the store is of an older form: it is noted how far its index reaches");
        let damaged = |error: JournalError| StoreError::Database(error.to_string());
        let (mut marked, mut last) = (0_u64, None);
        loop {
            let guilds = self.guilds(last, BUILD_BATCH).map_err(damaged)?;
            let mut batch = self.db.batch();
            for guild in &guilds {
                let position = self.last_position(*guild).map_err(damaged)?;
                batch.insert(&self.meta, keys::indexed(*guild), position.to_be_bytes());
            }
            marked += guilds.len() as u64;
            last = guilds.last().copied();
            if last.is_none() {
                batch.insert(&self.meta, keys::FORMAT_KEY, keys::FORMAT.to_be_bytes());
                batch.durability(Some(PersistMode::SyncAll)).commit()?;
                tracing::info!(guilds = marked, "the store is of today's form");
                return Ok(());
            }
            batch.commit()?;
        }
    }
}
