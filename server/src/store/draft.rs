//! What one commit will write: built from many requests, each of which sees those before it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use fjall::PersistMode;

use super::commits::Commit;
use super::disk::{Disk, read_error};
use super::ends::Ends;
use super::keys;
use super::log::CommitLog;
use super::unsorted::Gap;
use crate::directory::{DirectoryError, DirectorySizes};
use crate::journal::{JournalError, NewRecord, Snapshot};
use crate::protocol::{GuildId, Position};

/// Changes to the keyspace `directory`: a value, or nothing where the key goes.
type Changes = BTreeMap<Vec<u8>, Option<Bytes>>;

/// What a commit has written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    /// How much the directory holds now.
    pub(super) sizes: DirectorySizes,
    /// Bytes of records with their heads.
    pub(super) bytes: usize,
}

/// The writes of one commit.
pub(super) struct Draft<'d> {
    disk: &'d Disk,
    records: Vec<(GuildId, Position, NewRecord)>,
    snapshots: HashMap<GuildId, Snapshot>,
    changes: Changes,
    /// The changes of one request, which are dropped where it fails half-way.
    staged: Changes,
    sizes: DirectorySizes,
    staged_sizes: DirectorySizes,
}

impl<'d> Draft<'d> {
    pub(super) fn new(disk: &'d Disk, sizes: DirectorySizes) -> Self {
        Self {
            disk,
            records: Vec::new(),
            snapshots: HashMap::new(),
            changes: Changes::new(),
            staged: Changes::new(),
            sizes,
            staged_sizes: sizes,
        }
    }

    /// Records that it will write.
    pub(super) const fn records(&self) -> usize {
        self.records.len()
    }

    /// Guilds whose log or snapshot it changes, some of them several times.
    pub(super) fn guilds(&self) -> impl Iterator<Item = GuildId> {
        let logs = self.records.iter().map(|(guild, ..)| *guild);
        logs.chain(self.snapshots.keys().copied())
    }

    pub(super) fn append(
        &mut self,
        ends: &mut Ends,
        guild: GuildId,
        expected: Position,
        records: Vec<NewRecord>,
    ) -> Result<Position, JournalError> {
        let end = ends.find(self.disk, guild)?;
        if *end != expected {
            return Err(JournalError::Conflict { actual: *end });
        }
        for record in records {
            *end += 1;
            self.records.push((guild, *end, record));
        }
        Ok(*end)
    }

    pub(super) fn put_snapshot(
        &mut self,
        guild: GuildId,
        snapshot: Snapshot,
    ) -> Result<(), JournalError> {
        let kept = match self.snapshots.get(&guild) {
            Some(kept) => Some(kept.position),
            // A damaged one is replaced.
            None => match self.disk.snapshot(guild) {
                Err(error @ JournalError::Unavailable(_)) => return Err(error),
                kept => kept.ok().flatten().map(|kept| kept.position),
            },
        };
        if kept.is_none_or(|kept| kept <= snapshot.position) {
            self.snapshots.insert(guild, snapshot);
        }
        Ok(())
    }

    /// Makes changes to the directory: all that `make` makes, or none where it fails.
    pub(super) fn change(
        &mut self,
        make: impl FnOnce(&mut Self) -> Result<(), DirectoryError>,
    ) -> Result<(), DirectoryError> {
        self.staged_sizes = self.sizes;
        let result = make(self);
        let staged = std::mem::take(&mut self.staged);
        if result.is_ok() {
            self.changes.extend(staged);
            self.sizes = self.staged_sizes;
        }
        result
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, DirectoryError> {
        if let Some(value) = self.staged.get(key).or_else(|| self.changes.get(key)) {
            return Ok(value.clone());
        }
        let kept = self.disk.directory.get(key);
        Ok(kept.map_err(|error| unavailable(&error))?.map(Bytes::from))
    }

    pub(super) fn has(&self, key: &[u8]) -> Result<bool, DirectoryError> {
        Ok(self.get(key)?.is_some())
    }

    /// The number under a key; 0 where there is none.
    pub(super) fn count(&self, key: &[u8]) -> Result<u64, DirectoryError> {
        let kept = self.get(key)?;
        Ok(kept.and_then(|kept| keys::number(&kept)).unwrap_or(0))
    }

    /// The numbers that keys with this start end in.
    pub(super) fn numbers(&self, start: &[u8]) -> Result<Vec<u64>, DirectoryError> {
        let mut found = BTreeSet::new();
        for pair in self.disk.directory.prefix(start) {
            let key = pair.key().map_err(|error| unavailable(&error))?;
            found.extend(keys::last_number(&key));
        }
        for changes in [&self.changes, &self.staged] {
            let changed = changes.range(start.to_vec()..);
            for (key, value) in changed.take_while(|(key, _)| key.starts_with(start)) {
                let Some(number) = keys::last_number(key) else {
                    continue;
                };
                if value.is_some() {
                    found.insert(number);
                } else {
                    found.remove(&number);
                }
            }
        }
        Ok(found.into_iter().collect())
    }

    pub(super) fn put(&mut self, key: Vec<u8>, value: impl Into<Bytes>) {
        self.staged.insert(key, Some(value.into()));
    }

    /// Sets a number; the key goes where it is 0.
    pub(super) fn put_count(&mut self, key: Vec<u8>, count: u64) {
        let value = (count > 0).then(|| Bytes::copy_from_slice(&count.to_be_bytes()));
        self.staged.insert(key, value);
    }

    pub(super) fn forget(&mut self, key: Vec<u8>) {
        self.staged.insert(key, None);
    }

    /// How much the directory holds, with the changes of the request that is being worked on.
    pub(super) fn sizes(&mut self) -> &mut DirectorySizes {
        &mut self.staged_sizes
    }

    /// Writes everything: the records to the log first, then the rest to the database. After an error it is open what was
    /// written, but for `Poisoned`: then nothing was but what is in the log. Ends of logs are to be forgotten then.
    pub(super) fn commit(self, log: &mut CommitLog, mode: PersistMode) -> fjall::Result<Written> {
        let bytes = self.records.iter().map(|(.., it)| it.bytes.len()).sum();
        let mut commit = Commit::with_room(self.records.len(), bytes);
        let mut begins = Vec::with_capacity(self.records.len());
        for (guild, position, record) in &self.records {
            begins.push(commit.append(*guild, *position, &record.bytes));
        }
        let commit = commit.into_bytes();
        if !commit.is_empty() {
            log.append(&commit)?;
        }
        let needs_sync = !self.changes.is_empty();
        let mut batch = self.disk.db.batch();
        if !self.snapshots.is_empty() {
            // A snapshot must not survive records that it was made of.
            log.sync()?;
        }
        for (guild, snapshot) in self.snapshots {
            let mut value = Vec::with_capacity(8 + snapshot.bytes.len());
            value.extend_from_slice(&snapshot.position.to_be_bytes());
            value.extend_from_slice(&snapshot.bytes);
            batch.insert(&self.disk.snapshots, guild.get().to_be_bytes(), value);
        }
        if !self.changes.is_empty() {
            let sizes = [
                self.sizes.users,
                self.sizes.memberships,
                self.sizes.channels,
            ];
            let sizes = sizes.map(|size| (size as u64).to_be_bytes()).concat();
            batch.insert(&self.disk.meta, keys::SIZES_KEY, sizes);
        }
        for (key, value) in self.changes {
            match value {
                Some(value) => batch.insert(&self.disk.directory, key, value),
                None => batch.remove(&self.disk.directory, key),
            }
        }
        if !batch.is_empty() {
            // A snapshot that is lost with the power is missed by nobody: what rests on it is synced, and after it.
            let mode = if needs_sync {
                mode
            } else {
                PersistMode::Buffer
            };
            batch.durability(Some(mode)).commit()?;
        }
        for ((guild, position, mut record), begin) in self.records.into_iter().zip(begins) {
            // What the database keeps in memory anyway.
            record.bytes = commit.slice(begin..begin + record.bytes.len());
            let pushed = self.disk.unsorted.push(guild, position, record);
            pushed.map_err(|Gap| std::io::Error::other("a guild's log is not what it was"))?;
        }
        Ok(Written {
            sizes: self.sizes,
            bytes: commit.len(),
        })
    }
}

fn unavailable(error: &fjall::Error) -> DirectoryError {
    DirectoryError::Unavailable(read_error(error).to_string())
}
