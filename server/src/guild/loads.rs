//! How busy guilds and their threads are, smoothed; worked out from time to time in one place.
//!
//! Guilds at rest cost nothing here: only those are looked at that were at work since the last time,
//! or whose figures have not come to rest yet.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::executors::ExecutorId;
use super::registry::{Registry, RunningGuild};
use super::stats::GuildStats;
use crate::placement::executors::Smooth;
use crate::protocol::GuildId;
use crate::supervision::meter::Reading;

/// The time in which what a sample weighs is halved.
pub const HALF_LIFE: Duration = Duration::from_secs(2);
/// A guild below this share of a thread and with fewer events a second counts as at rest.
const REST_SHARE: f64 = 1e-5;
const REST_EVENTS: f64 = 0.01;

/// How busy a guild is, each figure smoothed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Load {
    /// Share of its thread's time, 0 to 1.
    pub share: f64,
    /// How long what was posted to it waited for its turn, on average.
    pub queue_delay: Duration,
    /// Events that it handed to hubs, per second.
    pub events: f64,
    /// Events times attached sessions, per second: the most deliveries that can have come of them.
    pub offered: f64,
}

/// A [`Load`] that one thread writes and any may read. It takes no memory before a guild is busy for the first time.
#[derive(Debug, Default)]
pub struct LoadFigures(OnceLock<Box<[AtomicU64; 4]>>);

impl LoadFigures {
    /// Reads it.
    pub fn get(&self) -> Load {
        let Some(figures) = self.0.get() else {
            return Load::default();
        };
        let [share, delay, events, offered] =
            std::array::from_fn(|i| f64::from_bits(figures[i].load(Ordering::Relaxed)));
        Load {
            share,
            queue_delay: Duration::from_secs_f64(delay),
            events,
            offered,
        }
    }

    pub(super) fn set(&self, load: Load) {
        if self.0.get().is_none() && load == Load::default() {
            return;
        }
        let delay = load.queue_delay.as_secs_f64();
        let figures = [load.share, delay, load.events, load.offered];
        for (figure, value) in self.0.get_or_init(Box::default).iter().zip(figures) {
            figure.store(value.to_bits(), Ordering::Relaxed);
        }
    }
}

/// How busy a thread is, smoothed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ThreadLoad {
    /// Share of its time that its actors had, whichever they were.
    pub busy: f64,
    /// How long an actor waited for the thread to come round to it.
    pub delay: Duration,
    /// The shares of the guilds that it has now, added up. Other than `busy`, this follows a guild
    /// that is moved at once.
    pub guilds: f64,
}

/// A guild that is not at rest.
#[derive(Clone)]
pub struct BusyGuild {
    /// The guild.
    pub guild: RunningGuild,
    /// How busy it is.
    pub load: Load,
}

/// What became of the readings.
#[derive(Default)]
pub struct NodeLoad {
    /// Guilds that are not at rest, by rising id.
    pub guilds: Vec<BusyGuild>,
    /// Every thread that runs guilds.
    pub threads: BTreeMap<ExecutorId, ThreadLoad>,
}

/// Works out loads. A node has one of these.
pub struct Loads {
    registry: Registry,
    guilds: HashMap<GuildId, GuildTrack>,
    threads: BTreeMap<ExecutorId, ThreadTrack>,
}

struct GuildTrack {
    share: Smooth,
    delay: Smooth,
    events: Smooth,
    offered: Smooth,
    /// Events and offered deliveries so far, by the actor that has the guild.
    counted: [u64; 2],
}

#[derive(Default)]
struct ThreadTrack {
    busy: Smooth,
    delay: Smooth,
}

impl Loads {
    /// The loads of the guilds of this registry.
    pub fn new(registry: Registry) -> Self {
        // From now on it is noted who is at work.
        registry.executors().roster().read();
        Self {
            registry,
            guilds: HashMap::new(),
            threads: BTreeMap::new(),
        }
    }

    /// Takes the readings of the time `passed` since the last call, and shows the new figures in
    /// [`GuildStats`] and at the executors.
    pub fn tick(&mut self, passed: Duration) -> NodeLoad {
        let passed = passed.max(Duration::from_millis(1));
        let mut readings: HashMap<GuildId, Reading> = HashMap::new();
        for (work, reading) in self.registry.executors().roster().read() {
            *readings.entry(GuildId::new(work)).or_default() += reading;
        }
        for &id in readings.keys() {
            if !self.guilds.contains_key(&id)
                && let Some(guild) = self.registry.find(id)
            {
                self.guilds.insert(id, GuildTrack::new(&guild.stats));
            }
        }
        let mut load = NodeLoad::default();
        self.guilds.retain(|&id, track| {
            let Some(guild) = self.registry.find(id) else {
                return false;
            };
            let reading = readings.get(&id).copied().unwrap_or_default();
            track.take(reading, &guild.stats, passed);
            let now = track.load();
            let rests = now.share < REST_SHARE && now.events < REST_EVENTS;
            guild
                .stats
                .load
                .set(if rests { Load::default() } else { now });
            if !rests {
                load.guilds.push(BusyGuild { guild, load: now });
            }
            !rests
        });
        load.guilds.sort_unstable_by_key(|it| it.guild.id);
        self.tick_threads(passed, &mut load);
        load
    }

    fn tick_threads(&mut self, passed: Duration, load: &mut NodeLoad) {
        let executors = self.registry.executors();
        let watched = executors.watched();
        self.threads
            .retain(|id, _| watched.iter().any(|(there, _)| there == id));
        for (id, thread) in watched {
            let track = self.threads.entry(id).or_default();
            let reading = thread.meter.own.read();
            track.busy.add(share(reading, passed), passed, HALF_LIFE);
            let delay = reading.mean_wait().as_secs_f64();
            track.delay.add(delay, passed, HALF_LIFE);
            let own = load.guilds.iter().filter(|it| it.guild.executor == id);
            let now = ThreadLoad {
                busy: track.busy.get(),
                delay: Duration::from_secs_f64(track.delay.get()),
                guilds: own.map(|it| it.load.share).sum(),
            };
            executors.show_load(id, now);
            load.threads.insert(id, now);
        }
    }
}

fn share(reading: Reading, passed: Duration) -> f64 {
    // What began before counts when it is over, so it may be more than the time that passed.
    (reading.busy.as_secs_f64() / passed.as_secs_f64()).min(1.0)
}

impl GuildTrack {
    fn new(stats: &GuildStats) -> Self {
        Self {
            share: Smooth::default(),
            delay: Smooth::default(),
            events: Smooth::default(),
            offered: Smooth::default(),
            counted: counted(stats),
        }
    }

    fn take(&mut self, reading: Reading, stats: &GuildStats, passed: Duration) {
        self.share.add(share(reading, passed), passed, HALF_LIFE);
        let delay = reading.mean_wait().as_secs_f64();
        self.delay.add(delay, passed, HALF_LIFE);
        let now = counted(stats);
        // Another actor counts from zero.
        let new = |i: usize| now[i].checked_sub(self.counted[i]).unwrap_or(now[i]);
        let [events, offered] = [new(0), new(1)].map(|new| new as f64 / passed.as_secs_f64());
        self.counted = now;
        self.events.add(events, passed, HALF_LIFE);
        self.offered.add(offered, passed, HALF_LIFE);
    }

    fn load(&self) -> Load {
        Load {
            share: self.share.get(),
            queue_delay: Duration::from_secs_f64(self.delay.get()),
            events: self.events.get(),
            offered: self.offered.get(),
        }
    }
}

fn counted(stats: &GuildStats) -> [u64; 2] {
    [&stats.items, &stats.offered].map(GuildStats::get)
}
