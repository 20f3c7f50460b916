//! The one door to guilds for everything above: who owns the guild, is it running, ask it.

use super::command::{Outcome, Request};
use crate::protocol::GuildId;

/// Finds a guild's node and actor and hands it requests. Cheap to clone.
#[derive(Clone)]
pub struct Router {}

impl Router {
    /// Asks a guild, waking it first where it does not run.
    ///
    /// Errors: `UNKNOWN_GUILD` where no such guild was ever made; `UNAVAILABLE` where its mailbox
    /// is full, it is quarantined, its journal does not take writes, or it did not answer in time.
    pub async fn ask(&self, guild: GuildId, request: Request) -> Outcome {
        let _ = (guild, request);
        Err(crate::protocol::ApiError::UNAVAILABLE)
    }
}
