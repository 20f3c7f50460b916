//! The directory in memory: for tests and for what need not survive.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;

use super::{Change, Directory, DirectoryError, DirectoryFuture, DirectorySizes};
use crate::auth::grant::Grant;
use crate::auth::revocations::{Revocation, Revocations};
use crate::protocol::limits::MAX_GUILDS_PER_USER;
use crate::protocol::objects::User;
use crate::protocol::{ChannelId, GuildId, UserId};

/// A [`Directory`] on concurrent maps.
///
/// Where two maps are locked at once, it is always a guild's entry first and a user's second.
#[derive(Debug, Default)]
pub struct MemoryDirectory {
    accounts: DashMap<UserId, Arc<User>>,
    /// Where each user is a member.
    homes: DashMap<UserId, Homes>,
    guilds: DashMap<GuildId, GuildEntry>,
    channels: DashMap<ChannelId, GuildId>,
    /// Direct message channels by their two users, the lower id first.
    pairs: DashMap<(UserId, UserId), ChannelId>,
    /// Members over all of `guilds`.
    memberships: AtomicUsize,
    revocations: Revocations,
}

/// Where a user is a member; both lists rise and hold at most [`MAX_GUILDS_PER_USER`] ids.
#[derive(Debug, Default)]
struct Homes {
    guilds: Vec<GuildId>,
    direct: Vec<GuildId>,
}

#[derive(Debug, Default)]
struct GuildEntry {
    members: HashSet<UserId>,
    channels: HashSet<ChannelId>,
    /// The two users, where the guild is a direct message channel.
    direct: Option<(UserId, UserId)>,
}

impl GuildEntry {
    fn is_empty(&self) -> bool {
        self.members.is_empty() && self.channels.is_empty() && self.direct.is_none()
    }
}

impl Homes {
    fn list(&mut self, direct: bool) -> &mut Vec<GuildId> {
        if direct {
            &mut self.direct
        } else {
            &mut self.guilds
        }
    }

    /// Whether there was room for it.
    fn add(&mut self, guild: GuildId, direct: bool) -> bool {
        let list = self.list(direct);
        match list.binary_search(&guild) {
            Ok(_) => true,
            Err(_) if list.len() >= MAX_GUILDS_PER_USER => false,
            Err(at) => {
                list.insert(at, guild);
                true
            }
        }
    }

    fn remove(&mut self, guild: GuildId, direct: bool) {
        let list = self.list(direct);
        if let Ok(at) = list.binary_search(&guild) {
            list.remove(at);
        }
    }
}

impl MemoryDirectory {
    /// An empty directory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Changes that make the same directory out of an empty one.
    pub fn changes(&self) -> Vec<Change> {
        let mut changes: Vec<Change> = self
            .accounts
            .iter()
            .map(|user| Change::PutUser(Arc::clone(&user)))
            .collect();
        // Before the members, so that these are noted as recipients.
        changes.extend(self.pairs.iter().map(|pair| {
            let (one, other) = *pair.key();
            Change::PutDirect(one, other, *pair.value())
        }));
        for entry in &self.guilds {
            let guild = *entry.key();
            if !entry.members.is_empty() {
                let members = entry.members.iter().copied().collect();
                changes.push(Change::AddMembers(guild, members));
            }
            if !entry.channels.is_empty() {
                let channels = entry.channels.iter().copied().collect();
                changes.push(Change::AddChannels(guild, channels));
            }
        }
        changes.extend(self.revocations.all().into_iter().map(Change::Revoke));
        changes
    }

    fn revoke_now(&self, revocation: Revocation) -> Result<(), DirectoryError> {
        let entered = self.revocations.enter(revocation);
        entered
            .then_some(())
            .ok_or_else(DirectoryError::too_many_revoked)
    }

    /// Makes a change at once.
    pub fn make(&self, change: Change) -> Result<(), DirectoryError> {
        match change {
            Change::PutUser(user) => drop(self.accounts.insert(user.id, user)),
            Change::AddMembers(guild, users) => return self.join(guild, &users),
            Change::RemoveMembers(guild, users) => self.forget_members(guild, &users),
            Change::RemoveGuild(guild) => self.forget_guild(guild),
            Change::AddChannels(guild, channels) => self.note_channels(guild, channels),
            Change::RemoveChannels(channels) => self.forget_channels(channels),
            Change::PutDirect(one, other, channel) => self.note_direct(one, other, channel),
            Change::Revoke(revocation) => return self.revoke_now(revocation),
        }
        Ok(())
    }

    fn join(&self, guild: GuildId, users: &[UserId]) -> Result<(), DirectoryError> {
        if users.is_empty() {
            return Ok(());
        }
        let mut entry = self.guilds.entry(guild).or_default();
        let direct = entry.direct.is_some();
        let mut joined = Vec::with_capacity(users.len());
        for user in users {
            if entry.members.contains(user) {
                continue;
            }
            if !self.homes.entry(*user).or_default().add(guild, direct) {
                self.leave(&mut entry, guild, &joined);
                drop(entry);
                self.guilds.remove_if(&guild, |_, entry| entry.is_empty());
                return Err(DirectoryError::Full(*user));
            }
            entry.members.insert(*user);
            self.memberships.fetch_add(1, Ordering::Relaxed);
            joined.push(*user);
        }
        Ok(())
    }

    fn leave(&self, entry: &mut GuildEntry, guild: GuildId, users: &[UserId]) {
        let direct = entry.direct.is_some();
        for user in users {
            if entry.members.remove(user) {
                self.memberships.fetch_sub(1, Ordering::Relaxed);
                if let Some(mut homes) = self.homes.get_mut(user) {
                    homes.remove(guild, direct);
                }
                self.homes.remove_if(user, |_, homes| {
                    homes.guilds.is_empty() && homes.direct.is_empty()
                });
            }
        }
    }

    fn forget_members(&self, guild: GuildId, users: &[UserId]) {
        if let Some(mut entry) = self.guilds.get_mut(&guild) {
            self.leave(&mut entry, guild, users);
        }
        self.guilds.remove_if(&guild, |_, entry| entry.is_empty());
    }

    fn note_channels(&self, guild: GuildId, channels: Vec<ChannelId>) {
        if channels.is_empty() {
            return;
        }
        let mut entry = self.guilds.entry(guild).or_default();
        for channel in channels {
            entry.channels.insert(channel);
            self.channels.insert(channel, guild);
        }
    }

    fn forget_channels(&self, channels: Vec<ChannelId>) {
        for channel in channels {
            let Some((_, guild)) = self.channels.remove(&channel) else {
                continue;
            };
            if let Some(mut entry) = self.guilds.get_mut(&guild) {
                entry.channels.remove(&channel);
            }
            self.guilds.remove_if(&guild, |_, entry| entry.is_empty());
        }
    }

    fn note_direct(&self, one: UserId, other: UserId, channel: ChannelId) {
        let pair = (one.min(other), one.max(other));
        if *self.pairs.entry(pair).or_insert(channel) != channel {
            return;
        }
        let guild = GuildId::new(channel.get());
        let mut entry = self.guilds.entry(guild).or_default();
        if entry.direct.replace(pair).is_none() {
            for user in &entry.members {
                if let Some(mut homes) = self.homes.get_mut(user) {
                    homes.remove(guild, false);
                    homes.add(guild, true);
                }
            }
        }
    }

    fn forget_guild(&self, guild: GuildId) {
        let Some(mut entry) = self.guilds.get_mut(&guild) else {
            return;
        };
        let members: Vec<UserId> = entry.members.iter().copied().collect();
        self.leave(&mut entry, guild, &members);
        let channels = std::mem::take(&mut entry.channels);
        let pair = entry.direct.take();
        drop(entry);
        self.guilds.remove_if(&guild, |_, entry| entry.is_empty());
        for channel in channels {
            self.channels.remove(&channel);
        }
        if let Some(pair) = pair {
            self.pairs
                .remove_if(&pair, |_, channel| channel.get() == guild.get());
        }
    }
}

impl Directory for MemoryDirectory {
    fn user(&self, id: UserId) -> Option<Arc<User>> {
        self.accounts.get(&id).map(|user| user.value().clone())
    }

    fn guilds_of(&self, user: UserId) -> Vec<GuildId> {
        self.homes
            .get(&user)
            .map(|homes| homes.guilds.clone())
            .unwrap_or_default()
    }

    fn is_member(&self, user: UserId, guild: GuildId) -> bool {
        self.guilds
            .get(&guild)
            .is_some_and(|entry| entry.members.contains(&user))
    }

    fn direct_channels_of(&self, user: UserId) -> Vec<ChannelId> {
        self.homes
            .get(&user)
            .map(|homes| {
                let ids = homes.direct.iter();
                ids.map(|guild| ChannelId::new(guild.get())).collect()
            })
            .unwrap_or_default()
    }

    fn guild_of(&self, channel: ChannelId) -> Option<GuildId> {
        self.channels.get(&channel).map(|guild| *guild)
    }

    fn direct_channel(&self, one: UserId, other: UserId) -> Option<ChannelId> {
        let pair = (one.min(other), one.max(other));
        self.pairs.get(&pair).map(|channel| *channel)
    }

    fn is_revoked(&self, grant: &Grant) -> bool {
        self.revocations.has(grant)
    }

    fn revocations_entered(&self) -> u64 {
        self.revocations.entered()
    }

    fn sizes(&self) -> DirectorySizes {
        DirectorySizes {
            users: self.accounts.len(),
            memberships: self.memberships.load(Ordering::Relaxed),
            channels: self.channels.len(),
        }
    }

    fn change(&self, change: Change) -> DirectoryFuture<()> {
        Box::pin(std::future::ready(self.make(change)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::conformance;

    #[tokio::test]
    async fn keeps_the_contract() {
        conformance::run(|| Arc::new(MemoryDirectory::new())).await;
    }
}
