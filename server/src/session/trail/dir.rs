//! The folder of the trails.
//!
//! A file is named after the run of the process, the worker and its number there. A run reads the files
//! of the ones before it and keeps them for a resume window: should it be killed as well, the sessions
//! that have not come back yet are still known.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::fold::Fold;
use super::past::Past;
use crate::clock;

/// The folder in the data directory.
const FOLDER: &str = "session-trails";
/// Where Linux names the boot of the machine.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Largest file that is read; a worker begins another one long before.
const MAX_BYTES: u64 = 1 << 30;

/// The folder, for this run of the process.
#[derive(Debug)]
pub struct TrailDir {
    path: PathBuf,
    run: u32,
    boot: String,
    began_ms: u64,
    orders: AtomicU64,
}

/// A session of an earlier run.
#[derive(Debug)]
pub struct Found {
    /// The session.
    pub past: Past,
    /// Since when it has had no connection at the latest, in milliseconds since the Unix epoch.
    pub detached_ms: u64,
}

impl TrailDir {
    /// Begins a run in a data directory; gives the sessions of the runs before it. Blocks.
    ///
    /// `None` where the machine does not say which boot this is: then nothing can be resumed after a
    /// crash.
    pub fn open(data: &Path) -> io::Result<Option<(Arc<Self>, Vec<Found>)>> {
        let Ok(boot) = fs::read_to_string(BOOT_ID) else {
            return Ok(None);
        };
        let path = data.join(FOLDER);
        fs::create_dir_all(&path)?;
        let mut files = list(&path)?;
        files.sort();
        let last = files.last().map_or(0, |name| name.run);
        let dir = Self {
            run: last + 1,
            boot: boot.trim().to_owned(),
            began_ms: clock::unix_ms(),
            orders: AtomicU64::new(u64::from(last + 1) << 40),
            path,
        };
        let mut fold = Fold::new(&dir.boot);
        for name in files {
            let file = dir.path.join(name.to_string());
            let read = fs::metadata(&file).and_then(|about| {
                if about.len() > MAX_BYTES {
                    return Err(io::Error::other("it is too large"));
                }
                fs::read(&file)
            });
            match read {
                Ok(content) => fold.file(&content, name.run),
                // Without it, what the others say may be out of date.
                Err(error) => {
                    tracing::warn!(path = %file.display(), %error, "a trail cannot be read");
                    fold = Fold::new(&dir.boot);
                    break;
                }
            }
        }
        let found = fold.finish(dir.began_ms);
        Ok(Some((Arc::new(dir), found)))
    }

    pub(super) fn boot(&self) -> &str {
        &self.boot
    }

    pub(super) const fn began_ms(&self) -> u64 {
        self.began_ms
    }

    /// Greater than any before it, also of earlier runs.
    pub(super) fn order(&self) -> u64 {
        self.orders.fetch_add(1, Ordering::Relaxed)
    }

    /// Where a worker's file is.
    pub(super) fn file(&self, hub: u32, number: u32) -> PathBuf {
        let name = Name {
            run: self.run,
            hub,
            number,
        };
        self.path.join(name.to_string())
    }

    /// Removes the files of earlier runs: their sessions are back, or too late. Blocks.
    pub fn forget_former_runs(&self) {
        self.remove(|name| name.run < self.run);
    }

    /// Removes every file: the sessions are kept elsewhere. Blocks.
    pub fn clear(&self) {
        self.remove(|_| true);
    }

    fn remove(&self, which: impl Fn(&Name) -> bool) {
        let removed = list(&self.path).and_then(|files| {
            files
                .iter()
                .filter(|name| which(name))
                .try_for_each(|name| fs::remove_file(self.path.join(name.to_string())))
        });
        if let Err(error) = removed {
            tracing::warn!(path = %self.path.display(), %error, "a trail could not be removed");
        }
    }
}

/// The name of a file. They sort as they were written, but for workers of one run.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    run: u32,
    hub: u32,
    number: u32,
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}-{}", self.run, self.hub, self.number)
    }
}

fn list(path: &Path) -> io::Result<Vec<Name>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let file = entry?.file_name();
        // What else there is, is not ours.
        names.extend(file.to_str().and_then(parse));
    }
    Ok(names)
}

fn parse(name: &str) -> Option<Name> {
    let mut parts = name.split('-').map(str::parse);
    let mut next = || parts.next()?.ok();
    let name = Name {
        run: next()?,
        hub: next()?,
        number: next()?,
    };
    next().is_none().then_some(name)
}
