//! The directory on the embedded store.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::change;
use super::disk::Disk;
use super::keys;
use super::shared::Shared;
use super::writer::Request;
use crate::auth::grant::Grant;
use crate::directory::{Change, Directory, DirectoryError, DirectoryFuture, DirectorySizes};
use crate::protocol::objects::User;
use crate::protocol::{ChannelId, GuildId, UserId};

/// A [`Directory`] on the disk.
///
/// Nothing is read at the start. A read is one look-up (or one scan, for lists) on the calling
/// thread: microseconds where the block is in memory, one read of the disk where it is not. While a
/// broken store is opened again a read waits for that; what cannot be read is logged and answered
/// as if it were not there.
#[derive(Clone)]
pub struct EmbeddedDirectory {
    shared: Arc<Shared>,
}

impl EmbeddedDirectory {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    fn read<T>(&self, read: impl FnOnce(&Disk) -> fjall::Result<T>) -> Option<T> {
        let disk = self.shared.disk();
        let Some(disk) = disk.as_ref() else {
            tracing::error!("the directory was asked while the store is not open");
            return None;
        };
        match read(disk) {
            Ok(found) => Some(found),
            Err(error) => {
                tracing::error!(%error, "the directory cannot be read");
                None
            }
        }
    }

    fn number(&self, key: &[u8]) -> Option<u64> {
        let kept = self.read(|disk| disk.directory.get(key)).flatten();
        kept.as_deref().and_then(keys::number)
    }

    /// What the keys with this start end in, rising.
    fn numbers(&self, start: &[u8]) -> Vec<u64> {
        let found = self.read(|disk| {
            let pairs = disk.directory.prefix(start);
            pairs
                .filter_map(|pair| pair.key().map(|key| keys::last_number(&key)).transpose())
                .collect()
        });
        found.unwrap_or_default()
    }
}

impl Directory for EmbeddedDirectory {
    fn user(&self, id: UserId) -> Option<Arc<User>> {
        let text = self.read(|disk| disk.directory.get(keys::account(id)))??;
        match serde_json::from_slice(&text) {
            Ok(user) => Some(Arc::new(user)),
            Err(error) => {
                tracing::error!(%error, user = %id, "a kept account is damaged");
                None
            }
        }
    }

    fn guilds_of(&self, user: UserId) -> Vec<GuildId> {
        let guilds = self.numbers(&keys::homes(user, false));
        guilds.into_iter().map(GuildId::new).collect()
    }

    fn is_member(&self, user: UserId, guild: GuildId) -> bool {
        self.read(|disk| disk.directory.contains_key(keys::member(guild, user)))
            .unwrap_or(false)
    }

    fn direct_channels_of(&self, user: UserId) -> Vec<ChannelId> {
        let channels = self.numbers(&keys::homes(user, true));
        channels.into_iter().map(ChannelId::new).collect()
    }

    fn guild_of(&self, channel: ChannelId) -> Option<GuildId> {
        self.number(&keys::channel(channel.get())).map(GuildId::new)
    }

    fn direct_channel(&self, one: UserId, other: UserId) -> Option<ChannelId> {
        self.number(&keys::pair(one, other)).map(ChannelId::new)
    }

    fn is_revoked(&self, grant: &Grant) -> bool {
        self.shared.revocations.has(grant)
    }

    fn revocations_entered(&self) -> u64 {
        self.shared.revocations.entered()
    }

    fn sizes(&self) -> DirectorySizes {
        self.shared.sizes()
    }

    fn change(&self, change: Change) -> DirectoryFuture<()> {
        // In memory first: a disk that takes no writes keeps nobody from being turned out.
        if let Change::Revoke(revocation) = &change
            && !self.shared.revocations.enter(*revocation)
        {
            return Box::pin(std::future::ready(Err(DirectoryError::too_many_revoked())));
        }
        let (answer, answered) = oneshot::channel();
        let bytes = change::bytes(&change);
        let asked = self.shared.ask(Request::Change { change, answer }, bytes);
        Box::pin(async move {
            asked.map_err(DirectoryError::Unavailable)?;
            let gone = |_| DirectoryError::Unavailable("the store stopped meanwhile".to_owned());
            answered.await.map_err(gone)?
        })
    }
}
