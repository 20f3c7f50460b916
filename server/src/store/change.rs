//! Changes to the directory, made by the writer: one at a time, so that each sees all before it.

use super::draft::Draft;
use super::keys;
use crate::auth::revocations::Revocation;
use crate::directory::{Change, DirectoryError};
use crate::protocol::limits::MAX_GUILDS_PER_USER;
use crate::protocol::objects::User;
use crate::protocol::{ChannelId, GuildId, UserId};

type Made = Result<(), DirectoryError>;

/// About how much memory a change takes while it waits.
pub(super) fn bytes(change: &Change) -> usize {
    let ids = match change {
        Change::AddMembers(_, users) | Change::RemoveMembers(_, users) => users.len(),
        Change::AddChannels(_, channels) | Change::RemoveChannels(channels) => channels.len(),
        Change::PutUser(_) | Change::RemoveGuild(_) | Change::PutDirect(..) | Change::Revoke(_) => {
            0
        }
    };
    256 + 8 * ids
}

/// Makes a change, as a whole or not at all.
pub(super) fn make(change: Change, draft: &mut Draft<'_>) -> Made {
    draft.change(|draft| match change {
        Change::PutUser(user) => put_user(draft, &user),
        Change::AddMembers(guild, users) => join(draft, guild, &users),
        Change::RemoveMembers(guild, users) => leave(draft, guild, &users),
        Change::RemoveGuild(guild) => remove_guild(draft, guild),
        Change::AddChannels(guild, channels) => add_channels(draft, guild, &channels),
        Change::RemoveChannels(channels) => remove_channels(draft, &channels),
        Change::PutDirect(one, other, channel) => put_direct(draft, one, other, channel),
        Change::Revoke(revocation) => revoke(draft, &revocation),
    })
}

fn revoke(draft: &mut Draft<'_>, revocation: &Revocation) -> Made {
    let text = serde_json::to_vec(revocation)
        .map_err(|error| DirectoryError::Unavailable(format!("the revocation: {error}")))?;
    draft.put(keys::revocation(revocation), text);
    Ok(())
}

fn put_user(draft: &mut Draft<'_>, user: &User) -> Made {
    let key = keys::account(user.id);
    if !draft.has(&key)? {
        draft.sizes().users += 1;
    }
    let text = serde_json::to_vec(user)
        .map_err(|error| DirectoryError::Unavailable(format!("the account: {error}")))?;
    draft.put(key, text);
    Ok(())
}

fn join(draft: &mut Draft<'_>, guild: GuildId, users: &[UserId]) -> Made {
    let direct = draft.has(&keys::direct_guild(guild))?;
    for user in users {
        let member = keys::member(guild, *user);
        if draft.has(&member)? {
            continue;
        }
        let count_key = keys::home_count(*user, direct);
        let count = draft.count(&count_key)?;
        if count >= MAX_GUILDS_PER_USER as u64 {
            return Err(DirectoryError::Full(*user));
        }
        draft.put(member, Vec::new());
        draft.put(keys::home(*user, direct, guild), Vec::new());
        draft.put_count(count_key, count + 1);
        draft.sizes().memberships += 1;
    }
    Ok(())
}

fn leave(draft: &mut Draft<'_>, guild: GuildId, users: &[UserId]) -> Made {
    let direct = draft.has(&keys::direct_guild(guild))?;
    for user in users {
        let member = keys::member(guild, *user);
        if !draft.has(&member)? {
            continue;
        }
        draft.forget(member);
        leave_home(draft, *user, direct, guild)?;
        let sizes = draft.sizes();
        sizes.memberships = sizes.memberships.saturating_sub(1);
    }
    Ok(())
}

fn leave_home(draft: &mut Draft<'_>, user: UserId, direct: bool, guild: GuildId) -> Made {
    draft.forget(keys::home(user, direct, guild));
    let count_key = keys::home_count(user, direct);
    let count = draft.count(&count_key)?;
    draft.put_count(count_key, count.saturating_sub(1));
    Ok(())
}

fn remove_guild(draft: &mut Draft<'_>, guild: GuildId) -> Made {
    let members = draft.numbers(&keys::members(guild))?;
    let members: Vec<UserId> = members.into_iter().map(UserId::new).collect();
    leave(draft, guild, &members)?;
    for channel in draft.numbers(&keys::channels(guild))? {
        draft.forget(keys::channel_in(guild, channel));
        forget_channel(draft, channel)?;
    }
    let direct = keys::direct_guild(guild);
    if let Some(pair) = draft.get(&direct)? {
        draft.forget(direct);
        if draft.count(&pair)? == guild.get() {
            draft.forget(pair.to_vec());
        }
    }
    Ok(())
}

fn forget_channel(draft: &mut Draft<'_>, channel: u64) -> Made {
    let key = keys::channel(channel);
    if draft.has(&key)? {
        draft.forget(key);
        let sizes = draft.sizes();
        sizes.channels = sizes.channels.saturating_sub(1);
    }
    Ok(())
}

fn add_channels(draft: &mut Draft<'_>, guild: GuildId, channels: &[ChannelId]) -> Made {
    for channel in channels {
        let key = keys::channel(channel.get());
        if !draft.has(&key)? {
            draft.sizes().channels += 1;
        }
        draft.put(key, guild.get().to_be_bytes().to_vec());
        draft.put(keys::channel_in(guild, channel.get()), Vec::new());
    }
    Ok(())
}

fn remove_channels(draft: &mut Draft<'_>, channels: &[ChannelId]) -> Made {
    for channel in channels {
        let guild = draft.get(&keys::channel(channel.get()))?;
        let Some(guild) = guild.as_deref().and_then(keys::number) else {
            continue;
        };
        draft.forget(keys::channel_in(GuildId::new(guild), channel.get()));
        forget_channel(draft, channel.get())?;
    }
    Ok(())
}

fn put_direct(draft: &mut Draft<'_>, one: UserId, other: UserId, channel: ChannelId) -> Made {
    let pair = keys::pair(one, other);
    let kept = draft.get(&pair)?;
    let kept = kept.as_deref().and_then(keys::number);
    if kept.is_some_and(|kept| kept != channel.get()) {
        return Ok(());
    }
    draft.put(pair.clone(), channel.get().to_be_bytes().to_vec());
    let guild = GuildId::new(channel.get());
    let direct = keys::direct_guild(guild);
    if draft.has(&direct)? {
        return Ok(());
    }
    draft.put(direct, pair);
    // Who joined before the pair was noted is listed among the guilds.
    for user in draft.numbers(&keys::members(guild))? {
        let user = UserId::new(user);
        leave_home(draft, user, false, guild)?;
        draft.put(keys::home(user, true, guild), Vec::new());
        let count_key = keys::home_count(user, true);
        let count = draft.count(&count_key)?;
        draft.put_count(count_key, count + 1);
    }
    Ok(())
}
