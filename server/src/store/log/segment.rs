//! A file of the log of commits.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::OFlags;

use super::frame::{BLOCK, Commit, HEAD, Head};

/// How a commit gets to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The write itself goes there, past the system's cache.
    Direct,
    /// By a sync after the write, where the file system knows no other way.
    Synced,
    /// When the system finds it time.
    Unsynced,
}

/// A file, the first part of which has commits.
pub(super) struct Segment {
    path: PathBuf,
    pub(super) file: Arc<File>,
    /// For reads, which go through the system's cache.
    reader: File,
    way: Way,
    bytes: u64,
    /// Where the next commit goes.
    pub(super) at: u64,
    /// The number of the commit after its last one.
    pub(super) end: u64,
    pub(super) is_unsynced: bool,
}

impl Segment {
    /// Opens a file, or makes one, with room for so many bytes at least. What it has is not known yet.
    pub(super) fn open(path: PathBuf, least: u64, sync: bool) -> io::Result<Self> {
        let (file, way) = match sync.then(|| open_direct(&path)) {
            Some(Ok(file)) => (file, Way::Direct),
            Some(Err(error)) if !is_refusal(&error) => return Err(error),
            Some(Err(_)) => (open(&path, OFlags::empty())?, Way::Synced),
            None => (open(&path, OFlags::empty())?, Way::Unsynced),
        };
        let bytes = file.metadata()?.len().max(least);
        // Room that is not written yet takes none of the disk.
        file.set_len(bytes)?;
        Ok(Self {
            reader: File::open(&path)?,
            path,
            file: Arc::new(file),
            way,
            bytes,
            at: 0,
            end: 0,
            is_unsynced: false,
        })
    }

    /// Bytes that it has room for.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes that it has room for still.
    pub(super) const fn room(&self) -> u64 {
        self.bytes - self.at
    }

    /// From now on it is written from its beginning, with this commit first.
    pub(super) const fn begin(&mut self, number: u64) {
        self.at = 0;
        self.end = number;
    }

    /// It has this commit next.
    pub(super) fn wrote(&mut self, commit: &Commit) {
        self.has(commit.number, commit.bytes());
    }

    const fn has(&mut self, number: u64, bytes: u64) {
        self.at += bytes;
        self.end = number + 1;
    }

    /// Writes the bytes of a commit.
    pub(super) fn append(&mut self, number: u64, bytes: &[u8]) -> io::Result<()> {
        match self.file.write_all_at(bytes, self.at) {
            Err(error) if self.way == Way::Direct && is_refusal(&error) => {
                self.file = Arc::new(open(&self.path, OFlags::empty())?);
                self.way = Way::Synced;
                self.file.write_all_at(bytes, self.at)?;
            }
            written => written?,
        }
        match self.way {
            Way::Direct => {}
            Way::Synced => self.file.sync_data()?,
            Way::Unsynced => self.is_unsynced = true,
        }
        self.has(number, bytes.len() as u64);
        Ok(())
    }

    /// The commit at a place, if there is a whole one.
    pub(super) fn read(&self, at: u64) -> io::Result<Option<Commit>> {
        let Some(head) = self.head(at)? else {
            return Ok(None);
        };
        let mut body = vec![0; head.body];
        self.reader.read_exact_at(&mut body, at + HEAD as u64)?;
        Ok(head.with(Bytes::from(body)))
    }

    /// What may be the head of a commit that ends in the file.
    fn head(&self, at: u64) -> io::Result<Option<Head>> {
        if self.bytes - at < BLOCK as u64 {
            return Ok(None);
        }
        let mut head = [0; HEAD];
        self.reader.read_exact_at(&mut head, at)?;
        let fits = |head: &Head| (HEAD + head.body) as u64 <= self.bytes - at;
        Ok(Head::read(head).filter(fits))
    }

    /// Whether behind its commits there is a whole one with this number or a higher one.
    pub(super) fn has_later(&self, number: u64) -> io::Result<bool> {
        for at in (self.at..self.bytes).step_by(BLOCK) {
            if self.head(at)?.is_some_and(|head| head.number >= number) && self.read(at)?.is_some()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Has nothing behind its commits.
    pub(super) fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.at)?;
        self.file.set_len(self.bytes)?;
        self.file.sync_all()
    }

    pub(super) fn remove(self) -> io::Result<()> {
        fs::remove_file(self.path)
    }
}

fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

#[cfg(target_os = "linux")]
fn open_direct(path: &Path) -> io::Result<File> {
    open(path, OFlags::DIRECT | OFlags::DSYNC)
}

#[cfg(not(target_os = "linux"))]
fn open_direct(_: &Path) -> io::Result<File> {
    Err(io::ErrorKind::InvalidInput.into())
}

/// Whether a file system does not take writes past the cache, or not such ones.
fn is_refusal(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidInput
}
