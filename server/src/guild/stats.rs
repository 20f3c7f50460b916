//! What a running guild shows of itself, readable from any thread.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use super::loads::LoadFigures;
use crate::supervision::meter::{Meter, Metered};

/// Figures of one guild; written by its actor, read by the admin API.
#[derive(Debug, Default)]
pub struct GuildStats {
    /// Position of the last acknowledged record.
    pub position: AtomicU64,
    /// Attached sessions.
    pub sessions: AtomicU32,
    /// Subscribed hubs.
    pub hubs: AtomicU32,
    /// Requests handled since the start.
    pub requests: AtomicU64,
    /// Items handed to hubs since the start.
    pub items: AtomicU64,
    /// Appends acknowledged since the start.
    pub appends: AtomicU64,
    /// Items times attached sessions since the start: the most deliveries that can have come of them.
    pub offered: AtomicU64,
    /// What its actor used of its thread since the start, and how long its mail waited.
    pub meter: Meter,
    /// How busy it is now, smoothed; written about once a second.
    pub load: LoadFigures,
    /// Restarts after a panic.
    pub restarts: AtomicU32,
    /// Microseconds from the last panic until it served again; 0 where there was none.
    pub last_restart_us: AtomicU64,
    health: AtomicU8,
}

/// A figure that one thread writes and any may read.
pub trait Figure {
    /// Reads it.
    fn get(&self) -> u64;
    /// Sets it, as far as it goes.
    fn set(&self, value: u64);
}

impl Figure for AtomicU64 {
    fn get(&self) -> u64 {
        self.load(Ordering::Relaxed)
    }

    fn set(&self, value: u64) {
        self.store(value, Ordering::Relaxed);
    }
}

impl Figure for AtomicU32 {
    fn get(&self) -> u64 {
        self.load(Ordering::Relaxed).into()
    }

    fn set(&self, value: u64) {
        self.store(value.try_into().unwrap_or(u32::MAX), Ordering::Relaxed);
    }
}

impl Metered for GuildStats {
    fn meter(&self) -> &Meter {
        &self.meter
    }
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
    pub(super) fn set(figure: &impl Figure, value: u64) {
        figure.set(value);
    }

    /// Adds to a figure that only the guild's own thread writes.
    pub(super) fn add(figure: &impl Figure, value: u64) {
        figure.set(figure.get() + value);
    }

    /// Reads a figure.
    pub fn get(figure: &impl Figure) -> u64 {
        figure.get()
    }
}
