//! What reaches a worker's hub from other threads.

use std::sync::Arc;

use super::{Attachment, Item};
use crate::protocol::{ApiError, GuildId, UserId};

/// Names a hub of this or another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HubId(pub u32);

impl HubId {
    /// Set in the names that hubs of other nodes have here.
    const REMOTE: u32 = 1 << 31;

    /// What hub `hub` of another node is called here; the node's `slot` is one of 32,768.
    pub const fn remote(slot: u32, hub: u32) -> Self {
        Self(Self::REMOTE | (slot & 0x7fff) << 16 | hub & 0xffff)
    }

    /// Whether it is a hub of this node.
    pub const fn is_local(self) -> bool {
        self.0 & Self::REMOTE == 0
    }

    /// The slot of the node that it is on, where that is another one.
    pub const fn remote_slot(self) -> Option<u32> {
        if self.is_local() {
            None
        } else {
            Some(self.0 >> 16 & 0x7fff)
        }
    }
}

/// From a guild to one hub.
#[derive(Debug)]
pub enum GuildNews {
    /// Items for the guild's sessions, shared by all hubs.
    Items {
        /// The guild.
        guild: GuildId,
        /// In order, after all that this hub was sent before.
        items: Arc<[Item]>,
    },
    /// The answer to an attachment; it stands in order with the items.
    Attached {
        /// The guild.
        guild: GuildId,
        /// The session within the hub.
        session: u64,
        /// The snapshot, or why there is none.
        result: Box<Result<Attachment, ApiError>>,
        /// What a session that comes from another worker missed on the way; `None` where the
        /// guild does not remember that far back: the session must not go on.
        missed: Option<Arc<[Item]>>,
    },
    /// The guild sends this hub nothing more: the hub's mailbox was full, or the guild was loaded
    /// anew. The hub is to join again.
    Lost {
        /// The guild.
        guild: GuildId,
    },
    /// The answer to a hub that joins again; it stands in order with the items.
    Rejoined {
        /// The guild.
        guild: GuildId,
        /// Every item after the hub's position; `None` where they cannot be had: its sessions of this
        /// guild cannot go on.
        missed: Option<Arc<[Item]>>,
    },
    /// The guild does not serve until somebody has looked at it.
    Unavailable {
        /// The guild.
        guild: GuildId,
    },
    /// A user became a member: its sessions attach.
    Joined {
        /// The guild.
        guild: GuildId,
        /// The user.
        user: UserId,
    },
}

impl GuildNews {
    /// Which guild it is about.
    pub const fn guild(&self) -> GuildId {
        match self {
            Self::Items { guild, .. }
            | Self::Attached { guild, .. }
            | Self::Lost { guild }
            | Self::Rejoined { guild, .. }
            | Self::Unavailable { guild }
            | Self::Joined { guild, .. } => *guild,
        }
    }

    /// Bytes that the message holds on to.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Items { items, .. } => items.iter().map(item_bytes).sum(),
            Self::Attached { missed, .. } | Self::Rejoined { missed, .. } => {
                512 + missed
                    .iter()
                    .flat_map(|items| items.iter())
                    .map(item_bytes)
                    .sum::<usize>()
            }
            Self::Lost { .. } | Self::Unavailable { .. } | Self::Joined { .. } => 64,
        }
    }
}

fn item_bytes(item: &Item) -> usize {
    64 + match item {
        Item::Dispatch(dispatch) => dispatch.body.len(),
        _ => 256,
    }
}

/// The way to one hub, for guilds.
pub trait HubLink: Send + Sync {
    /// Posts news; gives it back where the hub's mailbox is full or the hub is gone.
    fn post(&self, news: GuildNews) -> Result<(), GuildNews>;
    /// Posts news past the bounds: for what a guild sends at most once per hub.
    fn post_control(&self, news: GuildNews);
}

/// The hubs of this node, and those of others that have sessions of its guilds.
#[derive(Clone, Default)]
pub struct HubLinks {
    links: Arc<dashmap::DashMap<HubId, Arc<dyn HubLink>>>,
}

impl HubLinks {
    /// Makes a hub known.
    pub fn insert(&self, hub: HubId, link: Arc<dyn HubLink>) {
        self.links.insert(hub, link);
    }

    /// The way to a hub.
    pub fn get(&self, hub: HubId) -> Option<Arc<dyn HubLink>> {
        self.links.get(&hub).map(|link| Arc::clone(&link))
    }

    /// Tells every hub; one without sessions of the guild passes it over.
    pub fn tell_all(&self, news: impl Fn() -> GuildNews) {
        for link in self.links.iter() {
            link.post_control(news());
        }
    }

    /// Tells every hub of this node.
    pub fn tell_local(&self, news: impl Fn() -> GuildNews) {
        for link in self.links.iter().filter(|link| link.key().is_local()) {
            link.post_control(news());
        }
    }

    /// Forgets hubs, and says which.
    pub fn remove_where(&self, goes: impl Fn(HubId) -> bool) -> Vec<HubId> {
        let mut gone = Vec::new();
        self.links.retain(|hub, _| {
            let stays = !goes(*hub);
            if !stays {
                gone.push(*hub);
            }
            stays
        });
        gone
    }

    /// Tells every hub of this node that a user became a member.
    pub fn joined(&self, user: UserId, guild: GuildId) {
        self.tell_local(|| GuildNews::Joined { guild, user });
    }
}
