//! `[store]`: where data is kept.

use std::path::PathBuf;

use super::setting::section;

/// `store.dir`.
pub const DEFAULT_DIR: &str = "./guildhall-data";

section! {
    /// Where data is kept.
    pub struct Store = "store" {
        /// The data directory; made where it is missing.
        dir: PathBuf = DEFAULT_DIR.into(), None;
    }
}
