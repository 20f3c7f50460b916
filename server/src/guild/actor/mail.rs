//! What can be sent to a guild's actor.

use tokio::sync::oneshot;

use crate::fanout::HubId;
use crate::guild::command::{Outcome, Request};
use crate::guild::core::Attach;
use crate::guild::departure::Farewell;
use crate::guild::handoff::baton::Handing;
use crate::protocol::objects::Presence;
use crate::protocol::{Position, UserId};
use crate::spans::Way;

/// What can be sent to a guild's actor.
#[derive(Debug)]
pub enum GuildMail {
    /// A request and the way back.
    Ask {
        /// The request.
        request: Request,
        /// Answered once what the reply depends on is in the journal.
        reply: oneshot::Sender<Outcome>,
        /// What spans of it hang on.
        way: Way,
    },
    /// Attach a session.
    Attach(Attach),
    /// Attach a session that comes from another hub and has everything up to a position.
    Reattach(Attach, Position),
    /// A hub that was told that it lost the guild joins again, with all its sessions.
    Rejoin {
        /// The hub.
        hub: HubId,
        /// The last position that it has.
        since: Position,
        /// Its sessions.
        sessions: Vec<Attach>,
    },
    /// Nothing but to be in memory for a while: nobody asks for the guild.
    Wake,
    /// Load the guild anew, also out of quarantine.
    Restart,
    /// Another actor has the guild: this one was on a stuck executor.
    Evicted,
    /// The last mail: hand over to the successor, which has the guild's mail from now on.
    Release(Box<Handing>),
    /// Come to rest: the guild may go to another node.
    Depart(Box<Farewell>),
    /// A session is gone.
    Detach {
        /// Where it was.
        hub: HubId,
        /// Which it was.
        session: u64,
        /// Whose it was.
        user: UserId,
    },
    /// A hub is no more, with all its sessions.
    HubGone(HubId),
    /// A session changed its presence.
    Presence {
        /// Whose.
        user: UserId,
        /// The new one.
        presence: Presence,
    },
}

impl GuildMail {
    /// Whether a hub of this node sent it.
    pub(super) fn is_of_local_hub(&self) -> bool {
        match self {
            Self::Attach(attach) | Self::Reattach(attach, _) => attach.hub.is_local(),
            Self::Rejoin { hub, .. } | Self::Detach { hub, .. } => hub.is_local(),
            // From whichever node: it says whose it is.
            Self::Presence { .. } => true,
            _ => false,
        }
    }
}
