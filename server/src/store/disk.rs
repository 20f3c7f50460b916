//! The database on the disk: how it is made, opened and read. Every call here blocks.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use fjall::compaction::Leveled;
use fjall::{
    Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode, Readable, UserKey,
};

use super::blocks::Block;
use super::index::Indexer;
use super::keys;
use super::unsorted::Unsorted;
use crate::auth::revocations::Revocation;
use crate::directory::DirectorySizes;
use crate::journal::{Entry, JournalError, Snapshot};
use crate::protocol::{GuildId, Position};

/// Folder of the database in the data directory.
const FOLDER: &str = "store";
/// Where a new database is made before it takes its place as a whole.
const NEW_FOLDER: &str = "store.new";
/// Locked for as long as a process uses the data directory.
const LOCK_FILE: &str = "store.lock";
/// Memory for blocks that were read, in bytes.
const CACHE_BYTES: u64 = 32 << 20;
/// Most bytes of write-ahead files before what they hold is moved into tables: a start reads them again.
const JOURNAL_BYTES: u64 = 64 << 20;
/// Most bytes of a keyspace that wait in memory to become a table.
const MEMTABLE_BYTES: u64 = 8 << 20;
/// Bytes of a table that tables are merged into. A table is synced as a whole, and commits wait for the disk meanwhile.
const TABLE_BYTES: u64 = 16 << 20;
/// New tables that are merged at a time.
const NEW_TABLES: u8 = 8;
/// Bytes of a block from which on it is not in a table but in a file beside it.
const APART_BYTES: u32 = 1 << 10;
/// Bytes of such a file. It is synced as a whole; the last one of a round while commits wait.
const FILE_BYTES: u64 = 4 << 20;
/// Threads that move data into tables and merge those. Of several, the first passes on every merge to the others, and is at it
/// without a pause while none of them is free: a core's worth for as long as a merge takes.
const WORKERS: usize = 1;
/// Files that are kept open.
const OPEN_FILES: usize = 256;

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// An entry of the list of revoked tokens cannot be read.
    #[error("the list of revoked tokens is damaged: {0}")]
    Revocations(String),
    /// Another process has it open.
    #[error("the data directory is in use by another process")]
    InUse,
    /// It was written by another version of this program.
    #[error("its format is {found}, this version reads {expected}", expected = keys::FORMAT)]
    Format {
        /// What it says.
        found: String,
    },
    /// The file system refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The database cannot be read.
    #[error("{0}")]
    Database(String),
}

impl From<fjall::Error> for StoreError {
    fn from(error: fjall::Error) -> Self {
        match error {
            fjall::Error::Locked => Self::InUse,
            fjall::Error::Io(error) => Self::Io(error),
            other => Self::Database(other.to_string()),
        }
    }
}

/// What a failed read is to a caller.
pub(super) fn read_error(error: &fjall::Error) -> JournalError {
    use fjall::{Error, LsmError};
    match error {
        Error::Io(_) | Error::Storage(LsmError::Io(_)) => {
            JournalError::Unavailable(error.to_string())
        }
        _ => JournalError::Damaged(error.to_string()),
    }
}

/// Holds the data directory for this process; given back when dropped.
#[derive(Debug)]
pub(super) struct DirLock(#[allow(dead_code)] File);

impl DirLock {
    pub(super) fn take(dir: &Path) -> Result<Self, StoreError> {
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(dir.join(LOCK_FILE))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(fs::TryLockError::WouldBlock) => Err(StoreError::InUse),
            Err(fs::TryLockError::Error(error)) => Err(error.into()),
        }
    }
}

/// An open database.
pub(super) struct Disk {
    pub(super) db: Database,
    pub(super) blocks: Keyspace,
    pub(super) messages: Keyspace,
    pub(super) snapshots: Keyspace,
    pub(super) directory: Keyspace,
    pub(super) meta: Keyspace,
    pub(super) unsorted: Unsorted,
    pub(super) indexer: Indexer,
}

impl Disk {
    /// Opens the database of a data directory and makes it where there is none; one of an older form
    /// is brought to today's. The caller holds the directory's lock.
    pub(super) fn open(dir: &Path, indexer: Indexer) -> Result<Self, StoreError> {
        let path = Self::folder(dir);
        if !path.try_exists()? {
            Self::make(dir, &path, indexer)?;
        }
        let disk = Self::open_folder(&path, indexer)?;
        let found = disk.meta.get(keys::FORMAT_KEY)?;
        let number = |bytes: &[u8]| bytes.try_into().map(u32::from_be_bytes).ok();
        let found = found.as_deref().and_then(number);
        if !disk.bring_to_today(found)? {
            let found = found.map_or_else(|| "unknown".to_owned(), |found| found.to_string());
            return Err(StoreError::Format { found });
        }
        Ok(disk)
    }

    /// Makes an empty database beside its place and moves it there, so that a process that is
    /// killed meanwhile leaves none or a whole one.
    fn make(dir: &Path, path: &Path, indexer: Indexer) -> Result<(), StoreError> {
        let new = dir.join(NEW_FOLDER);
        match fs::remove_dir_all(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let disk = Self::open_folder(&new, indexer)?;
        disk.meta
            .insert(keys::FORMAT_KEY, keys::FORMAT.to_be_bytes())?;
        disk.db.persist(PersistMode::SyncAll)?;
        drop(disk);
        fs::rename(&new, path)?;
        File::open(dir)?.sync_all()?;
        Ok(())
    }

    fn open_folder(path: &Path, indexer: Indexer) -> Result<Self, StoreError> {
        let db = Database::builder(path)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .max_cached_files(Some(OPEN_FILES))
            .worker_threads(WORKERS)
            .open()?;
        let options = || {
            let merges = Leveled::default()
                .with_l0_threshold(NEW_TABLES)
                .with_table_target_size(TABLE_BYTES);
            KeyspaceCreateOptions::default()
                .max_memtable_size(MEMTABLE_BYTES)
                .compaction_strategy(Arc::new(merges))
        };
        let keyspace = |name| db.keyspace(name, options);
        // Merges of tables pass over the records themselves.
        let apart = KvSeparationOptions::default()
            .separation_threshold(APART_BYTES)
            .file_target_size(FILE_BYTES);
        let blocks = || options().with_kv_separation(Some(apart));
        Ok(Self {
            blocks: db.keyspace("blocks", blocks)?,
            messages: keyspace("messages")?,
            snapshots: keyspace("snapshots")?,
            directory: keyspace("directory")?,
            meta: keyspace("meta")?,
            unsorted: Unsorted::default(),
            indexer,
            db,
        })
    }

    /// The folder of the database in a data directory.
    pub(super) fn folder(dir: &Path) -> PathBuf {
        dir.join(FOLDER)
    }

    /// The position of a guild's last record.
    pub(super) fn last_position(&self, guild: GuildId) -> Result<Position, JournalError> {
        match self.unsorted.last_position(guild) {
            Some(last) => Ok(last),
            None => self.last_sorted(guild),
        }
    }

    /// The position of the last one of its records that are sorted.
    pub(super) fn last_sorted(&self, guild: GuildId) -> Result<Position, JournalError> {
        let view = self.db.snapshot();
        let last = view
            .prefix(&self.blocks, guild.get().to_be_bytes())
            .next_back();
        let Some(last) = last else {
            return Ok(0);
        };
        let key = last.key().map_err(|error| read_error(&error))?;
        let (_, last, _) = keys::split_block(&key).ok_or_else(damaged_key)?;
        Ok(last)
    }

    /// Records after a position, checked to be without a gap.
    pub(super) fn read(
        &self,
        guild: GuildId,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Entry>, JournalError> {
        let mut unsorted = self.unsorted.read(guild, after, limit);
        loop {
            let mut entries = self.read_sorted(guild, after, limit)?;
            let sorted = entries.last().map_or(after, |last| last.position);
            let rest = unsorted.iter().filter(|entry| entry.position > sorted);
            let room = limit - entries.len();
            entries.extend(rest.take(room).cloned());
            let through = self.trimmed(guild)?;
            if after < through && !entries.is_empty() {
                return Err(JournalError::Trimmed { through });
            }
            let gap = entries
                .iter()
                .zip(after.saturating_add(1)..)
                .find(|(entry, expected)| entry.position != *expected);
            let Some((entry, expected)) = gap else {
                return Ok(entries);
            };
            // Unless the guild was forgotten between the two reads.
            let anew = self.unsorted.read(guild, after, limit);
            if anew.first() == unsorted.first() {
                let position = entry.position;
                let gap = format!("guild {guild} has record {position} where {expected} should be");
                return Err(JournalError::Damaged(gap));
            }
            unsorted = anew;
        }
    }

    /// Those of them that are sorted.
    fn read_sorted(
        &self,
        guild: GuildId,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Entry>, JournalError> {
        let view = self.db.snapshot();
        let mut entries = Vec::new();
        for block in self.blocks(&view, guild, after.saturating_add(1)) {
            if entries.len() >= limit {
                break;
            }
            let block = block?.into_entries();
            entries.extend(block.filter(|entry| entry.position > after));
        }
        entries.truncate(limit);
        Ok(entries)
    }

    /// Blocks of a guild's records, the first of which has the one at a position.
    pub(super) fn blocks(
        &self,
        view: &fjall::Snapshot,
        guild: GuildId,
        from: Position,
    ) -> impl Iterator<Item = Result<Block, JournalError>> + use<> {
        let range = keys::record(guild, from).to_vec()..=keys::last_block(guild).to_vec();
        view.range(&self.blocks, range).map(|pair| {
            let (key, value) = pair.into_inner().map_err(|error| read_error(&error))?;
            Block::read(&key, value.into()).ok_or_else(damaged_key)
        })
    }

    /// The last position that was trimmed away from a guild's log; 0 where none was.
    pub(super) fn trimmed(&self, guild: GuildId) -> Result<Position, JournalError> {
        let kept = self.meta.get(keys::trimmed(guild));
        let kept = kept.map_err(|error| read_error(&error))?;
        Ok(kept.as_deref().and_then(keys::number).unwrap_or(0))
    }

    /// Keys of a guild's blocks with nothing after a position, oldest first.
    pub(super) fn blocks_through(
        &self,
        guild: GuildId,
        through: Position,
    ) -> impl DoubleEndedIterator<Item = Result<UserKey, JournalError>> + use<> {
        let view = self.db.snapshot();
        let end = keys::block(guild, through, u16::MAX);
        let range = keys::record(guild, 0).to_vec()..=end.to_vec();
        let pairs = view.range(&self.blocks, range);
        pairs.map(|pair| pair.key().map_err(|error| read_error(&error)))
    }

    /// Guilds with records, by rising id: one look-up for each that is sorted.
    pub(super) fn guilds(
        &self,
        after: Option<GuildId>,
        limit: usize,
    ) -> Result<Vec<GuildId>, JournalError> {
        let unsorted = self.unsorted.guilds(after);
        let view = self.db.snapshot();
        let mut sorted = Vec::new();
        let mut next = after.map_or(Some(0), |after| after.get().checked_add(1));
        while let Some(from) = next.filter(|_| sorted.len() < limit) {
            let from = keys::record(GuildId::new(from), 0);
            let Some(first) = view.range(&self.blocks, from..).next() else {
                break;
            };
            let key = first.key().map_err(|error| read_error(&error))?;
            let (guild, ..) = keys::split_block(&key).ok_or_else(damaged_key)?;
            sorted.push(guild);
            next = guild.get().checked_add(1);
        }
        let mut guilds = [unsorted, sorted].concat();
        guilds.sort_unstable();
        guilds.dedup();
        guilds.truncate(limit);
        Ok(guilds)
    }

    /// A guild's snapshot.
    pub(super) fn snapshot(&self, guild: GuildId) -> Result<Option<Snapshot>, JournalError> {
        let kept = self.snapshots.get(guild.get().to_be_bytes());
        let Some(kept) = kept.map_err(|error| read_error(&error))? else {
            return Ok(None);
        };
        let mut bytes = Bytes::from(kept);
        if bytes.len() < 8 {
            return Err(JournalError::Damaged(format!(
                "the snapshot of guild {guild} is cut off"
            )));
        }
        let position = bytes.split_to(8);
        Ok(Some(Snapshot {
            position: keys::number(&position).unwrap_or_default(),
            bytes,
        }))
    }

    /// Tokens that were revoked. An entry that cannot be read ends the start: to pass it over would bring a
    /// token back.
    pub(super) fn revocations(&self) -> Result<Vec<Revocation>, String> {
        let entries = self.directory.prefix(keys::REVOCATIONS);
        entries
            .map(|entry| {
                let value = entry.value().map_err(|error| error.to_string())?;
                serde_json::from_slice(&value).map_err(|error| error.to_string())
            })
            .collect()
    }

    /// What the directory holds.
    pub(super) fn sizes(&self) -> fjall::Result<DirectorySizes> {
        let kept = self.meta.get(keys::SIZES_KEY)?;
        let at = |index: usize| {
            let bytes = kept.as_deref()?.get(8 * index..8 * index + 8)?;
            keys::number(bytes).map(|number| number as usize)
        };
        Ok(DirectorySizes {
            users: at(0).unwrap_or_default(),
            memberships: at(1).unwrap_or_default(),
            channels: at(2).unwrap_or_default(),
        })
    }
}

pub(super) fn damaged_key() -> JournalError {
    JournalError::Damaged("a key of the store is not one".to_owned())
}
