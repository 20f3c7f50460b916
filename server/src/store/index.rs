//! The index of messages: which records are about which message. It has what is sorted; the rest is looked through in memory.
//! Every call here blocks.

use fjall::{Readable, Snapshot};

use super::blocks::Block;
use super::disk::{Disk, damaged_key, read_error};
use super::keys;
use crate::journal::{About, Entry, JournalError, NewRecord, Span, Stretch};
use crate::protocol::{ChannelId, GuildId, MessageId, Position};

/// Most bytes of records in one answer, but for those of a single message.
const MAX_ABOUT_BYTES: usize = 4 << 20;

/// Tells from a record's bytes which messages it is about.
pub type Indexer = fn(&[u8]) -> Option<About>;

/// A record that is about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mention {
    pub(super) channel: ChannelId,
    pub(super) message: MessageId,
    pub(super) position: Position,
}

impl Mention {
    /// What a record is about, an entry for each message.
    pub(super) fn all(about: &About, position: Position) -> impl Iterator<Item = Self> {
        about.messages.iter().map(move |message| Self {
            channel: about.channel,
            message: *message,
            position,
        })
    }

    /// What records are about, the first of which is at `first`.
    pub(super) fn of(records: &[NewRecord], first: Position) -> impl Iterator<Item = Self> {
        let records = records.iter().zip(first..);
        records.flat_map(|(record, position)| {
            let about = record.about.iter();
            about.flat_map(move |about| Self::all(about, position))
        })
    }

    /// Whether it is about a message of a span.
    pub(super) fn is_in(&self, span: &Span) -> bool {
        self.channel == span.channel && (span.from..=span.to).contains(&self.message)
    }
}

/// A record about a message, and the record itself where it is at hand.
type Found = (Mention, Option<Entry>);

impl Disk {
    /// Messages of a span with the records about them.
    pub(super) fn about(&self, guild: GuildId, span: Span) -> Result<Stretch, JournalError> {
        // Before the view of what is sorted: a record is in one of the two, or in both.
        let unsorted = self.unsorted.about(guild, &span);
        let view = self.db.snapshot();
        let trimmed = self.trimmed(guild)?;
        let mut stretch = Stretch::default();
        let mut bytes = 0;
        let mut block: Option<Block> = None;
        for found in self.mentions_of(&view, guild, &span, unsorted) {
            let (
                Mention {
                    message, position, ..
                },
                at_hand,
            ) = found?;
            let has_room = |count| count < span.limit && bytes < MAX_ABOUT_BYTES;
            let Some(entries) = stretch.entries_of(message, has_room) else {
                break;
            };
            let record = match at_hand {
                Some(entry) => Some(entry.record),
                // Messages that follow each other are in one block.
                None if position > trimmed => {
                    if block.as_ref().is_none_or(|it| it.get(position).is_none()) {
                        block = self.blocks(&view, guild, position).next().transpose()?;
                    }
                    block.as_ref().and_then(|it| it.get(position).cloned())
                }
                None => None,
            };
            let Some(record) = record else {
                if position <= trimmed {
                    continue;
                }
                let missing = format!("guild {guild} has no record {position}, its index has");
                return Err(JournalError::Damaged(missing));
            };
            bytes += record.len();
            entries.push(Entry { position, record });
        }
        if span.newest_first {
            for (_, entries) in &mut stretch.messages {
                entries.reverse();
            }
        }
        Ok(stretch)
    }

    /// What is about the messages of a span, in its order: by the index, and what is not sorted.
    fn mentions_of(
        &self,
        view: &Snapshot,
        guild: GuildId,
        span: &Span,
        mut unsorted: Vec<(Mention, Entry)>,
    ) -> impl Iterator<Item = Result<Found, JournalError>> + use<> {
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

        let place = |mention: &Mention| (mention.message, mention.position);
        unsorted.sort_unstable_by_key(|(mention, _)| place(mention));
        if span.newest_first {
            unsorted.reverse();
        }
        let newest_first = span.newest_first;
        let comes_first = move |one: &Mention, other: &Mention| {
            if newest_first {
                place(one) > place(other)
            } else {
                place(one) < place(other)
            }
        };
        let mut unsorted = unsorted.into_iter().peekable();
        let at_hand = |(mention, entry)| Ok((mention, Some(entry)));
        std::iter::from_fn(move || {
            match (indexed.peek(), unsorted.peek()) {
                (Some(Ok(one)), Some((other, _))) if one == other => {
                    // Sorted between the two looks.
                    indexed.next();
                    unsorted.next().map(at_hand)
                }
                (Some(Ok(one)), Some((other, _))) if comes_first(other, one) => {
                    unsorted.next().map(at_hand)
                }
                (Some(_), _) => indexed.next().map(|found| found.map(|it| (it, None))),
                (None, _) => unsorted.next().map(at_hand),
            }
        })
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
}
