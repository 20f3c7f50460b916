//! The database on the disk: how it is made, opened and read. Every call here blocks.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use fjall::compaction::Leveled;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable};

use super::index::Indexer;
use super::keys;
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
/// Most bytes of write-ahead files before what they hold is moved into tables.
const JOURNAL_BYTES: u64 = 256 << 20;
/// Most bytes of a keyspace that wait in memory to become a table.
const MEMTABLE_BYTES: u64 = 8 << 20;
/// Bytes of a table that tables are merged into. A table is synced as a whole, and commits wait for the disk meanwhile.
const TABLE_BYTES: u64 = 16 << 20;
/// New tables that are merged at a time.
const NEW_TABLES: u8 = 8;
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
    pub(super) records: Keyspace,
    pub(super) messages: Keyspace,
    pub(super) snapshots: Keyspace,
    pub(super) directory: Keyspace,
    pub(super) meta: Keyspace,
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
        match found.as_deref().and_then(number) {
            Some(keys::FORMAT) => {}
            Some(keys::FORMAT_WITHOUT_MARKS) => disk.mark_index()?,
            Some(keys::FORMAT_WITHOUT_INDEX) => {
                disk.build_index()?;
                disk.mark_index()?;
            }
            other => {
                let found = other.map_or_else(|| "unknown".to_owned(), |found| found.to_string());
                return Err(StoreError::Format { found });
            }
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
        let keyspace = |name| {
            db.keyspace(name, || {
                let merges = Leveled::default()
                    .with_l0_threshold(NEW_TABLES)
                    .with_table_target_size(TABLE_BYTES);
                KeyspaceCreateOptions::default()
                    .max_memtable_size(MEMTABLE_BYTES)
                    .compaction_strategy(Arc::new(merges))
            })
        };
        Ok(Self {
            records: keyspace("records")?,
            messages: keyspace("messages")?,
            snapshots: keyspace("snapshots")?,
            directory: keyspace("directory")?,
            meta: keyspace("meta")?,
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
        let view = self.db.snapshot();
        let last = view
            .prefix(&self.records, guild.get().to_be_bytes())
            .next_back();
        let Some(last) = last else {
            return Ok(0);
        };
        let key = last.key().map_err(|error| read_error(&error))?;
        let (_, position) = keys::split_record(&key).ok_or_else(damaged_key)?;
        Ok(position)
    }

    /// Records after a position, checked to be without a gap.
    pub(super) fn read(
        &self,
        guild: GuildId,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Entry>, JournalError> {
        if after == Position::MAX {
            return Ok(Vec::new());
        }
        let view = self.db.snapshot();
        let range = keys::record(guild, after + 1)..=keys::record(guild, Position::MAX);
        let mut entries = Vec::new();
        for pair in view.range(&self.records, range).take(limit) {
            let (key, record) = pair.into_inner().map_err(|error| read_error(&error))?;
            let (_, position) = keys::split_record(&key).ok_or_else(damaged_key)?;
            let expected = after + 1 + entries.len() as Position;
            if position != expected {
                let through = self.trimmed(guild)?;
                if entries.is_empty() && after < through {
                    return Err(JournalError::Trimmed { through });
                }
                let gap = format!("guild {guild} has record {position} where {expected} should be");
                return Err(JournalError::Damaged(gap));
            }
            entries.push(Entry {
                position,
                record: record.into(),
            });
        }
        Ok(entries)
    }

    /// The last position that was trimmed away from a guild's log; 0 where none was.
    pub(super) fn trimmed(&self, guild: GuildId) -> Result<Position, JournalError> {
        let kept = self.meta.get(keys::trimmed(guild));
        let kept = kept.map_err(|error| read_error(&error))?;
        Ok(kept.as_deref().and_then(keys::number).unwrap_or(0))
    }

    /// Records up to a position, oldest first, at most `limit`.
    pub(super) fn records_through(
        &self,
        guild: GuildId,
        through: Position,
        limit: usize,
    ) -> Result<Vec<Position>, JournalError> {
        let view = self.db.snapshot();
        let range = keys::record(guild, 0)..=keys::record(guild, through);
        view.range(&self.records, range)
            .take(limit)
            .map(|pair| {
                let key = pair.key().map_err(|error| read_error(&error))?;
                let (_, position) = keys::split_record(&key).ok_or_else(damaged_key)?;
                Ok(position)
            })
            .collect()
    }

    /// Guilds with records, by rising id: one look-up for each.
    pub(super) fn guilds(
        &self,
        after: Option<GuildId>,
        limit: usize,
    ) -> Result<Vec<GuildId>, JournalError> {
        let view = self.db.snapshot();
        let mut ids = Vec::new();
        let mut next = after.map_or(Some(0), |after| after.get().checked_add(1));
        while let Some(from) = next.filter(|_| ids.len() < limit) {
            let from = keys::record(GuildId::new(from), 0);
            let Some(first) = view.range(&self.records, from..).next() else {
                break;
            };
            let key = first.key().map_err(|error| read_error(&error))?;
            let (guild, _) = keys::split_record(&key).ok_or_else(damaged_key)?;
            ids.push(guild);
            next = guild.get().checked_add(1);
        }
        Ok(ids)
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
