//! What the threads of a run tell each other while it runs.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::plan::Plan;

/// The times of a run, in microseconds of [`crate::clock`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// No message is sent before.
    pub first: u64,
    /// The measured part: what was intended to be sent from here on
    pub from: u64,
    /// and before here counts.
    pub to: u64,
}

/// The times of a run as its threads know them. Set once the sessions are connected, before the first message.
#[derive(Debug)]
pub struct Window {
    first: AtomicU64,
    start: AtomicU64,
    end: AtomicU64,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            first: AtomicU64::new(u64::MAX),
            start: AtomicU64::new(u64::MAX),
            end: AtomicU64::new(u64::MAX),
        }
    }
}

impl Window {
    /// Sets the times.
    pub fn set(&self, times: Times) {
        self.first.store(times.first, Ordering::Relaxed);
        self.end.store(times.to, Ordering::Relaxed);
        self.start.store(times.from, Ordering::Relaxed);
    }

    /// Whether a message may have been sent by `time`.
    pub fn has_begun(&self, time: u64) -> bool {
        time >= self.first.load(Ordering::Relaxed)
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

impl Places {
    /// The snowflakes of a plan's guilds and rooms.
    pub fn new(plan: &Plan, guild_ids: &[u64], channels: &[u64]) -> Self {
        let mut guilds: HashMap<u64, Range<u32>> = HashMap::new();
        for (index, room) in (0..).zip(&plan.rooms) {
            let guild = guild_ids[room.guild as usize];
            guilds.entry(guild).or_insert(index..index).end = index + 1;
        }
        Self {
            channels: channels.iter().copied().zip(0..).collect(),
            guilds,
        }
    }
}
