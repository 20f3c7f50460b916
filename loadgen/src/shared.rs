//! What the threads of a run tell each other while it runs.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The measured part of a run: what was intended to be sent in it counts. Set once the sessions are connected.
#[derive(Debug)]
pub struct Window {
    start: AtomicU64,
    end: AtomicU64,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            start: AtomicU64::new(u64::MAX),
            end: AtomicU64::new(u64::MAX),
        }
    }
}

impl Window {
    /// Sets the times, in microseconds of [`crate::clock`].
    pub fn set(&self, start: u64, end: u64) {
        self.end.store(end, Ordering::Relaxed);
        self.start.store(start, Ordering::Relaxed);
    }

    /// Whether `time` belongs to the measured part.
    pub fn contains(&self, time: u64) -> bool {
        time >= self.start.load(Ordering::Relaxed) && time < self.end.load(Ordering::Relaxed)
    }
}

/// How many messages of each guild may have been sent. Counted before a message is sent.
#[derive(Debug)]
pub struct Published {
    guilds: Box<[AtomicU32]>,
}

impl Published {
    /// Nothing yet, in this many guilds.
    pub fn none(guilds: u32) -> Self {
        Self {
            guilds: (0..guilds).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    /// From now on message number `publish` of `guild` may be sent; they come in order.
    pub fn set(&self, guild: u32, publish: u32) {
        self.guilds[guild as usize].store(publish + 1, Ordering::SeqCst);
    }

    /// Messages of `guild` that may have been sent: those with a higher number have not.
    pub fn of(&self, guild: u32) -> u32 {
        self.guilds[guild as usize].load(Ordering::SeqCst)
    }
}
