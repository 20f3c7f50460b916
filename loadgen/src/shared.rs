//! What the threads of a run tell each other while it runs.

use std::collections::HashMap;
use std::ops::Range;
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

/// What snowflakes stand for.
#[derive(Debug, Default)]
pub struct Places {
    /// Channel to room.
    pub channels: HashMap<u64, u32>,
    /// Guild to its rooms.
    pub guilds: HashMap<u64, Range<u32>>,
}

/// How many messages of each room may have been sent. Counted before a message is sent.
#[derive(Debug)]
pub struct Published {
    rooms: Box<[AtomicU32]>,
}

impl Published {
    /// Nothing yet, in this many rooms.
    pub fn none(rooms: u32) -> Self {
        Self {
            rooms: (0..rooms).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    /// From now on message number `publish` of `room` may be sent; they come in order.
    pub fn set(&self, room: u32, publish: u32) {
        self.rooms[room as usize].store(publish + 1, Ordering::SeqCst);
    }

    /// Messages of `room` that may have been sent: those with a higher number have not.
    pub fn of(&self, room: u32) -> u32 {
        self.rooms[room as usize].load(Ordering::SeqCst)
    }
}
