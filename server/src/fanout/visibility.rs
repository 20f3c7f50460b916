//! Who sees which channel: the table that a guild shares with its hubs.

use std::collections::HashMap;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::protocol::objects::Overwrite;
use crate::protocol::{ChannelId, Permissions, RoleId, UserId};

/// The part of a guild's state that decides which member sees which channel. Immutable: a change
/// makes a new table.
#[derive(Debug)]
pub struct Visibility {
    /// Sees everything.
    pub owner: UserId,
    /// What `@everyone` may do.
    pub everyone: Permissions,
    /// What each further role grants.
    pub roles: HashMap<RoleId, Permissions>,
    /// Every channel, by rising id; the index is the channel's *slot*.
    pub channels: Vec<VisibleChannel>,
    /// Whether this is a direct message channel, which every member sees.
    pub direct: bool,
}

/// A channel as hubs know it.
#[derive(Debug)]
pub struct VisibleChannel {
    /// The channel.
    pub id: ChannelId,
    /// Its exceptions.
    pub overwrites: Vec<Overwrite>,
    /// The channel object as in GUILD_CREATE (no `guild_id`), a whole JSON object.
    pub body: Bytes,
}

/// A set of channel slots of one table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChannelSet(SmallVec<[u64; 2]>);

impl ChannelSet {
    /// Adds a slot.
    pub fn insert(&mut self, slot: usize) {
        let word = slot / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (slot % 64);
    }

    /// Whether the slot is in the set.
    pub fn contains(&self, slot: usize) -> bool {
        self.0
            .get(slot / 64)
            .is_some_and(|word| word & (1 << (slot % 64)) != 0)
    }
}
