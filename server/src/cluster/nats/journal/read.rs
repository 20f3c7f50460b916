//! Reading logs from JetStream.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Entries;
use std::sync::Arc;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use futures_util::StreamExt;

use super::super::frame;
use super::super::{NatsError, Stored, next};
use super::{End, MOST_ENTRIES, NatsJournal};
use crate::journal::{Entry, JournalError, NewRecord, Span, Stretch};
use crate::protocol::{GuildId, MessageId, Position};

/// Messages that are asked for one by one before a consumer is made for the rest.
const ONE_BY_ONE: usize = 16;
/// Messages that a consumer is asked for at a time.
const FETCH: usize = 256;
/// How long a consumer that nobody reads stays, in seconds.
const CONSUMER_IDLE_S: u64 = 30;
/// Old messages in one answer, in bytes of their records.
const MAX_FOUND: usize = 4 << 20;

impl NatsJournal {
    pub(super) async fn read_after(
        &self,
        guild: GuildId,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Entry>, JournalError> {
        let (end, _) = self.look(guild).await?;
        if after >= end.position || limit == 0 {
            return Ok(Vec::new());
        }
        let through = self.trimmed(guild).await?;
        if after < through {
            return Err(JournalError::Trimmed { through });
        }
        let start = self.locate(guild, after + 1, end).await?;
        let mut entries = Vec::new();
        let mut bookmark = (after, start);
        let mut at = after;
        self.walk(guild, (start, end.sequence), |sequence, head, records| {
            for (record, position) in records.into_iter().zip(head.first..) {
                if position <= at || entries.len() == limit {
                    continue;
                }
                if position != at + 1 {
                    return Err(JournalError::Damaged(format!("no record after {at}")));
                }
                at = position;
                entries.push(Entry {
                    position,
                    record: record.bytes,
                });
            }
            let done = entries.len() == limit;
            bookmark = (
                at,
                if at == head.last() {
                    sequence + 1
                } else {
                    sequence
                },
            );
            Ok(done)
        })
        .await?;
        self.note(guild, |known| known.bookmark = Some(bookmark));
        if entries.len() < limit && at < end.position {
            let why = "the log could not be read to its end".to_owned();
            return Err(JournalError::Unavailable(why));
        }
        Ok(entries)
    }

    /// The sequence number of the message that a position is in, or a lower one without others of the
    /// guild in between.
    pub(super) async fn locate(
        &self,
        guild: GuildId,
        wanted: Position,
        end: End,
    ) -> Result<u64, JournalError> {
        if let Some((after, sequence)) = self.known(guild).bookmark
            && after + 1 == wanted
        {
            return Ok(sequence);
        }
        let (stream, subject) = self.log(guild);
        let gone = || JournalError::Unavailable("the log is being dropped".to_owned());
        let first = next(stream, &subject, 1).await?.ok_or_else(gone)?;
        let (mut low, mut high) = (first.sequence, end.sequence);
        let (head, _) = frame::decode(first.payload)?;
        if head.first > wanted {
            let through = head.first - 1;
            return Err(JournalError::Trimmed { through });
        }
        if head.last() >= wanted {
            return Ok(low);
        }
        // The one at `low` begins before it, one above `high` after it.
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            let Some(found) = next(stream, &subject, middle).await? else {
                high = middle - 1;
                continue;
            };
            let (head, _) = frame::decode(found.payload)?;
            if head.first > wanted {
                high = middle - 1;
            } else if head.last() >= wanted {
                return Ok(found.sequence);
            } else {
                low = found.sequence;
            }
        }
        Ok(low)
    }

    /// Hands over the appends of a guild between two sequence numbers, both included, until `take`
    /// says that it has enough.
    async fn walk(
        &self,
        guild: GuildId,
        (from, through): (u64, u64),
        mut take: impl FnMut(u64, frame::Head, Vec<NewRecord>) -> Result<bool, JournalError>,
    ) -> Result<(), JournalError> {
        let (stream, subject) = self.log(guild);
        let mut at = from;
        for _ in 0..ONE_BY_ONE {
            if at > through {
                return Ok(());
            }
            let Some(stored) = next(stream, &subject, at).await? else {
                return Ok(());
            };
            let sequence = stored.sequence;
            let (head, records) = self.records(guild, stored).await?;
            if take(sequence, head, records)? {
                return Ok(());
            }
            at = sequence + 1;
        }
        if at > through {
            return Ok(());
        }
        let failed = |error: &dyn std::fmt::Display| NatsError::new("a log cannot be read", error);
        let consumer = stream
            .create_consumer(pull::Config {
                deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: at },
                filter_subject: subject,
                ack_policy: AckPolicy::None,
                inactive_threshold: std::time::Duration::from_secs(CONSUMER_IDLE_S),
                memory_storage: true,
                num_replicas: 1,
                ..pull::Config::default()
            })
            .await
            .map_err(|error| failed(&error))?;
        let mut done = false;
        while !done && at <= through {
            let fetch = consumer.fetch().max_messages(FETCH).messages();
            let mut messages = fetch.await.map_err(|error| failed(&error))?;
            let before = at;
            while let Some(message) = messages.next().await {
                let message = message.map_err(|error| failed(&error))?;
                let sequence = message
                    .info()
                    .map_err(|error| failed(&error))?
                    .stream_sequence;
                at = sequence + 1;
                if done || sequence > through {
                    continue;
                }
                let stored = Stored {
                    sequence,
                    payload: message.message.payload,
                };
                let (head, records) = self.records(guild, stored).await?;
                done = take(sequence, head, records)?;
            }
            if at == before {
                break;
            }
        }
        let name = &consumer.cached_info().name;
        if let Err(error) = stream.delete_consumer(name).await {
            tracing::debug!(%error, "a consumer stays until it is idle");
        }
        Ok(())
    }

    pub(super) async fn find(&self, guild: GuildId, span: Span) -> Result<Stretch, JournalError> {
        let (end, _) = self.look(guild).await?;
        let index = Arc::clone(&self.indexes.entry(guild).or_default());
        let mut index = index.lock().await;
        let from = index.next();
        if from <= end.sequence {
            self.walk(guild, (from, end.sequence), |sequence, head, records| {
                index.add(sequence, head, &records);
                Ok(false)
            })
            .await?;
            self.bound_indexes(guild, index.len());
        }
        let (head, _) = self.nats.head(&guild.to_string()).await?;
        index.trim(head.trimmed, head.forgotten.unwrap_or(MessageId::new(0)));
        let found = index.find(span);
        drop(index);
        self.fetch(guild, found, span.limit).await
    }

    async fn fetch(
        &self,
        guild: GuildId,
        found: Vec<(MessageId, Vec<(Position, u64)>)>,
        limit: usize,
    ) -> Result<Stretch, JournalError> {
        let (stream, subject) = self.log(guild);
        let mut appends: HashMap<u64, (Position, Vec<NewRecord>)> = HashMap::new();
        let mut stretch = Stretch::default();
        let mut bytes = 0;
        for (id, places) in found {
            if stretch.messages.len() >= limit || bytes >= MAX_FOUND {
                stretch.more = true;
                break;
            }
            let mut entries = Vec::with_capacity(places.len());
            for (position, sequence) in places {
                let (first, records) = match appends.entry(sequence) {
                    Entries::Occupied(known) => known.into_mut(),
                    Entries::Vacant(place) => {
                        let stored = next(stream, &subject, sequence).await?;
                        let Some(stored) = stored.filter(|it| it.sequence == sequence) else {
                            continue; // trimmed meanwhile
                        };
                        let (head, records) = self.records(guild, stored).await?;
                        place.insert((head.first, records))
                    }
                };
                let record = records[(position - *first) as usize].bytes.clone();
                bytes += record.len();
                entries.push(Entry { position, record });
            }
            stretch.messages.push((id, entries));
        }
        Ok(stretch)
    }

    /// Forgets the other guilds' indexes where all of them might be too much.
    fn bound_indexes(&self, guild: GuildId, entries: usize) {
        let others = self.indexes.iter().filter(|other| *other.key() != guild);
        let others: usize = others
            .filter_map(|other| Some(other.try_lock().ok()?.len()))
            .sum();
        if others + entries > MOST_ENTRIES {
            self.indexes.retain(|other, _| *other == guild);
        }
    }
}
