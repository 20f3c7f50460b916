//! What an opened store brings back into memory: records of commits that are not sorted.

use std::collections::{HashMap, hash_map};
use std::path::Path;

use bytes::Bytes;

use super::commits::{self, Part};
use super::disk::{Disk, StoreError};
use super::keys;
use super::log::CommitLog;
use super::unsorted::Gap;
use crate::journal::NewRecord;
use crate::protocol::{GuildId, Position};

/// Folder of the log of commits in that of the database.
const FOLDER: &str = "commits";

/// Guilds for which only the commits from one on count: they were forgotten, or sorted by themselves, before it.
pub(super) type Starts = HashMap<GuildId, u64>;

impl Disk {
    /// Opens the log of commits and brings into memory what of it is not sorted.
    pub(super) fn open_log(
        &self,
        dir: &Path,
        sync: bool,
    ) -> Result<(CommitLog, Starts), StoreError> {
        let first = self.first_commit()?;
        let certain = self.number(keys::SORTING_KEY)?;
        let mut starts = self.starts()?;
        let folder = Self::folder(dir).join(FOLDER);
        let mut recovery = Recovery::new(self, &starts, certain);
        let log = CommitLog::open(folder, sync, first, |number, commit| {
            recovery.take(number, commit)
        })?;
        // What was not synced may have gone: then commits to come get numbers that were given before.
        for (guild, from) in &mut starts {
            if *from > log.next() {
                *from = log.next();
                self.meta.insert(keys::start(*guild), from.to_be_bytes())?;
            }
        }
        Ok((log, starts))
    }

    /// The first commit that is not sorted.
    pub(super) fn first_commit(&self) -> Result<u64, StoreError> {
        self.number(keys::COMMIT_KEY)
    }

    fn number(&self, key: &[u8]) -> Result<u64, StoreError> {
        let number = self.meta.get(key)?;
        Ok(number.as_deref().and_then(keys::number).unwrap_or(0))
    }

    fn starts(&self) -> Result<Starts, StoreError> {
        let mut starts = Starts::new();
        for pair in self.meta.prefix(keys::STARTS) {
            let (key, from) = pair.into_inner()?;
            if let (Some(guild), Some(from)) = (keys::last_number(&key), keys::number(&from)) {
                starts.insert(GuildId::new(guild), from);
            }
        }
        Ok(starts)
    }
}

/// Takes the records of commits into memory, in their order.
pub(super) struct Recovery<'d> {
    disk: &'d Disk,
    starts: &'d Starts,
    /// From this commit on none is sorted; of those before it that is to be seen.
    certain: u64,
    /// Where the sorted logs of guilds end.
    sorted: HashMap<GuildId, Position>,
}

impl<'d> Recovery<'d> {
    pub(super) fn new(disk: &'d Disk, starts: &'d Starts, certain: u64) -> Self {
        Self {
            disk,
            starts,
            certain,
            sorted: HashMap::new(),
        }
    }

    /// Takes a commit, but for what is sorted or forgotten.
    pub(super) fn take(&mut self, number: u64, commit: Bytes) -> Result<(), StoreError> {
        let damaged = |what: &str| StoreError::Database(format!("a commit of the store {what}"));
        let parts = commits::parts(commit);
        for part in parts.ok_or_else(|| damaged("cannot be read"))? {
            let (guild, position, bytes) = match part {
                Part::Forgotten(guild) => {
                    self.disk.unsorted.forget(guild);
                    continue;
                }
                Part::Record(guild, position, bytes) => (guild, position, bytes),
            };
            if self.starts.get(&guild).is_some_and(|from| number < *from) {
                continue;
            }
            // A look at each guild of many takes seconds.
            if number >= self.certain || position > self.sorted(guild)? {
                let about = (self.disk.indexer)(&bytes);
                let record = NewRecord { bytes, about };
                let pushed = self.disk.unsorted.push(guild, position, record);
                pushed.map_err(|_: Gap| damaged("does not go on where a guild's log ends"))?;
            }
        }
        Ok(())
    }

    fn sorted(&mut self, guild: GuildId) -> Result<Position, StoreError> {
        Ok(match self.sorted.entry(guild) {
            hash_map::Entry::Occupied(known) => *known.get(),
            hash_map::Entry::Vacant(unknown) => {
                let last = self.disk.last_sorted(guild);
                let last = last.map_err(|error| StoreError::Database(error.to_string()))?;
                *unknown.insert(last)
            }
        })
    }
}
