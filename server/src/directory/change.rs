//! Writes of a directory as data, so that they can be kept and repeated elsewhere.

use std::sync::Arc;

use futures_util::FutureExt;
use serde::{Deserialize, Serialize};

use super::{Directory, DirectoryError, MemoryDirectory};
use crate::protocol::objects::User;
use crate::protocol::{ChannelId, GuildId, UserId};

/// One write of a [`Directory`], named as the method.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Change {
    /// [`Directory::put_user`].
    PutUser(Arc<User>),
    /// [`Directory::add_members`].
    AddMembers(GuildId, Vec<UserId>),
    /// [`Directory::remove_members`].
    RemoveMembers(GuildId, Vec<UserId>),
    /// [`Directory::remove_guild`].
    RemoveGuild(GuildId),
    /// [`Directory::add_channels`].
    AddChannels(GuildId, Vec<ChannelId>),
    /// [`Directory::remove_channels`].
    RemoveChannels(Vec<ChannelId>),
    /// [`Directory::put_direct_channel`].
    PutDirect(UserId, UserId, ChannelId),
}

impl Change {
    /// Makes the change. The same changes in the same order make the same directory, and have the same
    /// results.
    pub fn make(self, directory: &MemoryDirectory) -> Result<(), DirectoryError> {
        let made = match self {
            Self::PutUser(user) => directory.put_user(user),
            Self::AddMembers(guild, users) => directory.add_members(guild, users),
            Self::RemoveMembers(guild, users) => directory.remove_members(guild, users),
            Self::RemoveGuild(guild) => directory.remove_guild(guild),
            Self::AddChannels(guild, channels) => directory.add_channels(guild, channels),
            Self::RemoveChannels(channels) => directory.remove_channels(channels),
            Self::PutDirect(one, other, channel) => {
                directory.put_direct_channel(one, other, channel)
            }
        };
        made.now_or_never()
            .expect("a directory in memory does not wait")
    }
}
