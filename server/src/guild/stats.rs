//! What a running guild shows of itself, readable from any thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use super::loads::LoadFigures;
use crate::supervision::meter::Meter;

/// Figures of one guild; written by its actor, read by the admin API.
#[derive(Debug, Default)]
pub struct GuildStats {
    /// Position of the last acknowledged record.
    pub position: AtomicU64,
    /// Attached sessions.
    pub sessions: AtomicU64,
    /// Subscribed hubs.
    pub hubs: AtomicU64,
    /// Requests handled since the start.
    pub requests: AtomicU64,
    /// Items handed to hubs since the start.
    pub items: AtomicU64,
    /// Appends acknowledged since the start.
    pub appends: AtomicU64,
    /// Items times attached sessions since the start: the most deliveries that can have come of them.
    pub offered: AtomicU64,
    /// What its actor used of its thread since the start, and how long its mail waited.
    pub meter: Arc<Meter>,
    /// How busy it is now, smoothed; written about once a second.
    pub load: LoadFigures,
    /// Restarts after a panic.
    pub restarts: AtomicU64,
    /// Microseconds from the last panic until it served again; 0 where there was none.
    pub last_restart_us: AtomicU64,
    health: AtomicU8,
}

/// Whether a guild serves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Health {
    /// Its state is being read from the journal.
    #[default]
    Loading,
    /// It serves.
    Serving,
    /// Its journal cannot be read: it tries again by itself.
    Failed,
    /// It panicked too often, did not end, or its journal is damaged: it waits for the operator.
    Quarantined,
}

impl Health {
    /// As the admin API says it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Serving => "serving",
            Self::Failed => "failed",
            Self::Quarantined => "quarantined",
        }
    }
}

impl GuildStats {
    /// Whether the guild serves.
    pub fn health(&self) -> Health {
        match self.health.load(Ordering::Relaxed) {
            0 => Health::Loading,
            1 => Health::Serving,
            2 => Health::Failed,
            _ => Health::Quarantined,
        }
    }

    /// Figures of an actor that takes the place of one that is stuck, and waits for the operator.
    pub(super) fn in_quarantine(&self) -> Self {
        let stats = Self::default();
        Self::set(&stats.position, Self::get(&self.position));
        Self::set(&stats.restarts, Self::get(&self.restarts));
        stats.set_health(Health::Quarantined);
        stats
    }

    pub(super) fn set_health(&self, health: Health) {
        self.health.store(health as u8, Ordering::Relaxed);
    }

    /// Sets a figure.
    pub(super) fn set(figure: &AtomicU64, value: u64) {
        figure.store(value, Ordering::Relaxed);
    }

    /// Adds to a figure that only the guild's own thread writes.
    pub(super) fn add(figure: &AtomicU64, value: u64) {
        figure.store(figure.load(Ordering::Relaxed) + value, Ordering::Relaxed);
    }

    /// Reads a figure.
    pub fn get(figure: &AtomicU64) -> u64 {
        figure.load(Ordering::Relaxed)
    }
}
