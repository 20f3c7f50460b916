//! What a commit keeps of guilds' logs: its records in the order in which they came, as one value.
//!
//! A value of its own for each record would have to find its place among all others at once. So all of them are one commit of
//! the log ([`super::log`]); later they are sorted by guild ([`super::sorting`]), and the commit goes. Until then they are in
//! memory as well ([`super::unsorted`]), where an opened store brings them back to.
//!
//! A part of a commit: guild, position, length of the record in four bytes, the record. In format 4 position 0 said that the
//! guild's log was forgotten.

use bytes::{Buf, Bytes};

use crate::protocol::{GuildId, Position};

/// What a part has before its record.
const HEAD_BYTES: usize = 20;

/// The value of one commit, while it is put together.
#[derive(Debug, Default)]
pub(super) struct Commit(Vec<u8>);

impl Commit {
    /// One with room for `count` records of `bytes` together.
    pub(super) fn with_room(count: usize, bytes: usize) -> Self {
        Self(Vec::with_capacity(count * HEAD_BYTES + bytes))
    }

    /// Adds a record, shorter than 4 GiB, and answers where it begins.
    pub(super) fn append(&mut self, guild: GuildId, position: Position, record: &[u8]) -> usize {
        let Self(value) = self;
        value.extend_from_slice(&guild.get().to_be_bytes());
        value.extend_from_slice(&position.to_be_bytes());
        value.extend_from_slice(&(record.len() as u32).to_be_bytes());
        value.extend_from_slice(record);
        value.len() - record.len()
    }

    pub(super) fn into_bytes(self) -> Bytes {
        self.0.into()
    }
}

/// A part of a commit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A record of a guild.
    Record(GuildId, Position, Bytes),
    /// A guild's log was forgotten.
    Forgotten(GuildId),
}

/// The parts of a commit; nothing where it is not one.
pub(super) fn parts(mut value: Bytes) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    while !value.is_empty() {
        let guild = GuildId::new(value.try_get_u64().ok()?);
        let position = value.try_get_u64().ok()?;
        let length = value.try_get_u32().ok()? as usize;
        if length > value.len() {
            return None;
        }
        let record = value.split_to(length);
        parts.push(match position {
            0 => Part::Forgotten(guild),
            _ => Part::Record(guild, position, record),
        });
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_has_its_parts_in_order_and_is_nothing_when_cut() {
        let mut commit = Commit::default();
        let guild = GuildId::new(5);
        let begin = commit.append(guild, 7, b"record");
        commit.append(guild, 0, &[]);
        commit.append(guild, 1, b"");
        let value = commit.into_bytes();
        let record = value.slice(begin..begin + 6);
        assert_eq!(
            parts(value.clone()).unwrap(),
            [
                Part::Record(guild, 7, record),
                Part::Forgotten(guild),
                Part::Record(guild, 1, Bytes::new())
            ]
        );
        let whole = [0, HEAD_BYTES + 6, 2 * HEAD_BYTES + 6];
        for end in 0..value.len() {
            assert_eq!(parts(value.slice(..end)).is_some(), whole.contains(&end));
        }
    }
}
