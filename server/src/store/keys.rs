//! How what is kept is laid out: numbers in big-endian order, so that keys sort as ids do.
//!
//! | keyspace | key | value |
//! |---|---|---|
//! | `blocks` | guild, last position, how many in two bytes if several | records, see [`super::blocks`] |
//! | `messages` | guild, channel, message, position | nothing: the record there, which is sorted, is about the message |
//! | `snapshots` | guild | position, the state |
//! | `directory` | `u` user | the account as JSON |
//! | `directory` | `h` user, `g` or `d`, guild | nothing: where the user is a member |
//! | `directory` | `n` user, `g` or `d` | how many of those there are |
//! | `directory` | `r` guild, `m` user / `c` channel / `d` | what belongs to a guild; `d` has the pair |
//! | `directory` | `c` channel | its guild |
//! | `directory` | `p` lower user, higher user | their direct message channel |
//! | `directory` | `xt` fingerprint / `xu` user | a revocation as JSON |
//! | `meta` | `format` | the version of this layout |
//! | `meta` | `sizes` | accounts, memberships, channels |
//! | `meta` | `t` guild | the last position that was trimmed away |
//! | `meta` | `commit` | the first commit of the log that is not sorted |
//! | `meta` | `sorting` | the first commit of the log that is certainly not |
//! | `meta` | `g` guild | the first commit of the log that counts for the guild: it was forgotten, or sorted by itself, before it |
//!
//! Records that are not sorted are in the log of commits beside the database ([`super::log`]). In version 4 they were in the
//! keyspace `commits`, by number. Before that there were none, and instead of `blocks` there was `records` with one record to
//! a key. Version 1 had neither `messages` nor `t`. In version 3 `messages` lacked the records after a position that `meta` had
//! under `i` guild. They are brought to version 5 when they are opened ([`super::upgrade`]).

use super::index::Mention;
use crate::auth::revocations::Revocation;
use crate::protocol::{ChannelId, GuildId, MessageId, Position, UserId};

/// The version of this layout.
pub(super) const FORMAT: u32 = 5;
/// The version that had the commits in the database.
pub(super) const FORMAT_WITH_COMMITS: u32 = 4;
/// The version with an index that has every record up to a mark.
pub(super) const FORMAT_WITH_MARKS: u32 = 3;
/// The version with an index that has every record.
pub(super) const FORMAT_WITH_WHOLE_INDEX: u32 = 2;
/// The version without an index of messages.
pub(super) const FORMAT_WITHOUT_INDEX: u32 = 1;
pub(super) const FORMAT_KEY: &[u8] = b"format";
pub(super) const SIZES_KEY: &[u8] = b"sizes";
pub(super) const COMMIT_KEY: &[u8] = b"commit";
pub(super) const SORTING_KEY: &[u8] = b"sorting";

/// A key of `blocks` for one record, with which those of all that have it or come after it begin.
pub(super) fn record(guild: GuildId, position: Position) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&guild.get().to_be_bytes());
    key[8..].copy_from_slice(&position.to_be_bytes());
    key
}

/// A key of `blocks` for several records.
pub(super) fn block(guild: GuildId, last: Position, count: u16) -> [u8; 18] {
    let mut key = [0; 18];
    key[..16].copy_from_slice(&record(guild, last));
    key[16..].copy_from_slice(&count.to_be_bytes());
    key
}

/// Behind all keys of `blocks` of a guild.
pub(super) fn last_block(guild: GuildId) -> [u8; 18] {
    block(guild, Position::MAX, u16::MAX)
}

/// Guild, last position and number of records of a key of `blocks`.
pub(super) fn split_block(key: &[u8]) -> Option<(GuildId, Position, usize)> {
    let (guild, rest) = key.split_at_checked(8)?;
    let (last, count) = rest.split_at_checked(8)?;
    let count = match count {
        [] => 1,
        count => u16::from_be_bytes(count.try_into().ok()?),
    };
    Some((GuildId::new(number(guild)?), number(last)?, count.into()))
}

/// A key of `messages`.
pub(super) fn mention(guild: GuildId, mention: Mention) -> [u8; 32] {
    let mut key = [0; 32];
    let parts = [
        guild.get(),
        mention.channel.get(),
        mention.message.get(),
        mention.position,
    ];
    for (place, part) in key.chunks_exact_mut(8).zip(parts) {
        place.copy_from_slice(&part.to_be_bytes());
    }
    key
}

/// What a key of `messages` tells.
pub(super) fn split_mention(key: &[u8]) -> Option<Mention> {
    let part = |from: usize| number(key.get(from..from + 8)?);
    Some(Mention {
        channel: ChannelId::new(part(8)?),
        message: MessageId::new(part(16)?),
        position: part(24)?,
    })
}

/// Where it is kept how far a guild's log was trimmed.
pub(super) fn trimmed(guild: GuildId) -> Vec<u8> {
    tagged(b't', guild.get(), &[])
}

/// Start of the keys of guilds that only the later commits count for.
pub(super) const STARTS: &[u8] = b"g";

/// Where it is kept from which commit on they do.
pub(super) fn start(guild: GuildId) -> Vec<u8> {
    [STARTS, &guild.get().to_be_bytes()].concat()
}

/// A number of eight bytes.
pub(super) fn number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

/// The number at the end of a key.
pub(super) fn last_number(key: &[u8]) -> Option<u64> {
    number(key.get(key.len().checked_sub(8)?..)?)
}

/// A key of `directory` or `meta`: a tag and what follows it.
fn tagged(tag: u8, first: u64, rest: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(18);
    key.push(tag);
    key.extend_from_slice(&first.to_be_bytes());
    for part in rest {
        key.extend_from_slice(part);
    }
    key
}

/// Start of the keys of how far the index of messages reached in guilds' logs, in [`FORMAT_WITH_MARKS`].
pub(super) const MARKS: &[u8] = b"i";

/// Where it was kept how far the index of messages reaches in a guild's log.
pub(super) fn mark(guild: GuildId) -> Vec<u8> {
    [MARKS, &guild.get().to_be_bytes()].concat()
}

/// Start of the keys of revocations.
pub(super) const REVOCATIONS: &[u8] = b"x";

pub(super) fn revocation(revocation: &Revocation) -> Vec<u8> {
    let (kind, number) = match revocation {
        Revocation::Token { fingerprint, .. } => (b't', fingerprint.0),
        Revocation::User { user, .. } => (b'u', user.get()),
    };
    [REVOCATIONS, &[kind], &number.to_be_bytes()].concat()
}

pub(super) fn account(user: UserId) -> Vec<u8> {
    tagged(b'u', user.get(), &[])
}

fn list(direct: bool) -> &'static [u8] {
    if direct { b"d" } else { b"g" }
}

/// Start of the keys of where a user is a member.
pub(super) fn homes(user: UserId, direct: bool) -> Vec<u8> {
    tagged(b'h', user.get(), &[list(direct)])
}

pub(super) fn home(user: UserId, direct: bool, guild: GuildId) -> Vec<u8> {
    let guild = guild.get().to_be_bytes();
    tagged(b'h', user.get(), &[list(direct), &guild])
}

pub(super) fn home_count(user: UserId, direct: bool) -> Vec<u8> {
    tagged(b'n', user.get(), &[list(direct)])
}

/// Start of the keys of a guild's members.
pub(super) fn members(guild: GuildId) -> Vec<u8> {
    tagged(b'r', guild.get(), &[b"m"])
}

pub(super) fn member(guild: GuildId, user: UserId) -> Vec<u8> {
    tagged(b'r', guild.get(), &[b"m", &user.get().to_be_bytes()])
}

/// Start of the keys of a guild's channels.
pub(super) fn channels(guild: GuildId) -> Vec<u8> {
    tagged(b'r', guild.get(), &[b"c"])
}

pub(super) fn channel_in(guild: GuildId, channel: u64) -> Vec<u8> {
    tagged(b'r', guild.get(), &[b"c", &channel.to_be_bytes()])
}

/// There where the guild is a direct message channel.
pub(super) fn direct_guild(guild: GuildId) -> Vec<u8> {
    tagged(b'r', guild.get(), &[b"d"])
}

pub(super) fn channel(channel: u64) -> Vec<u8> {
    tagged(b'c', channel, &[])
}

pub(super) fn pair(one: UserId, other: UserId) -> Vec<u8> {
    let (low, high) = (one.min(other), one.max(other));
    tagged(b'p', low.get(), &[&high.get().to_be_bytes()])
}
