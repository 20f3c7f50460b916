//! Watches the free space of the data directory's file system.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::clock;

/// Shortest time between two looks.
const EVERY: Duration = Duration::from_millis(100);

/// So much more space than when a write failed for lack of it lets it be tried again.
const ROOM_TO_TRY: u64 = 1 << 20;

/// Where more is free than this, a write did not fail for lack of space.
const LITTLE: u64 = 32 << 20;

/// Tells when space runs short, with hysteresis: short below the least, enough from a quarter more.
#[derive(Debug)]
pub(super) struct Space {
    dir: PathBuf,
    looked: Option<Instant>,
    short: bool,
    /// What was free when a write failed for lack of space.
    failed_at: Option<u64>,
}

impl Space {
    pub(super) const fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            looked: None,
            short: false,
            failed_at: None,
        }
    }

    /// A write failed, perhaps for lack of space: where there is little, more is needed before it is
    /// tried again, whatever the least.
    pub(super) fn ran_out(&mut self) {
        self.failed_at = free_bytes(&self.dir).filter(|free| *free < LITTLE);
        self.looked = None;
    }

    /// Whether space is short; looks at most every 100 ms.
    pub(super) fn is_short(&mut self, least: u64) -> bool {
        if self.looked.is_some_and(|at| at.elapsed() < EVERY) {
            return self.short;
        }
        self.looked = Some(clock::now());
        // Not being told is no reason to stop: a full disk shows at the next commit.
        let Some(free) = free_bytes(&self.dir) else {
            return self.short;
        };
        self.failed_at = self
            .failed_at
            .filter(|failed_at| free < failed_at.saturating_add(ROOM_TO_TRY));
        let short = is_short(free, least, self.short) || self.failed_at.is_some();
        if short != self.short {
            self.short = short;
            if short {
                tracing::error!(
                    free_bytes = free,
                    least_bytes = least,
                    "little disk space is left, writes are refused"
                );
            } else {
                tracing::info!(
                    free_bytes = free,
                    "there is disk space again, writes are taken"
                );
            }
        }
        short
    }
}

fn is_short(free: u64, least: u64, was: bool) -> bool {
    let bound = if was {
        least.saturating_add(least / 4)
    } else {
        least
    };
    free < bound
}

/// What this process may still write there, in bytes.
fn free_bytes(dir: &std::path::Path) -> Option<u64> {
    let told = rustix::fs::statvfs(dir).ok()?;
    Some(told.f_bavail.saturating_mul(told.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_short_below_the_least_and_enough_a_quarter_above_it() {
        assert!(!is_short(100, 100, false));
        assert!(is_short(99, 100, false));
        assert!(is_short(124, 100, true));
        assert!(!is_short(125, 100, true));
        assert!(!is_short(0, 0, false));
    }

    #[test]
    fn the_file_system_of_a_folder_tells_its_space() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_bytes(folder.path()).is_some());
        assert!(Space::new(folder.path().to_owned()).is_short(u64::MAX));
    }
}
