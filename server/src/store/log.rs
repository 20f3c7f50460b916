//! The log of commits: what is committed, in the order in which it came, in files that are written from their beginning to
//! their end and then again. An own one, since the database's write-ahead file is made longer by every commit: to sync that
//! takes the disk twice, and waits for whatever else the file system has to sync. A file that is as long as it will be and was
//! written before is synced with what is written.
//!
//! Commits are numbered. Each says how the one before it ended, so that what is left of former use of a file, or of an end that
//! was cut off, never follows. Those that are sorted by guild are no longer needed, and their files are used again.

mod frame;
mod segment;

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::disk::StoreError;
use frame::Frame;
use segment::Segment;

/// Bytes of a file, but for one with a longer commit.
const SEGMENT_BYTES: u64 = if cfg!(test) { 256 << 10 } else { 16 << 20 };
/// Files that are kept to be written again.
const SPARE: usize = 8;

/// The commits that are kept, and where the next one goes. One thread writes it.
pub(super) struct CommitLog {
    dir: PathBuf,
    sync: bool,
    /// With commits that are needed, oldest first; the last one is written to.
    live: VecDeque<Segment>,
    spare: Vec<Segment>,
    /// The number of the next commit.
    next: u64,
    /// How the last one ended.
    before: u64,
    frame: Frame,
    /// Names the next file.
    next_file: u64,
}

impl CommitLog {
    /// Opens the log in a folder and makes it where there is none. `take` is given the commits from `first` on, with their
    /// numbers.
    ///
    /// A commit at the end that is not whole was never acknowledged, and is passed over. Where one is not whole and later ones
    /// are, the log is damaged; without `sync` a power cut may leave it so, and then it ends there.
    pub(super) fn open(
        dir: PathBuf,
        sync: bool,
        first: u64,
        take: impl FnMut(u64, Bytes) -> Result<(), StoreError>,
    ) -> Result<Self, StoreError> {
        if !dir.try_exists()? {
            fs::create_dir(&dir)?;
            if let Some(parent) = dir.parent() {
                File::open(parent)?.sync_all()?;
            }
        }
        let mut log = Self {
            dir,
            sync,
            live: VecDeque::new(),
            spare: Vec::new(),
            next: first,
            before: 0,
            frame: Frame::default(),
            next_file: 0,
        };
        let later = log.find(first, take)?;
        let mut damaged = !later.is_empty();
        for segment in log.live.back_mut().into_iter().chain(&mut log.spare) {
            if segment.has_later(log.next)? {
                damaged = true;
                if !sync {
                    segment.cut()?;
                }
            }
        }
        if damaged && sync {
            let what = "cannot be read, and later ones are there";
            let commit = log.next;
            return Err(StoreError::Database(format!(
                "commit {commit} of its log {what}"
            )));
        }
        if damaged {
            let commit = log.next;
            tracing::error!(
                commit,
                "the log of commits cannot be read there: it was not synced, and ends there now"
            );
        }
        for segment in later {
            segment.remove()?;
        }
        for segment in std::mem::take(&mut log.spare) {
            log.retire(segment)?;
        }
        Ok(log)
    }

    /// Looks at all files and follows the commits; answers files with commits that nothing leads to.
    fn find(
        &mut self,
        first: u64,
        mut take: impl FnMut(u64, Bytes) -> Result<(), StoreError>,
    ) -> Result<Vec<Segment>, StoreError> {
        let mut begins = BTreeMap::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            let name = path.file_stem().and_then(|name| name.to_str());
            let Some(number) = name.and_then(|name| name.parse::<u64>().ok()) else {
                continue;
            };
            self.next_file = self.next_file.max(number + 1);
            let segment = Segment::open(path, SEGMENT_BYTES, self.sync)?;
            let other = match segment.read(0)? {
                Some(begin) => begins.insert(begin.number, (begin.before, segment)),
                None => Some((0, segment)),
            };
            self.spare.extend(other.map(|(_, segment)| segment));
        }
        // The one that has the first commit that is needed, or would have it.
        let begin = begins.range(..=first).next_back().map(|(begin, _)| *begin);
        let mut current = begin.and_then(|begin| begins.remove(&begin));
        let mut expected = None;
        while let Some((_, mut segment)) = current {
            while let Some(commit) = segment.read(segment.at)? {
                let follows = (commit.number, commit.before);
                if expected.is_some_and(|expected| expected != follows) {
                    break;
                }
                expected = Some((commit.number + 1, commit.checksum));
                segment.wrote(&commit);
                if commit.number >= first {
                    take(commit.number, commit.body)?;
                }
            }
            self.live.push_back(segment);
            current = expected.and_then(|(next, end)| {
                let follows = |(before, _): &(u64, Segment)| *before == end;
                begins
                    .get(&next)
                    .is_some_and(follows)
                    .then(|| begins.remove(&next))?
            });
        }
        match expected {
            Some((next, before)) if next >= first => (self.next, self.before) = (next, before),
            // None of them is needed, and nothing that is written from here on follows them.
            _ => self.spare.extend(self.live.drain(..)),
        }
        let later = begins.split_off(&self.next);
        let segments = |files: BTreeMap<_, (_, Segment)>| files.into_values().map(|(_, it)| it);
        self.spare.extend(segments(begins));
        Ok(segments(later).collect())
    }

    /// The number of the next commit.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// Writes a commit, and syncs it where that is wanted. After an error it is open whether it was written, and the log has to
    /// be opened anew.
    pub(super) fn append(&mut self, body: &[u8]) -> io::Result<()> {
        let (bytes, checksum) = self.frame.make(self.next, self.before, body);
        if self.live.back().is_none_or(|last| last.room() < bytes) {
            let segment = self.fresh(bytes)?;
            self.live.push_back(segment);
        }
        let Some(segment) = self.live.back_mut() else {
            unreachable!("one was just added");
        };
        segment.append(self.next, self.frame.bytes())?;
        self.frame.shrink();
        self.next += 1;
        self.before = checksum;
        Ok(())
    }

    /// A file to write to from its beginning, with room for so many bytes.
    fn fresh(&mut self, bytes: u64) -> io::Result<Segment> {
        if bytes <= SEGMENT_BYTES
            && let Some(mut segment) = self.spare.pop()
        {
            segment.begin(self.next);
            return Ok(segment);
        }
        let path = self.dir.join(format!("{}.log", self.next_file));
        self.next_file += 1;
        let mut segment = Segment::open(path, bytes.max(SEGMENT_BYTES), self.sync)?;
        File::open(&self.dir)?.sync_all()?;
        segment.begin(self.next);
        Ok(segment)
    }

    /// Commits before this one are not needed any more: their files are used again.
    pub(super) fn free_before(&mut self, number: u64) -> io::Result<()> {
        let others = self.live.len().saturating_sub(1);
        let over = self.live.iter().take(others);
        let over = over.take_while(|segment| segment.end <= number).count();
        let over: Vec<Segment> = self.live.drain(..over).collect();
        over.into_iter()
            .try_for_each(|segment| self.retire(segment))
    }

    /// Keeps a file without commits that are needed to be written again, or removes it.
    fn retire(&mut self, segment: Segment) -> io::Result<()> {
        if self.spare.len() >= SPARE || segment.bytes() > SEGMENT_BYTES {
            return segment.remove();
        }
        self.spare.push(segment);
        Ok(())
    }

    /// Files with commits that are not synced: none where every commit is.
    pub(super) fn unsynced(&self) -> Vec<Arc<File>> {
        let unsynced = self.live.iter().filter(|segment| segment.is_unsynced);
        unsynced.map(|segment| Arc::clone(&segment.file)).collect()
    }

    /// Syncs all that is not.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        for segment in self.live.iter_mut().filter(|segment| segment.is_unsynced) {
            segment.file.sync_data()?;
            segment.is_unsynced = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
