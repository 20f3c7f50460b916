//! What the writer knows of what is to be sorted: once there are enough commits
//! ([`super::StoreSettings::unsorted_max_bytes`]), a round begins. The sorter ([`super::sorter`]) writes their records by guild;
//! then they go from memory, and the files of the log that only those commits are in are written anew.

use super::disk::{Disk, StoreError};
use super::keys;
use super::log::CommitLog;
use super::recovery::Starts;
use super::sorter::Round;
use super::writer::Writer;
use crate::protocol::{GuildId, Position};

/// Commits that begin a round, whatever they hold.
const ROUND_COMMITS: u64 = 16_384;
/// How many times what begins a round may wait before appends are refused, and what is taken in any case.
const MOST_ROUNDS: usize = 8;
const LEAST_FULL_BYTES: usize = 64 << 20;

/// What there is to be sorted.
#[derive(Debug)]
pub(super) struct Sorting {
    /// The first commit that is not sorted.
    first: u64,
    /// Bytes of commits that no round is about yet.
    bytes: usize,
    /// Bytes that begin a round.
    round_bytes: usize,
    /// Whether the sorter is at it.
    is_under_way: bool,
    /// Guilds that commits may still have something void of.
    starts: Starts,
    /// Tells rounds of this database from those before it was opened again.
    life: u64,
}

impl Sorting {
    /// What there is to be sorted in a database that was just opened, for the so-manieth time.
    pub(super) fn find(
        disk: &Disk,
        starts: Starts,
        round_bytes: usize,
        life: u64,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            first: disk.first_commit()?,
            bytes: disk.unsorted.bytes(),
            round_bytes,
            is_under_way: false,
            starts,
            life,
        })
    }

    /// A commit was written.
    pub(super) const fn committed(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// What commits before this one have of a guild is void.
    pub(super) fn starts(&mut self, guild: GuildId, from: u64) {
        self.starts.insert(guild, from);
    }

    /// Whether the sorter is at it: what it has read must not be forgotten meanwhile.
    pub(super) const fn is_under_way(&self) -> bool {
        self.is_under_way
    }

    /// Whether the sorter has got so far behind that nothing more is taken.
    pub(super) const fn is_full(&self) -> bool {
        self.bytes > LEAST_FULL_BYTES && self.bytes / MOST_ROUNDS > self.round_bytes
    }

    /// Begins a round where one is due.
    fn begin(&mut self, disk: &Disk, log: &CommitLog) -> Option<Round> {
        let count = log.next() - self.first;
        let is_due = self.bytes >= self.round_bytes || count >= ROUND_COMMITS;
        if self.is_under_way || !is_due {
            return None;
        }
        self.bytes = 0;
        self.is_under_way = true;
        Some(Round {
            life: self.life,
            logs: disk.unsorted.ends(),
            end: log.next(),
            unsynced: log.unsynced(),
        })
    }
}

impl Writer {
    /// Has what was committed sorted where that is due.
    pub(super) fn look_after_sorting(&mut self, disk: &Disk) {
        if let Some(round) = self.sorting.begin(disk, &self.log) {
            self.shared.rounds.push_unbounded(round);
        }
        self.shared.note_unsorted(self.sorting.bytes);
    }

    /// The sorter is done with a round.
    pub(super) fn sorted(&mut self, round: &Round, result: fjall::Result<()>) {
        if !self.sorting.is_under_way || round.life != self.sorting.life {
            return;
        }
        let shared = std::sync::Arc::clone(&self.shared);
        let disk = shared.disk();
        let Some(disk) = disk.as_ref() else {
            return;
        };
        if let Err(error) = result.and_then(|()| self.forget_sorted(disk, round)) {
            self.failed(&error, Vec::new(), false);
        }
    }

    /// Has memory and the log be without what is sorted.
    fn forget_sorted(&mut self, disk: &Disk, round: &Round) -> fjall::Result<()> {
        for (guild, through) in &round.logs {
            disk.unsorted.forget_through(*guild, *through);
        }
        self.log.free_before(round.end)?;
        let mut batch = disk.db.batch();
        self.sorting.starts.retain(|guild, from| {
            let is_over = *from <= round.end;
            if is_over {
                batch.remove(&disk.meta, keys::start(*guild));
            }
            !is_over
        });
        if !batch.is_empty() {
            batch.commit()?;
        }
        self.sorting.first = round.end;
        self.sorting.is_under_way = false;
        Ok(())
    }
}

/// Guilds that have records to be sorted, by rising id, and up to where.
pub(super) type Logs = Vec<(GuildId, Position)>;
