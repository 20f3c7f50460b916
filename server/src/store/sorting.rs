//! What the writer knows of what is to be sorted: once there are enough commits
//! ([`super::StoreSettings::unsorted_max_bytes`]), a round begins. The sorter ([`super::sorter`]) writes their records by guild;
//! then they go from memory, and the commits from the disk.

use std::ops::Range;

use super::disk::{Disk, StoreError};
use super::keys;
use super::shared::Commits;
use super::sorter::Round;
use super::writer::Writer;
use crate::protocol::{GuildId, Position};

/// Commits that begin a round, whatever they hold.
const ROUND_COMMITS: u64 = 16_384;
/// Commits that are removed at a time.
const REMOVED_COMMITS: u64 = 256;
/// How many times what begins a round may wait before appends are refused, and what is taken in any case.
const MOST_ROUNDS: usize = 8;
const LEAST_FULL_BYTES: usize = 64 << 20;

/// What there is to be sorted.
#[derive(Debug)]
pub(super) struct Sorting {
    /// Commits that are kept.
    commits: Range<u64>,
    /// Bytes of those that no round is about yet.
    bytes: usize,
    /// Bytes that begin a round.
    round_bytes: usize,
    stage: Stage,
    /// Tells rounds of this database from those before it was opened again.
    life: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Idle,
    /// The sorter is at commits before this one.
    Sorting(u64),
    /// They are sorted, and are to be removed.
    Removing(u64),
}

impl Sorting {
    /// What there is to be sorted in a database that was just opened, for the so-manieth time.
    pub(super) fn find(disk: &Disk, round_bytes: usize, life: u64) -> Result<Self, StoreError> {
        let number = |pair: Option<fjall::Guard>| {
            let key = pair.map(fjall::Guard::key).transpose()?;
            Ok::<_, StoreError>(key.as_deref().and_then(keys::number))
        };
        let first = number(disk.commits.first_key_value())?;
        let last = number(disk.commits.last_key_value())?;
        Ok(Self {
            commits: first.unwrap_or(0)..last.map_or(0, |last| last + 1),
            bytes: disk.unsorted.bytes(),
            round_bytes,
            stage: Stage::Idle,
            life,
        })
    }

    /// The number of the next commit.
    pub(super) const fn next_commit(&self) -> u64 {
        self.commits.end
    }

    /// A commit was written under the next number.
    pub(super) const fn committed(&mut self, bytes: usize) {
        self.commits.end += 1;
        self.bytes += bytes;
    }

    /// Whether the sorter is at it: what it has read must not be forgotten meanwhile.
    pub(super) const fn is_under_way(&self) -> bool {
        matches!(self.stage, Stage::Sorting(_))
    }

    /// Whether the sorter has got so far behind that nothing more is taken.
    pub(super) const fn is_full(&self) -> bool {
        self.bytes > LEAST_FULL_BYTES && self.bytes / MOST_ROUNDS > self.round_bytes
    }

    /// Begins a round where one is due.
    fn begin(&mut self, disk: &Disk) -> Option<Round> {
        let count = self.commits.end - self.commits.start;
        let is_due = self.bytes >= self.round_bytes || count >= ROUND_COMMITS;
        if self.stage != Stage::Idle || !is_due {
            return None;
        }
        self.bytes = 0;
        self.stage = Stage::Sorting(self.commits.end);
        let mut logs = disk.unsorted.ends();
        logs.sort_unstable();
        Some(Round {
            life: self.life,
            logs,
        })
    }

    /// Commits that can be removed now.
    fn to_be_removed(&self) -> Range<u64> {
        let start = self.commits.start;
        match self.stage {
            Stage::Removing(end) => start..end.min(start + REMOVED_COMMITS),
            Stage::Idle | Stage::Sorting(_) => start..start,
        }
    }

    const fn removed(&mut self, through: u64) {
        self.commits.start = through;
        if let Stage::Removing(end) = self.stage
            && end <= through
        {
            self.stage = Stage::Idle;
        }
    }
}

impl Writer {
    /// Has what was committed sorted where that is due, and removes some of what is sorted.
    pub(super) fn look_after_sorting(&mut self, disk: &Disk) {
        if let Some(round) = self.sorting.begin(disk) {
            self.shared.rounds.push_unbounded(round);
        }
        self.shared.note_unsorted(self.sorting.bytes);
        let removed = self.sorting.to_be_removed();
        if removed.is_empty() {
            return;
        }
        // Not synced: a commit that is found again is sorted already.
        let mut batch = disk.db.batch();
        for number in removed.clone() {
            batch.remove(&disk.commits, keys::commit(number));
        }
        match self.shared.inject(Commits::Sorted, || batch.commit()) {
            Ok(()) => self.sorting.removed(removed.end),
            Err(error) => drop(self.failed(&error, Vec::new())),
        }
    }

    /// The sorter is done with a round.
    pub(super) fn sorted(&mut self, round: &Round, result: fjall::Result<()>) {
        let Stage::Sorting(end) = self.sorting.stage else {
            return;
        };
        if round.life != self.sorting.life {
            return;
        }
        if let Err(error) = result {
            self.failed(&error, Vec::new());
            return;
        }
        let shared = std::sync::Arc::clone(&self.shared);
        if let Some(disk) = shared.disk().as_ref() {
            for (guild, through) in &round.logs {
                disk.unsorted.forget_through(*guild, *through);
            }
        }
        self.sorting.stage = Stage::Removing(end);
    }
}

/// Guilds that have records to be sorted, by rising id, and up to where.
pub(super) type Logs = Vec<(GuildId, Position)>;
