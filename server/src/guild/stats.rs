//! What a running guild shows of itself, readable from any thread.

use std::sync::atomic::{AtomicU64, Ordering};

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
    /// Nanoseconds spent in handlers since the start.
    pub busy_ns: AtomicU64,
}

impl GuildStats {
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
