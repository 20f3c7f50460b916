//! How what is kept is laid out: numbers in big-endian order, so that keys sort as ids do.
//!
//! | keyspace | key | value |
//! |---|---|---|
//! | `records` | guild, position | the record |
//! | `messages` | guild, channel, message, position | nothing: the record there is about the message. Not of records after `i` |
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
//! | `meta` | `i` guild | the last position that `messages` has entries of |
//!
//! Version 1 had neither `messages` nor `t`; version 2 had all entries in `messages` and no `i`. They are brought to version
//! 3 when they are opened.

use super::ends::Mention;
use crate::auth::revocations::Revocation;
use crate::protocol::{ChannelId, GuildId, MessageId, Position, UserId};

/// The version of this layout.
pub(super) const FORMAT: u32 = 3;
/// The version with an index that has every record.
pub(super) const FORMAT_WITHOUT_MARKS: u32 = 2;
/// The version without an index of messages.
pub(super) const FORMAT_WITHOUT_INDEX: u32 = 1;
pub(super) const FORMAT_KEY: &[u8] = b"format";
pub(super) const SIZES_KEY: &[u8] = b"sizes";

pub(super) fn record(guild: GuildId, position: Position) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&guild.get().to_be_bytes());
    key[8..].copy_from_slice(&position.to_be_bytes());
    key
}

/// Guild and position of a key of `records`.
pub(super) fn split_record(key: &[u8]) -> Option<(GuildId, Position)> {
    let (guild, position) = key.split_at_checked(8)?;
    Some((GuildId::new(number(guild)?), number(position)?))
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

/// Where it is kept how far the index of messages reaches in a guild's log.
pub(super) fn indexed(guild: GuildId) -> Vec<u8> {
    tagged(b'i', guild.get(), &[])
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
