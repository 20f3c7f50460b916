//! Where guilds' logs end, as the writer knows it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::disk::Disk;
use crate::journal::JournalError;
use crate::protocol::{GuildId, Position};

/// Guilds that the writer remembers; where a commit has made it more, it starts afresh.
const REMEMBERED: usize = 100_000;

/// The positions of last records, as written or about to be. Bounded: what is not here is looked up, and what was not
/// written after all has to be forgotten.
#[derive(Debug, Default)]
pub(super) struct Ends(HashMap<GuildId, Position>);

impl Ends {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn forget(&mut self, guild: GuildId) {
        self.0.remove(&guild);
    }

    /// Makes room where there are many. Not while a commit is put together: that builds on what is here.
    pub(super) fn make_room(&mut self) {
        if self.0.len() > REMEMBERED {
            self.0.clear();
        }
    }

    pub(super) fn find(
        &mut self,
        disk: &Disk,
        guild: GuildId,
    ) -> Result<&mut Position, JournalError> {
        Ok(match self.0.entry(guild) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(disk.last_position(guild)?),
        })
    }
}
