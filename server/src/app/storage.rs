//! Where the node keeps guilds and accounts, by the setting.

use std::sync::Arc;

use super::{StartError, data_error};
use crate::config::store::{Durability, Store as Settings};
use crate::counters::Counters;
use crate::directory::{Directory, MemoryDirectory};
use crate::guild::core::record;
use crate::journal::{Journal, MemoryJournal};
use crate::store::{Store, StoreSettings};
use crate::supervision::lifeline::Lifelines;

/// Journal and directory, in memory or on the disk.
pub(super) struct Storage {
    pub(super) journal: Arc<dyn Journal>,
    pub(super) directory: Arc<dyn Directory>,
    store: Option<Store>,
}

impl Storage {
    /// Opens what the setting asks for. Blocks on the disk.
    pub(super) fn open(settings: &Settings, counters: &Arc<Counters>) -> Result<Self, StartError> {
        if settings.durability == Durability::Memory {
            tracing::warn!("store.durability is memory: nothing survives the end of this process");
            return Ok(Self {
                journal: Arc::new(MemoryJournal::new()),
                directory: Arc::new(MemoryDirectory::new()),
                store: None,
            });
        }
        let store = StoreSettings {
            dir: settings.dir.clone(),
            sync: settings.durability == Durability::Disk,
            min_free_bytes: settings.min_free_bytes,
            indexer: record::about,
        };
        let store = Store::open(store, Arc::clone(counters))
            .map_err(|error| data_error(&settings.dir, &error))?;
        Ok(Self {
            journal: Arc::new(store.journal()),
            directory: Arc::new(store.directory()),
            store: Some(store),
        })
    }

    /// Has the thread that writes watched, where there is one.
    pub(super) fn watch(&self, lines: &Lifelines) {
        if let Some(store) = &self.store {
            lines.add(store.line());
        }
    }

    /// Whether the next start finds what is stored now.
    pub(super) const fn is_kept(&self) -> bool {
        self.store.is_some()
    }

    /// Writes what waits and syncs it. Call it when nothing writes any more; it blocks on the disk.
    pub(super) fn close(&self) {
        if let Some(store) = &self.store {
            store.close();
        }
    }
}
