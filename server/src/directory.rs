//! What is known across guilds: accounts, who is a member where, which guild a channel is in.
//!
//! The guilds' journals are the truth about memberships and channels; this index is written
//! *before* a join or a new channel and cleaned *after* a leave or a deletion, so it never lacks an
//! entry that a guild has. An entry too many is found out by asking the guild.

pub mod change;
#[cfg(test)]
pub(crate) mod conformance;
pub mod memory;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::auth::grant::Grant;
use crate::auth::revocations::Revocation;
use crate::protocol::objects::User;
use crate::protocol::{ChannelId, GuildId, UserId};

pub use change::Change;
pub use memory::MemoryDirectory;

/// What asynchronous directory calls return.
pub type DirectoryFuture<T> = Pin<Box<dyn Future<Output = Result<T, DirectoryError>> + Send>>;

/// Why the directory did not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DirectoryError {
    /// The store behind it does not take writes or cannot be read.
    #[error("the directory is unavailable: {0}")]
    Unavailable(String),
    /// The user is in [`MAX_GUILDS_PER_USER`] guilds, or in as many direct message channels;
    /// nothing was written.
    ///
    /// [`MAX_GUILDS_PER_USER`]: crate::protocol::limits::MAX_GUILDS_PER_USER
    #[error("user {0} is in as many guilds as one user may be in")]
    Full(UserId),
}

impl DirectoryError {
    /// The list of revoked tokens is full.
    pub(crate) fn too_many_revoked() -> Self {
        Self::Unavailable("as many tokens are revoked as there is room for".to_owned())
    }
}

/// The index across guilds.
///
/// Contract (held by the conformance suite, which runs on every implementation): reads are answered
/// on the calling thread within microseconds; writes are done in the order of the calls, and whether
/// or not their future is waited for; a write is durable (as far as the store's setting promises) once its
/// future is done, is seen by the reads that follow it, and repeating one changes nothing.
pub trait Directory: Send + Sync + 'static {
    /// An account.
    fn user(&self, id: UserId) -> Option<Arc<User>>;
    /// Guilds that the user is (or is about to be) a member of, by rising id, direct message
    /// channels left out.
    fn guilds_of(&self, user: UserId) -> Vec<GuildId>;
    /// Whether the user is (or is about to be) a member.
    fn is_member(&self, user: UserId, guild: GuildId) -> bool;
    /// Direct message channels that the user is a recipient of, by rising id.
    fn direct_channels_of(&self, user: UserId) -> Vec<ChannelId>;
    /// The guild that a channel is in.
    fn guild_of(&self, channel: ChannelId) -> Option<GuildId>;
    /// The direct message channel between two users.
    fn direct_channel(&self, one: UserId, other: UserId) -> Option<ChannelId>;
    /// Whether a token was revoked.
    fn is_revoked(&self, grant: &Grant) -> bool;
    /// Another number whenever a token may have been revoked.
    fn revocations_entered(&self) -> u64;
    /// How many accounts, memberships and channels it holds.
    fn sizes(&self) -> DirectorySizes;

    /// Makes one change; the methods below name them.
    fn change(&self, change: Change) -> DirectoryFuture<()>;

    /// Adds or replaces an account.
    fn put_user(&self, user: Arc<User>) -> DirectoryFuture<()> {
        self.change(Change::PutUser(user))
    }
    /// Notes members of a guild: all of them, or none where one of them has no room
    /// ([`DirectoryError::Full`]).
    fn add_members(&self, guild: GuildId, users: Vec<UserId>) -> DirectoryFuture<()> {
        self.change(Change::AddMembers(guild, users))
    }
    /// Forgets that users are members.
    fn remove_members(&self, guild: GuildId, users: Vec<UserId>) -> DirectoryFuture<()> {
        self.change(Change::RemoveMembers(guild, users))
    }
    /// Forgets a guild: its memberships, its channels and, if it is a direct message channel, that.
    fn remove_guild(&self, guild: GuildId) -> DirectoryFuture<()> {
        self.change(Change::RemoveGuild(guild))
    }
    /// Notes channels of a guild.
    fn add_channels(&self, guild: GuildId, channels: Vec<ChannelId>) -> DirectoryFuture<()> {
        self.change(Change::AddChannels(guild, channels))
    }
    /// Forgets channels.
    fn remove_channels(&self, channels: Vec<ChannelId>) -> DirectoryFuture<()> {
        self.change(Change::RemoveChannels(channels))
    }
    /// Notes the direct message channel between two users. The first one noted stays: read
    /// [`Self::direct_channel`] afterwards to learn which it is.
    fn put_direct_channel(
        &self,
        one: UserId,
        other: UserId,
        channel: ChannelId,
    ) -> DirectoryFuture<()> {
        self.change(Change::PutDirect(one, other, channel))
    }
    /// Revokes a token, or those of a user.
    fn revoke(&self, revocation: Revocation) -> DirectoryFuture<()> {
        self.change(Change::Revoke(revocation))
    }
}

/// The account of a user whom nobody has heard of: operators sign tokens for users of their own.
pub fn unknown_user(id: UserId, bot: bool) -> Arc<User> {
    let kind = if bot { "bot" } else { "user" };
    Arc::new(User::new(id, format!("{kind}-{id}"), bot))
}

/// How much a directory holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DirectorySizes {
    /// Accounts.
    pub users: usize,
    /// Pairs of user and guild, direct message channels among them.
    pub memberships: usize,
    /// Channels.
    pub channels: usize,
}
