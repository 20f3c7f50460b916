//! Sorted records on the disk: blocks of records of a guild that follow each other.
//!
//! The key says the guild and the last position. Of several records it says also how many in two bytes, and the value has
//! them one after the other, each behind its length in four bytes; the value of one alone is the record.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use fjall::{OwnedWriteBatch, UserKey};

use super::disk::Disk;
use super::keys;
use crate::journal::{Entry, NewRecord};
use crate::protocol::{GuildId, Position};

/// Most records of a block.
const MAX_RECORDS: usize = 256;
/// Most bytes of a block, but for one larger record.
const MAX_BYTES: usize = 32 << 10;

/// Records of a guild that follow each other.
#[derive(Debug)]
pub(super) struct Block {
    /// Of the first record.
    first: Position,
    records: Vec<Bytes>,
}

impl Block {
    /// Reads a pair of the keyspace `blocks`; nothing where it is not one.
    pub(super) fn read(key: &[u8], mut value: Bytes) -> Option<Self> {
        let (_, last, count) = keys::split_block(key)?;
        let records = if count == 1 {
            vec![value]
        } else {
            let mut records = Vec::with_capacity(count);
            for _ in 0..count {
                let length = value.try_get_u32().ok()? as usize;
                if length > value.len() {
                    return None;
                }
                records.push(value.split_to(length));
            }
            records
        };
        let first = (last + 1).checked_sub(count as Position)?;
        Some(Self { first, records })
    }

    /// The record at a position.
    pub(super) fn get(&self, position: Position) -> Option<&Bytes> {
        let index = position.checked_sub(self.first)?;
        self.records.get(index as usize)
    }

    pub(super) fn into_entries(self) -> impl Iterator<Item = Entry> {
        let positions = self.first..;
        let pairs = positions.zip(self.records);
        pairs.map(|(position, record)| Entry { position, record })
    }
}

/// The blocks, as pairs by rising key, of records of a guild the first of which is at `first`.
pub(super) fn blocks(
    guild: GuildId,
    mut first: Position,
    mut records: &[Bytes],
) -> impl Iterator<Item = (UserKey, Bytes)> {
    std::iter::from_fn(move || {
        let [record, others @ ..] = records else {
            return None;
        };
        let mut bytes = record.len();
        let fit = others.iter().take(MAX_RECORDS - 1).take_while(|record| {
            bytes += record.len();
            bytes <= MAX_BYTES
        });
        let count = 1 + fit.count();
        let (block, rest) = records.split_at(count);
        let last = first + count as Position - 1;
        first = last + 1;
        records = rest;
        Some(if let [record] = block {
            (keys::record(guild, last).into(), record.clone())
        } else {
            let key = keys::block(guild, last, count as u16);
            (key.into(), joined(block))
        })
    })
}

fn joined(block: &[Bytes]) -> Bytes {
    let bytes: usize = block.iter().map(|record| 4 + record.len()).sum();
    let mut value = BytesMut::with_capacity(bytes);
    for record in block {
        value.put_u32(record.len() as u32);
        value.put_slice(record);
    }
    value.freeze()
}

/// Adds a guild's records, the first of which is at `first`, to what is sorted.
pub(super) fn insert(
    batch: &mut OwnedWriteBatch,
    disk: &Disk,
    guild: GuildId,
    first: Position,
    records: &[NewRecord],
) {
    let bytes: Vec<Bytes> = records.iter().map(|record| record.bytes.clone()).collect();
    for (key, value) in blocks(guild, first, &bytes) {
        batch.insert(&disk.blocks, key, value);
    }
}
