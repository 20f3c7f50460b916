//! The logical session: what READY started.

use std::sync::Arc;

use smallvec::SmallVec;

use super::id::SessionId;
use crate::fanout::outbox::{Outbox, OutboxParts};
use crate::fanout::room::SubscriptionParts;
use crate::guild::actor::GuildMail;
use crate::guild::core::Attach;
use crate::protocol::objects::{Presence, User};
use crate::protocol::{GuildId, Intents};

/// A Resume that is under way.
#[derive(Debug, Clone, Copy)]
pub struct Resuming {
    /// Since when, in milliseconds of the worker's clock.
    pub since_ms: u64,
    /// Whether RESUMED is among what is replayed: the client went away before it came.
    pub has_resumed: bool,
}

/// A session on its worker.
#[derive(Debug)]
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// Tells it from a later session under the same key.
    pub generation: u32,
    /// Whose it is.
    pub user: Arc<User>,
    /// What it asked for.
    pub intents: Intents,
    /// The guilds that its token is good for; `None` where it is good for all.
    pub scope: Option<Arc<Vec<GuildId>>>,
    /// Shard id and number of shards.
    pub shard: (u32, u32),
    /// Up to how many members GUILD_CREATE shows.
    pub large_threshold: u16,
    /// Its presence, for guilds that it attaches to later.
    pub presence: Presence,
    /// Its numbered events.
    pub outbox: Outbox,
    /// Its connection, or since when it has none.
    pub link: Link,
    /// Its guilds.
    pub guilds: SmallVec<[Membership; 1]>,
    /// While guilds are still asked for what a client missed that goes on.
    pub resuming: Option<Resuming>,
    /// What its worker's trail calls it.
    pub trail: u32,
    /// Whether it waits in the worker's list of sessions to flush.
    pub dirty: bool,
    /// Whether it is in the worker's list of sessions that wait for an answer of a guild.
    pub waits: bool,
}

impl Session {
    /// Whether its token is good for a guild.
    pub fn allows(&self, guild: GuildId) -> bool {
        let scope = self.scope.as_deref();
        scope.is_none_or(|guilds| guilds.contains(&guild))
    }
}

/// Whether a session has a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// The connection's key.
    Connected(usize),
    /// No connection since this time of the worker's clock, in milliseconds.
    Detached(u64),
}

/// A session's standing in one guild.
#[derive(Debug)]
pub struct Membership {
    /// The guild.
    pub guild: GuildId,
    /// How far it is.
    pub state: MembershipState,
}

/// How far a session is with a guild.
#[derive(Debug)]
pub enum MembershipState {
    /// The guild was asked; not answered yet.
    Asked {
        /// When, in milliseconds of the worker's clock.
        at_ms: u64,
        /// Whether the user joined while connected, rather than logged in.
        joined: bool,
    },
    /// As `Asked`, for a session that comes from another worker or from before a restart.
    Returning {
        /// When.
        at_ms: u64,
        /// What it brings.
        parts: Box<SubscriptionParts>,
    },
    /// In the guild's room, at this place.
    Present(usize),
}

impl MembershipState {
    /// What the guild is to be asked; `None` where it has answered.
    pub fn question(&self, attach: Attach) -> Option<GuildMail> {
        match self {
            Self::Asked { .. } => Some(GuildMail::Attach(attach)),
            Self::Returning { parts, .. } => Some(GuildMail::Reattach(attach, parts.position)),
            Self::Present(_) => None,
        }
    }
}

/// The key and generation in a name of [`Session::name`].
pub const fn key_and_generation(name: u64) -> (usize, u32) {
    ((name & u32::MAX as u64) as usize, (name >> 32) as u32)
}

/// A session between two workers, or between a stop and the next start.
#[derive(Debug)]
pub struct SessionParts {
    /// Its name.
    pub id: SessionId,
    /// Whose it is.
    pub user: Arc<User>,
    /// What it asked for.
    pub intents: Intents,
    /// Shard id and number of shards.
    pub shard: (u32, u32),
    /// Up to how many members GUILD_CREATE shows.
    pub large_threshold: u16,
    /// Its presence.
    pub presence: Presence,
    /// Its numbered events.
    pub outbox: OutboxParts,
    /// Guilds that it is subscribed to.
    pub present: Vec<SubscriptionParts>,
    /// Guilds that have not answered yet, and whether the user joined while connected.
    pub asked: Vec<(GuildId, bool)>,
}

impl Session {
    /// The connection's key, if it has one.
    pub const fn connection(&self) -> Option<usize> {
        match self.link {
            Link::Connected(key) => Some(key),
            Link::Detached(_) => None,
        }
    }

    /// What guilds know it by, under this key.
    ///
    /// Keys are given again, and a guild may hear of the former owner of one after it has heard of
    /// the next: the generation tells them apart.
    pub const fn name(&self, key: usize) -> u64 {
        (self.generation as u64) << 32 | key as u64
    }

    /// Whether some guild still owes it what it missed on its way here.
    pub fn awaits_guilds(&self) -> bool {
        self.guilds
            .iter()
            .any(|membership| matches!(membership.state, MembershipState::Returning { .. }))
    }

    /// Its standing in a guild.
    pub fn membership(&mut self, guild: GuildId) -> Option<&mut Membership> {
        self.guilds
            .iter_mut()
            .find(|membership| membership.guild == guild)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::connection::Connection;

    /// What an idle session takes is mostly these two; who makes them larger should know it.
    #[test]
    fn a_session_and_its_connection_stay_small() {
        assert!(size_of::<Session>() <= 280, "{}", size_of::<Session>());
        assert!(
            size_of::<Connection>() <= 240,
            "{}",
            size_of::<Connection>()
        );
        assert_eq!(size_of::<crate::fanout::Frame>(), size_of::<usize>());
    }
}
