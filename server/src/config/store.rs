//! `[store]`: where data is kept.

use std::path::PathBuf;

use super::check::within;
use super::setting::section;
use super::value::Value;

/// `store.dir`.
pub const DEFAULT_DIR: &str = "./guildhall-data";
/// `store.durability`.
pub const DEFAULT_DURABILITY: Durability = Durability::Disk;
/// `store.min_free_bytes`.
pub const DEFAULT_MIN_FREE_BYTES: u64 = 64 << 20;
/// `store.unsorted_max_bytes`.
pub const DEFAULT_UNSORTED_MAX_BYTES: usize = 16 << 20;

/// How far a write has got when it is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// On the disk: it survives a power cut.
    Disk,
    /// With the operating system: it survives the death of the process.
    Os,
    /// Nowhere: nothing is kept.
    Memory,
}

impl Durability {
    /// As it is written in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Os => "os",
            Self::Memory => "memory",
        }
    }
}

impl Value for Durability {
    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        Self::from_text(value.as_str().unwrap_or_default())
    }

    fn from_text(text: &str) -> Result<Self, String> {
        [Self::Disk, Self::Os, Self::Memory]
            .into_iter()
            .find(|durability| durability.name() == text)
            .ok_or_else(|| "expected disk, os or memory".to_owned())
    }

    fn show(&self) -> Option<String> {
        Some(format!("\"{}\"", self.name()))
    }
}

section! {
    /// Where data is kept.
    pub struct Store = "store" {
        /// The data directory; made where it is missing.
        dir: PathBuf = DEFAULT_DIR.into(), None;
        /// What an acknowledgement waits for: `disk` (survives a power cut), `os` (survives the
        /// death of the process) or `memory` (nothing is kept).
        durability: Durability = DEFAULT_DURABILITY, None;
        /// Free space on the data directory's disk below which writes are refused until there is
        /// a quarter more; 0 for no such bound.
        min_free_bytes: u64 = DEFAULT_MIN_FREE_BYTES, Bytes, within(0..=1 << 50);
        /// The newest records of all guilds that are kept in memory, and on the disk in the order in which they
        /// came, before they are sorted by guild; half as much again while they are. A start reads them.
        unsorted_max_bytes: usize = DEFAULT_UNSORTED_MAX_BYTES, Bytes, within(64 << 10..=1 << 30);
    }
}
