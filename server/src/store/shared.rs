//! What callers, readers and the writer share.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use fjall::PersistMode;
use tokio::sync::oneshot;

use super::disk::Disk;
use super::index::Indexer;
use super::queue::{NotQueued, Queue};
use super::sorter::Round;
use super::writer::Request;
use crate::auth::revocations::Revocations;
use crate::counters::Counters;
use crate::directory::DirectorySizes;
use crate::journal::{JournalError, JournalFuture};
use crate::protocol::GuildId;

/// A read that a reader thread does.
pub(super) type Job = Box<dyn FnOnce(&Shared) + Send>;

/// Why writes stop.
pub(super) enum Stop {
    /// The database has to be opened again.
    Broken,
    /// The same, and until then it is open what the logs of these guilds hold.
    Unsettled(Vec<GuildId>),
}

/// What a commit is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Commits {
    /// What somebody asked for.
    New,
    /// What was committed before, sorted.
    Sorted,
}

pub(super) struct Shared {
    /// The data directory.
    pub(super) dir: PathBuf,
    pub(super) mode: PersistMode,
    pub(super) indexer: Indexer,
    pub(super) min_free_bytes: AtomicU64,
    pub(super) unsorted_max_bytes: usize,
    /// What no round of the sorter is about yet.
    pub(super) unsorted_bytes: AtomicUsize,
    pub(super) queue: Queue<Request>,
    pub(super) reads: Queue<Job>,
    /// For the sorter: one for a life at a time.
    pub(super) rounds: Queue<Round>,
    life: AtomicU64,
    pub(super) counters: Arc<Counters>,
    /// None while it is opened again, and once it is closed.
    disk: RwLock<Option<Disk>>,
    broken: AtomicBool,
    short: AtomicBool,
    unsettled: Mutex<HashSet<GuildId>>,
    sizes: Mutex<DirectorySizes>,
    /// What is kept of them, for reads without the disk.
    pub(super) revocations: Revocations,
    #[cfg(test)]
    pub(super) fault: Mutex<Option<super::tests::Fault>>,
    /// A broken store is not opened again for now.
    #[cfg(test)]
    pub(super) stays_broken: AtomicBool,
}

impl Shared {
    pub(super) fn new(
        disk: Disk,
        sizes: DirectorySizes,
        settings: super::StoreSettings,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            dir: settings.dir,
            indexer: settings.indexer,
            mode: if settings.sync {
                PersistMode::SyncData
            } else {
                PersistMode::Buffer
            },
            min_free_bytes: AtomicU64::new(settings.min_free_bytes),
            unsorted_max_bytes: settings.unsorted_max_bytes,
            unsorted_bytes: AtomicUsize::new(0),
            queue: Queue::new(super::QUEUE_REQUESTS, super::QUEUE_BYTES),
            reads: Queue::new(super::QUEUE_READS, usize::MAX),
            rounds: Queue::new(usize::MAX, usize::MAX),
            life: AtomicU64::new(0),
            counters,
            disk: RwLock::new(Some(disk)),
            broken: AtomicBool::new(false),
            short: AtomicBool::new(false),
            unsettled: Mutex::default(),
            sizes: Mutex::new(sizes),
            revocations: Revocations::default(),
            #[cfg(test)]
            fault: Mutex::default(),
            #[cfg(test)]
            stays_broken: AtomicBool::default(),
        }
    }

    pub(super) fn disk(&self) -> RwLockReadGuard<'_, Option<Disk>> {
        self.disk.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn disk_mut(&self) -> RwLockWriteGuard<'_, Option<Disk>> {
        self.disk.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn sizes(&self) -> DirectorySizes {
        *self.sizes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_sizes(&self, sizes: DirectorySizes) {
        *self.sizes.lock().unwrap_or_else(PoisonError::into_inner) = sizes;
    }

    /// Whether what is answered is on the disk.
    pub(super) fn is_synced(&self) -> bool {
        self.mode != PersistMode::Buffer
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    pub(super) fn set_short(&self, short: bool) {
        self.short.store(short, Ordering::Release);
    }

    pub(super) fn accepts_writes(&self) -> bool {
        !self.is_broken() && !self.short.load(Ordering::Acquire)
    }

    /// Why writes are refused.
    pub(super) fn refusal(&self) -> String {
        let why = if self.short.load(Ordering::Acquire) {
            "little disk space is left"
        } else if self.is_broken() {
            "the store is being repaired"
        } else {
            "the store is closed"
        };
        why.to_owned()
    }

    pub(super) fn stop(&self, why: Stop) {
        if let Stop::Unsettled(guilds) = why {
            let unsettled = self.unsettled.lock();
            unsettled
                .unwrap_or_else(PoisonError::into_inner)
                .extend(guilds);
        }
        self.broken.store(true, Ordering::Release);
    }

    pub(super) fn healed(&self) {
        let unsettled = self.unsettled.lock();
        unsettled.unwrap_or_else(PoisonError::into_inner).clear();
        self.broken.store(false, Ordering::Release);
    }

    /// Whether it is open what a guild's log holds.
    fn is_unsettled(&self, guild: GuildId) -> bool {
        self.is_broken() && {
            let unsettled = self.unsettled.lock();
            unsettled
                .unwrap_or_else(PoisonError::into_inner)
                .contains(&guild)
        }
    }

    /// How often the database was opened again. That changes with the database, under its lock.
    pub(super) fn life(&self) -> u64 {
        self.life.load(Ordering::Acquire)
    }

    /// It was.
    pub(super) fn begin_life(&self) {
        self.life.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn note_unsorted(&self, bytes: usize) {
        self.unsorted_bytes.store(bytes, Ordering::Relaxed);
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.counters.store_unsorted.set(bytes);
    }

    pub(super) fn note_queue(&self, length: usize) {
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        self.counters.store_queue.set(length);
    }

    /// Hands a request to the writer, or tells at once why not.
    pub(super) fn ask(&self, request: Request, bytes: usize) -> Result<(), String> {
        if !self.accepts_writes() {
            self.counters.store_refused.inc();
            return Err(self.refusal());
        }
        match self.queue.push(request, bytes) {
            Ok(length) => {
                self.note_queue(length);
                Ok(())
            }
            Err(error) => {
                self.counters.store_refused.inc();
                Err(error.to_string())
            }
        }
    }

    /// Has a reader thread read something of a guild.
    pub(super) fn read<T: Send + 'static>(
        &self,
        guild: Option<GuildId>,
        read: impl FnOnce(&Disk) -> Result<T, JournalError> + Send + 'static,
    ) -> JournalFuture<T> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |shared| {
            // Under the lock of the database: it is not opened again between the two.
            let disk = shared.disk();
            let result = if guild.is_some_and(|guild| shared.is_unsettled(guild)) {
                Err("the last commit is not settled yet")
            } else {
                disk.as_ref().ok_or("the store is not open")
            };
            let result = match result {
                Ok(disk) => read(disk),
                Err(why) => Err(JournalError::Unavailable(why.to_owned())),
            };
            // Whoever asked may be gone.
            drop(answer.send(result));
        });
        let queued = self.reads.push(job, 0);
        Box::pin(async move {
            queued.map_err(|error: NotQueued| JournalError::Unavailable(error.to_string()))?;
            let gone = |_| JournalError::Unavailable("the read was not answered".to_owned());
            answered.await.map_err(gone)?
        })
    }

    /// Does a commit, of what is new or of what is sorted; tests make it fail before or after.
    #[cfg(not(test))]
    #[allow(clippy::unused_self)] // the tests' one looks there
    pub(super) fn inject<T>(
        &self,
        _: Commits,
        commit: impl FnOnce() -> fjall::Result<T>,
    ) -> fjall::Result<T> {
        commit()
    }

    #[cfg(test)]
    pub(super) fn inject<T>(
        &self,
        of: Commits,
        commit: impl FnOnce() -> fjall::Result<T>,
    ) -> fjall::Result<T> {
        use super::tests::Fault;
        let failed = || fjall::Error::Io(std::io::Error::other("made to fail"));
        let mut fault = self.fault.lock().unwrap();
        let (is_before, is_after) = match of {
            Commits::New => (
                matches!(*fault, Some(Fault::Before)),
                matches!(*fault, Some(Fault::After)),
            ),
            Commits::Sorted => (
                matches!(*fault, Some(Fault::BeforeSorted)),
                matches!(*fault, Some(Fault::AfterSorted)),
            ),
        };
        if is_before || is_after {
            *fault = None;
        }
        drop(fault);
        if is_before {
            return Err(failed());
        }
        let result = commit();
        if is_after {
            return result.and(Err(failed()));
        }
        result
    }
}
