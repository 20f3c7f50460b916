//! Guilds of other nodes, as the router sees them.

use std::pin::Pin;

use tokio::time::Instant;

use super::actor::GuildMail;
use super::command::{Outcome, Request};
use super::router::Unavailable;
use crate::placement::NodeName;
use crate::protocol::GuildId;

/// What became of a request to another node.
#[derive(Debug)]
pub enum Asked {
    /// The guild answered, or may have carried it out.
    Answered(Outcome),
    /// Nobody has got it: the node is gone, or says that the guild is not its own. It can be sent again.
    NotThere,
}

/// The way to other nodes.
pub trait Remote: Send + Sync {
    /// Whether this node may serve its guilds now.
    fn may_serve(&self) -> bool;

    /// Asks a guild of another node; given up at `end`.
    fn ask(
        &self,
        node: &NodeName,
        guild: GuildId,
        request: &Request,
        end: Instant,
    ) -> Pin<Box<dyn Future<Output = Asked> + Send>>;

    /// Hands mail to a guild of another node, in the order of the calls. It may be lost: then hubs of
    /// this node are told that they lost the guild.
    fn post(&self, node: &NodeName, guild: GuildId, mail: GuildMail) -> Result<(), Unavailable>;
}
