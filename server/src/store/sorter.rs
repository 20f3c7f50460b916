//! The sorter: a thread that writes by guild what was committed in the order in which it came.
//!
//! A round is written past the write-ahead files, into tables of its own: the index entries first, then the records, then up to
//! which commit that is. Until the records are there nothing of the round counts as sorted: what a kill leaves of it is
//! overwritten by the next one.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fjall::PersistMode;

use super::blocks;
use super::disk::Disk;
use super::index::Mention;
use super::keys;
use super::shared::{Commits, Shared};
use super::sorting::Logs;
use super::writer::Request;
use crate::protocol::Position;

/// Bytes of records between two pauses.
const PORTION_BYTES: usize = 64 << 10;
/// How long commits have the processor and the disk for themselves then.
const PAUSE: Duration = Duration::from_millis(1);

/// What is to be sorted at a time.
#[derive(Debug)]
pub(super) struct Round {
    /// Of the database.
    pub(super) life: u64,
    pub(super) logs: Logs,
    /// The first commit that is not part of it.
    pub(super) end: u64,
    /// Files of the log that have to be synced first.
    pub(super) unsynced: Vec<Arc<File>>,
}

/// Works until there are no more rounds to come.
pub(super) fn sort_on(shared: &Shared) {
    while let Some(round) = shared.rounds.pop() {
        let work = std::panic::AssertUnwindSafe(|| {
            let disk = shared.disk();
            match disk.as_ref().filter(|_| round.life == shared.life()) {
                Some(disk) => shared.inject(Commits::Sorted, || serve(shared, disk, &round)),
                // The database was opened again since, and nothing keeps what was to be sorted.
                None => Ok(()),
            }
        });
        let result = std::panic::catch_unwind(work)
            .unwrap_or_else(|_| Err(io::Error::other("the sorter panicked").into()));
        if result.is_err() && shared.rounds.is_closed() {
            // It is left to the next start.
            return;
        }
        shared
            .queue
            .push_unbounded(Request::Sorted { round, result });
    }
}

fn serve(shared: &Shared, disk: &Disk, round: &Round) -> fjall::Result<()> {
    // What is sorted must not survive what it was sorted from: an index entry would be about no record.
    // Nor what was forgotten before it was written anew.
    for file in &round.unsynced {
        file.sync_data()?;
    }
    note(disk, keys::SORTING_KEY, round.end)?;
    let mut pace = Pace { shared, bytes: 0 };
    sort(disk, &round.logs, |bytes| pace.written(bytes))?;
    // Synced: files with commits before this one are written anew.
    note(disk, keys::COMMIT_KEY, round.end)
}

/// Notes the number of a commit, and syncs it with all that was written to the database before.
fn note(disk: &Disk, key: &'static [u8], commit: u64) -> fjall::Result<()> {
    let mut batch = disk.db.batch().durability(Some(PersistMode::SyncData));
    batch.insert(&disk.meta, key, commit.to_be_bytes());
    batch.commit()
}

/// Writes guilds' records that are not sorted by guild; `written` is told how many bytes, now and then.
pub(super) fn sort(
    disk: &Disk,
    logs: &Logs,
    mut written: impl FnMut(usize) -> fjall::Result<()>,
) -> fjall::Result<()> {
    let first = |(guild, through): &(_, Position)| {
        let found = disk.unsorted.first(*guild, *through);
        found.map(|(first, records)| (*guild, first, records))
    };
    let mut index = None;
    for (guild, first, records) in logs.iter().filter_map(first) {
        let mut mentions: Vec<[u8; 32]> = Vec::with_capacity(records.len());
        for mention in Mention::of(&records, first) {
            mentions.push(keys::mention(guild, mention));
            written(32)?;
        }
        mentions.sort_unstable();
        mentions.dedup();
        for key in mentions {
            let index = match &mut index {
                Some(begun) => begun,
                None => index.insert(disk.messages.start_ingestion()?),
            };
            index.write(key, [])?;
        }
    }
    if let Some(index) = index {
        index.finish()?;
    }
    let mut sorted = None;
    for (guild, first, records) in logs.iter().filter_map(first) {
        let records: Vec<_> = records.into_iter().map(|record| record.bytes).collect();
        for (key, value) in blocks::blocks(guild, first, &records) {
            let sorted = match &mut sorted {
                Some(begun) => begun,
                None => sorted.insert(disk.blocks.start_ingestion()?),
            };
            written(value.len())?;
            sorted.write(key, value)?;
        }
    }
    if let Some(sorted) = sorted {
        sorted.finish()?;
    }
    Ok(())
}

/// Pauses after each portion, as long as no other round is due.
struct Pace<'s> {
    shared: &'s Shared,
    bytes: usize,
}

impl Pace<'_> {
    fn written(&mut self, bytes: usize) -> fjall::Result<()> {
        self.bytes += bytes;
        if self.bytes < PORTION_BYTES {
            return Ok(());
        }
        self.bytes = 0;
        if self.shared.is_broken() {
            // Who opens the database again waits for this.
            return Err(io::Error::other("the store is being repaired").into());
        }
        let waits = self.shared.unsorted_bytes.load(Ordering::Relaxed);
        // Who closes it waits for the end of the round: a start that finds it half done takes longer.
        if waits < self.shared.unsorted_max_bytes && !self.shared.rounds.is_closed() {
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }
}
