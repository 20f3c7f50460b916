//! The embedded store: the guilds' logs, their snapshots and the directory in one database on the
//! local disk, and before it a log of what was committed last.
//!
//! One thread commits. What waits for it when a commit ends, of all guilds, is the next commit: one
//! write and one sync of the disk for all of them, so that many guilds share what one would cost.
//! Records are committed in the order in which they come; another thread sorts them by guild later.
//! Reads of logs run on two threads of their own; the directory's reads on the calling thread.
//!
//! A commit that fails stops writes, not reads. The writer then tries twice a second to open the
//! database again, which also decides what became of the failed commit.

mod blocks;
mod change;
mod commits;
mod directory;
mod disk;
mod draft;
mod ends;
mod forget;
mod index;
mod journal;
mod keys;
mod log;
mod queue;
mod recovery;
mod shared;
mod sorter;
mod sorting;
mod space;
#[cfg(test)]
mod tests;
mod unsorted;
mod upgrade;
mod writer;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::counters::Counters;
use crate::supervision::lifeline::Lifeline;

pub use directory::EmbeddedDirectory;
pub use disk::StoreError;
pub use index::Indexer;
pub use journal::EmbeddedJournal;

use disk::{DirLock, Disk};
use ends::Ends;
use shared::Shared;
use sorting::Sorting;
use space::Space;
use writer::Writer;

/// Most requests that wait for the writer; one more is refused.
const QUEUE_REQUESTS: usize = 16_384;
/// Most bytes that wait for the writer.
const QUEUE_BYTES: usize = 64 << 20;
/// Most reads that wait.
const QUEUE_READS: usize = 16_384;
/// Threads that read.
const READERS: usize = 2;

/// How a store is kept.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// The data directory; it exists.
    pub dir: PathBuf,
    /// Whether an answer waits until the disk has it, or only until the system has it.
    pub sync: bool,
    /// Free bytes below which writes are refused; 0 for no such bound.
    pub min_free_bytes: u64,
    /// Bytes of records, of all guilds, that are kept in memory and in the order in which they came before they are sorted by
    /// guild. It can be half as much again while they are.
    pub unsorted_max_bytes: usize,
    /// Tells which messages a record is about, of records that were written before the store was opened.
    pub indexer: Indexer,
}

/// An open store. Closed when dropped.
pub struct Store {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    line: Arc<Lifeline>,
}

impl Store {
    /// Opens the store of a data directory, which then is this process' alone. Blocks on the disk.
    pub fn open(settings: StoreSettings, counters: Arc<Counters>) -> Result<Self, StoreError> {
        let lock = DirLock::take(&settings.dir)?;
        let disk = Disk::open(&settings.dir, settings.indexer)?;
        let sizes = disk.sizes()?;
        let (log, starts) = disk.open_log(&settings.dir, settings.sync)?;
        let sorting = Sorting::find(&disk, starts, settings.unsorted_max_bytes, 0)?;
        let space = Space::new(settings.dir.clone());
        let revocations = disk.revocations().map_err(StoreError::Revocations)?;
        let shared = Arc::new(Shared::new(disk, sizes, settings, counters));
        for revocation in revocations {
            if !shared.revocations.enter(revocation) {
                tracing::error!(
                    ?revocation,
                    "more tokens are revoked than there is room for"
                );
            }
        }
        let store = Self {
            shared: Arc::clone(&shared),
            threads: Mutex::default(),
            line: Arc::new(Lifeline::at_work("the store's writer")),
        };
        for _ in 0..READERS {
            let shared = Arc::clone(&shared);
            store.start("store-reader", move || read_on(&shared))?;
        }
        let sorter = Arc::clone(&shared);
        store.start("store-sorter", move || sorter::sort_on(&sorter))?;
        let writer = Writer {
            shared,
            lock,
            space,
            ends: Ends::default(),
            log,
            sorting,
            deferred: Vec::new(),
            failed: false,
            line: Arc::clone(&store.line),
        };
        store.start("store-writer", move || writer.run())?;
        Ok(store)
    }

    fn start(&self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(work)?;
        let threads = self.threads.lock();
        threads.unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }

    /// What shows whether a commit takes too long.
    pub const fn line(&self) -> &Arc<Lifeline> {
        &self.line
    }

    /// The guilds' logs.
    pub fn journal(&self) -> EmbeddedJournal {
        EmbeddedJournal::new(Arc::clone(&self.shared))
    }

    /// The directory.
    pub fn directory(&self) -> EmbeddedDirectory {
        EmbeddedDirectory::new(Arc::clone(&self.shared))
    }

    /// Writes what waits, syncs and closes; later calls are refused. Blocks on the disk. Another
    /// process may use the data directory afterwards.
    pub fn close(&self) {
        self.shared.queue.close();
        self.shared.reads.close();
        self.shared.rounds.close();
        let threads = self.threads.lock();
        let threads = std::mem::take(&mut *threads.unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A thread that panicked has said so.
            drop(thread.join());
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

fn read_on(shared: &Shared) {
    while let Some(job) = shared.reads.pop() {
        // A panic is reported where it happens; the caller learns by the drop of its answer.
        drop(catch_unwind(AssertUnwindSafe(|| job(shared))));
    }
}
