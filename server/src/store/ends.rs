//! Where guilds' logs end, and how far the index of messages has got behind.
//!
//! An index entry for each record would double what a commit has to sort in, each at a place of its own. So the entries of a
//! guild are written by the handful, next to each other, with a mark of how far they reach. What is behind the mark is told
//! from the records themselves: here to go on after a restart, in [`super::index`] to be found.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::disk::Disk;
use crate::journal::{About, JournalError};
use crate::protocol::{ChannelId, GuildId, MessageId, Position};

/// Guilds that the writer remembers; where a commit has made it more, it starts afresh.
const REMEMBERED: usize = 100_000;
/// Most records of a guild that the index lacks. They are read where something is looked for.
const MOST_BEHIND: u64 = 32;
/// Records that the index may lack of all guilds that are remembered; where there are more of those, each has fewer.
const BEHIND_IN_ALL: usize = 1 << 17;

/// A record that is about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mention {
    pub(super) channel: ChannelId,
    pub(super) message: MessageId,
    pub(super) position: Position,
}

impl Mention {
    /// What a record is about, an entry for each message.
    pub(super) fn all(about: &About, position: Position) -> impl Iterator<Item = Self> {
        about.messages.iter().map(move |message| Self {
            channel: about.channel,
            message: *message,
            position,
        })
    }
}

/// The end of a guild's log.
#[derive(Debug, Default)]
pub(super) struct End {
    /// Of the last record.
    pub(super) position: Position,
    /// Up to where the index has what records are about.
    indexed: Position,
    /// What those after it are about that the writer has written since it knows of the guild.
    behind: Vec<Mention>,
    /// Of the last record before that: those between are read when they are due. Most guilds that wake write little.
    known_after: Position,
}

impl End {
    /// Adds a record.
    pub(super) fn push(&mut self, about: Option<&About>) {
        self.position += 1;
        let mentions = about.map(|about| Mention::all(about, self.position));
        self.behind.extend(mentions.into_iter().flatten());
    }

    /// What the index lacks, once that is `most` records; from then on it is taken to have it.
    pub(super) fn due(
        &mut self,
        disk: &Disk,
        guild: GuildId,
        most: u64,
    ) -> Result<Option<Vec<Mention>>, JournalError> {
        if self.position - self.indexed < most {
            return Ok(None);
        }
        let mut due = Vec::new();
        if self.indexed < self.known_after {
            let unread = self.indexed + 1..=self.known_after;
            due = disk.mentions_in(&disk.db.snapshot(), guild, unread)?;
        }
        // Only now: what is not committed yet could not be read again.
        due.append(&mut self.behind);
        self.indexed = self.position;
        self.known_after = self.position;
        Ok(Some(due))
    }
}

/// The ends of logs, as written or about to be. Bounded: what is not here is looked up, and what was not written after
/// all has to be forgotten.
#[derive(Debug, Default)]
pub(super) struct Ends(HashMap<GuildId, End>);

impl Ends {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn forget(&mut self, guild: GuildId) {
        self.0.remove(&guild);
    }

    /// How many records of one guild the index may lack now.
    pub(super) fn most_behind(&self) -> u64 {
        let share = BEHIND_IN_ALL / self.0.len().max(1);
        (share as u64).clamp(1, MOST_BEHIND)
    }

    /// Makes room where there are many. Not while a commit is put together: that builds on what is here.
    pub(super) fn make_room(&mut self) {
        if self.0.len() > REMEMBERED {
            self.0.clear();
        }
    }

    pub(super) fn find(&mut self, disk: &Disk, guild: GuildId) -> Result<&mut End, JournalError> {
        match self.0.entry(guild) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => {
                let position = disk.last_position(guild)?;
                Ok(unknown.insert(End {
                    position,
                    indexed: disk.indexed(&disk.db.snapshot(), guild)?,
                    behind: Vec::new(),
                    known_after: position,
                }))
            }
        }
    }
}
