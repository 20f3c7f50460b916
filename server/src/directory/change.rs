//! Writes of a directory as data, so that they can be queued, kept and repeated elsewhere: the same
//! changes in the same order make the same directory, and have the same results.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::auth::revocations::Revocation;
use crate::protocol::objects::User;
use crate::protocol::{ChannelId, GuildId, UserId};

/// One write of a [`Directory`](super::Directory), named as the method.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Change {
    /// [`Directory::put_user`](super::Directory::put_user).
    PutUser(Arc<User>),
    /// [`Directory::add_members`](super::Directory::add_members).
    AddMembers(GuildId, Vec<UserId>),
    /// [`Directory::remove_members`](super::Directory::remove_members).
    RemoveMembers(GuildId, Vec<UserId>),
    /// [`Directory::remove_guild`](super::Directory::remove_guild).
    RemoveGuild(GuildId),
    /// [`Directory::add_channels`](super::Directory::add_channels).
    AddChannels(GuildId, Vec<ChannelId>),
    /// [`Directory::remove_channels`](super::Directory::remove_channels).
    RemoveChannels(Vec<ChannelId>),
    /// [`Directory::put_direct_channel`](super::Directory::put_direct_channel).
    PutDirect(UserId, UserId, ChannelId),
    /// [`Directory::revoke`](super::Directory::revoke).
    Revoke(Revocation),
}
