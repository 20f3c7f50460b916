//! The directory on JetStream: one sequence of changes that every node follows into its memory.
//!
//! Every node makes the same changes in the same order, so that all of them have the same directory and
//! find out the same results. Who wrote a change is answered once the change was made here, so that its
//! next read sees it; other nodes see it a moment later. A snapshot now and then keeps the sequence short.

mod follow;
mod write;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use dashmap::DashMap;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, mpsc, oneshot};

use super::chunks::fresh;
use super::{ClusterThread, Nats, NatsError};
use crate::auth::grant::Grant;
use crate::directory::{
    Change, Directory, DirectoryError, DirectoryFuture, DirectorySizes, MemoryDirectory,
};
use crate::protocol::objects::User;
use crate::protocol::{ChannelId, GuildId, UserId};

/// Most changes that wait to be sent.
const MAX_QUEUED: usize = 16_384;
/// Most bytes of them.
const MAX_QUEUED_BYTES: usize = 64 << 20;

/// A change as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Letter {
    /// Which process wrote it.
    from: u64,
    /// Its number there.
    number: u64,
    change: Change,
}

/// A change that is to be sent.
struct Outgoing {
    number: u64,
    text: Vec<u8>,
}

/// What the tasks and the calls share.
struct Shared {
    nats: Nats,
    memory: ArcSwap<MemoryDirectory>,
    /// Names this process among the writers.
    me: u64,
    /// Who waits for which of its changes.
    waiting: DashMap<u64, oneshot::Sender<Result<(), DirectoryError>>>,
    queued_bytes: AtomicUsize,
    /// The last sequence number that the server has told of.
    told: AtomicU64,
    /// Something was told.
    news: Notify,
}

impl Shared {
    fn answer(&self, number: u64, result: Result<(), DirectoryError>) {
        if let Some((_, waiting)) = self.waiting.remove(&number) {
            // Who asked need not wait.
            let _ = waiting.send(result);
        }
    }
}

/// The directory of a cluster. Cheap to clone.
#[derive(Clone)]
pub struct NatsDirectory {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Outgoing>,
    numbers: Arc<AtomicU64>,
}

impl NatsDirectory {
    /// Reads what there is and follows it from then on; blocks until it is read.
    pub fn open(nats: Nats, thread: &ClusterThread) -> Result<Self, NatsError> {
        let shared = Arc::new(Shared {
            nats,
            memory: ArcSwap::default(),
            me: fresh() as u64,
            waiting: DashMap::new(),
            queued_bytes: AtomicUsize::new(0),
            told: AtomicU64::new(0),
            news: Notify::new(),
        });
        let followed = Arc::clone(&shared);
        thread
            .wait_for(follow::start(followed))
            .ok_or_else(|| NatsError("the directory cannot be read".to_owned()))??;
        let (queue, queued) = mpsc::channel(MAX_QUEUED);
        thread
            .handle()
            .spawn(write::run(Arc::clone(&shared), queued));
        Ok(Self {
            shared,
            queue,
            numbers: Arc::default(),
        })
    }
}

impl Directory for NatsDirectory {
    fn user(&self, id: UserId) -> Option<Arc<User>> {
        self.shared.memory.load().user(id)
    }

    fn guilds_of(&self, user: UserId) -> Vec<GuildId> {
        self.shared.memory.load().guilds_of(user)
    }

    fn is_member(&self, user: UserId, guild: GuildId) -> bool {
        self.shared.memory.load().is_member(user, guild)
    }

    fn direct_channels_of(&self, user: UserId) -> Vec<ChannelId> {
        self.shared.memory.load().direct_channels_of(user)
    }

    fn guild_of(&self, channel: ChannelId) -> Option<GuildId> {
        self.shared.memory.load().guild_of(channel)
    }

    fn direct_channel(&self, one: UserId, other: UserId) -> Option<ChannelId> {
        self.shared.memory.load().direct_channel(one, other)
    }

    fn is_revoked(&self, grant: &Grant) -> bool {
        self.shared.memory.load().is_revoked(grant)
    }

    fn revocations_entered(&self) -> u64 {
        self.shared.memory.load().revocations_entered()
    }

    fn sizes(&self) -> DirectorySizes {
        self.shared.memory.load().sizes()
    }

    fn change(&self, change: Change) -> DirectoryFuture<()> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let letter = Letter {
            from: self.shared.me,
            number,
            change,
        };
        let unavailable = |why: &str| DirectoryError::Unavailable(why.to_owned());
        let text = serde_json::to_vec(&letter).expect("changes are plain data");
        let bytes = text.len();
        let queued = &self.shared.queued_bytes;
        let has_room = bytes <= self.shared.nats.max_payload()
            && queued.fetch_add(bytes, Ordering::Relaxed) + bytes <= MAX_QUEUED_BYTES;
        let (answer, answered) = oneshot::channel();
        self.shared.waiting.insert(number, answer);
        let sent = has_room && self.queue.try_send(Outgoing { number, text }).is_ok();
        if !sent {
            if has_room {
                queued.fetch_sub(bytes, Ordering::Relaxed);
            }
            self.shared
                .answer(number, Err(unavailable("too much waits to be written")));
        }
        Box::pin(async move {
            let stopped = |_| DirectoryError::Unavailable("the node stops".to_owned());
            answered.await.map_err(stopped)?
        })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::cluster::nats::test_server::Server;
    use crate::directory::conformance;

    #[tokio::test]
    async fn the_directory_keeps_the_contract() {
        let server = Server::start();
        let made = Cell::new(0);
        conformance::run(|| {
            made.set(made.get() + 1);
            let nats = server.connect(&format!("contract-{}", made.get()));
            Arc::new(NatsDirectory::open(nats, server.thread()).unwrap())
        })
        .await;
    }

    #[tokio::test]
    async fn nodes_have_the_same_directory_also_one_that_comes_after_a_snapshot() {
        let server = Server::start();
        let open = || NatsDirectory::open(server.connect("same"), server.thread()).unwrap();
        let (one, other) = (open(), open());
        let (user, guild) = (UserId::new(1), GuildId::new(2));
        let account = Arc::new(User::new(user, "somebody", false));
        one.put_user(Arc::clone(&account)).await.unwrap();
        // More changes than are kept without a snapshot.
        let changes = follow::SNAPSHOT_EVERY + 10;
        let writes = (0..changes).map(|n| {
            let channel = ChannelId::new(10 + n % 7);
            one.add_channels(guild, vec![channel])
        });
        for write in writes.collect::<Vec<_>>() {
            write.await.unwrap();
        }
        other.add_members(guild, vec![user]).await.unwrap();
        assert_eq!(other.user(user), Some(Arc::clone(&account)));
        assert_eq!(
            other.sizes(),
            DirectorySizes {
                users: 1,
                memberships: 1,
                channels: 7
            }
        );
        let stream = &one.shared.nats.inner.directory;
        while stream.get_info().await.unwrap().state.messages > changes {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let late = open();
        assert_eq!(late.sizes(), other.sizes());
        assert_eq!(late.user(user), Some(account));
        assert!(late.is_member(user, guild));
    }
}
