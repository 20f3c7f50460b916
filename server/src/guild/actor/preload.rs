//! Guilds that are read before they come: a hand-over waits for no more than their last records.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::GuildTools;
use super::load::Loaded;
use crate::clock;
use crate::journal::JournalError;
use crate::protocol::GuildId;

/// Most guilds that are kept so.
const MOST: usize = 256;
/// For how long.
const KEPT: Duration = Duration::from_secs(30);

/// Guilds as their journals had them a moment ago. Cheap to clone.
#[derive(Clone, Default)]
pub struct Preloads(Arc<Mutex<HashMap<GuildId, (Instant, Loaded)>>>);

impl Preloads {
    /// Reads a guild and keeps it for its actor, which reads what follows.
    pub(in crate::guild) async fn read(
        &self,
        tools: &GuildTools,
        guild: GuildId,
    ) -> Result<(), JournalError> {
        let mut loaded = Loaded::from_snapshot(tools, guild).await?;
        loaded.read_tail(&*tools.journal, guild).await?;
        let now = clock::now();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, (at, _)| now.saturating_duration_since(*at) < KEPT);
        if kept.len() >= MOST {
            let why = "too many guilds are read ahead";
            return Err(JournalError::Unavailable(why.to_owned()));
        }
        kept.insert(guild, (now, loaded));
        Ok(())
    }

    /// What was read of a guild.
    pub(super) fn take(&self, guild: GuildId) -> Option<Loaded> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, loaded) = kept.remove(&guild)?;
        (at.elapsed() < KEPT).then_some(loaded)
    }

    /// The guilds that were read.
    pub(in crate::guild) fn guilds(&self) -> Vec<GuildId> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.keys().copied().collect()
    }
}
