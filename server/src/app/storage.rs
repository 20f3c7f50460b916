//! Where the node keeps guilds and accounts, by the setting.

use std::sync::Arc;
use std::time::Duration;

use super::{StartError, data_error};
use crate::cluster::lease::Lease;
use crate::cluster::nats::{ClusterThread, Nats, NatsDirectory, NatsJournal, NatsSettings};
use crate::config::store::Durability;
use crate::config::{Config, NatsAddress};
use crate::counters::Counters;
use crate::directory::{Directory, MemoryDirectory};
use crate::guild::core::record;
use crate::journal::{Journal, MemoryJournal};
use crate::store::{Store, StoreSettings};
use crate::supervision::lifeline::Lifelines;

/// What a node has in common with others.
pub(super) struct Shared {
    pub(super) thread: ClusterThread,
    pub(super) nats: Nats,
    pub(super) lease: Arc<Lease>,
}

/// Journal and directory: in memory, on the disk, or on NATS.
pub(super) struct Storage {
    pub(super) journal: Arc<dyn Journal>,
    pub(super) directory: Arc<dyn Directory>,
    store: Option<Store>,
    /// What speaks with NATS, where they are there.
    pub(super) shared: Option<Shared>,
}

impl Storage {
    /// Opens what the setting asks for. Blocks on the disk.
    pub(super) fn open(config: &Config, counters: &Arc<Counters>) -> Result<Self, StartError> {
        let settings = &config.store;
        if !config.cluster.nats.is_empty() {
            return Self::on_nats(config, counters);
        }
        if settings.durability == Durability::Memory {
            tracing::warn!("store.durability is memory: nothing survives the end of this process");
            return Ok(Self {
                journal: Arc::new(MemoryJournal::new()),
                directory: Arc::new(MemoryDirectory::new()),
                store: None,
                shared: None,
            });
        }
        let store = StoreSettings {
            dir: settings.dir.clone(),
            sync: settings.durability == Durability::Disk,
            min_free_bytes: settings.min_free_bytes,
            unsorted_max_bytes: settings.unsorted_max_bytes,
            indexer: record::about,
        };
        let store = Store::open(store, Arc::clone(counters))
            .map_err(|error| data_error(&settings.dir, &error))?;
        Ok(Self {
            journal: Arc::new(store.journal()),
            directory: Arc::new(store.directory()),
            store: Some(store),
            shared: None,
        })
    }

    /// Connects to NATS, and waits until the directory is read. Blocks on the network.
    fn on_nats(config: &Config, counters: &Arc<Counters>) -> Result<Self, StartError> {
        let settings = NatsSettings {
            servers: config.cluster.nats.iter().map(NatsAddress::url).collect(),
            login: config
                .cluster
                .nats
                .iter()
                .find_map(NatsAddress::login)
                .cloned(),
            name: config.cluster.name.clone(),
            node: config.node.name.to_string(),
            replicas: config.cluster.replicas,
            partitions: config.cluster.partitions,
            append_timeout: Duration::from_millis(config.cluster.append_timeout_ms),
            // What is written while a session lives is written anew within a window, and has to last for one after that.
            sessions_max_age: Duration::from_secs(config.gateway.resume_window_s.max(30)) * 2,
            sessions_max_bytes: config.cluster.sessions_max_bytes,
        };
        let failed = |error: &dyn std::fmt::Display| StartError::Nats(error.to_string());
        let thread = ClusterThread::start().map_err(|error| failed(&error))?;
        let nats = thread
            .wait_for(Nats::connect(settings, Arc::clone(counters)))
            .ok_or_else(|| failed(&"the connection panicked"))?
            .map_err(|error| failed(&error))?;
        let directory =
            NatsDirectory::open(nats.clone(), &thread).map_err(|error| failed(&error))?;
        let dead_after = config.cluster.dead_after_ms;
        let lasts = dead_after.saturating_sub(config.cluster.heartbeat_ms);
        let lease = Arc::new(Lease::new(Duration::from_millis(lasts)));
        let journal = NatsJournal::new(nats.clone(), Some(Arc::clone(&lease)));
        Ok(Self {
            journal: Arc::new(journal),
            directory: Arc::new(directory),
            store: None,
            shared: Some(Shared {
                thread,
                nats,
                lease,
            }),
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
        self.store.is_some() || self.shared.is_some()
    }

    /// Writes what waits and syncs it. Call it when nothing writes any more; it blocks on the disk.
    pub(super) fn close(&self) {
        if let Some(store) = &self.store {
            store.close();
        }
    }
}
