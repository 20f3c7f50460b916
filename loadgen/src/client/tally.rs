//! What one worker's sessions observed: the checker, the latencies, and what happened to connections.

use std::collections::HashMap;
use std::sync::Arc;

use hdrhistogram::Histogram;

use crate::check::{Checker, Observation};
use crate::marker::MarkerCodec;
use crate::shared::{Published, Window};

/// Longest latency that is told apart, in microseconds; longer ones count as this.
pub const LONGEST: u64 = 600_000_000;

/// A histogram of microseconds with three significant digits.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(LONGEST, 3).expect("invariant: the bounds are valid")
}

/// What happened to a worker's connections.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counters {
    /// Connections that got as far as an accepted upgrade.
    pub connections: u64,
    /// Connects and upgrades that failed.
    pub connect_failures: u64,
    /// READYs, the first of each session included.
    pub identified: u64,
    /// RESUMEDs.
    pub resumed: u64,
    /// Connections closed because a heartbeat was not acknowledged or could not be written.
    pub zombies: u64,
    /// Sessions given up.
    pub lost: u64,
    /// Gateway payloads received.
    pub payloads: u64,
    /// Reads that brought something.
    pub reads: u64,
}

impl Counters {
    /// Adds those of another worker.
    pub fn add(&mut self, other: &Self) {
        self.connections += other.connections;
        self.connect_failures += other.connect_failures;
        self.identified += other.identified;
        self.resumed += other.resumed;
        self.zombies += other.zombies;
        self.lost += other.lost;
        self.payloads += other.payloads;
        self.reads += other.reads;
    }
}

/// One worker's observations.
#[derive(Debug)]
pub struct Tally {
    /// The judge of this worker's sessions.
    pub checker: Checker,
    /// Intended send time to reception, in microseconds, of the messages of the measured part.
    pub latency: Histogram<u64>,
    /// What happened to connections.
    pub counters: Counters,
    codec: MarkerCodec,
    guilds: Arc<HashMap<u64, u32>>,
    window: Arc<Window>,
    published: Arc<Published>,
}

impl Tally {
    /// A tally of nothing yet. `guilds` maps snowflakes to indices.
    pub fn new(
        checker: Checker,
        codec: MarkerCodec,
        guilds: Arc<HashMap<u64, u32>>,
        window: Arc<Window>,
        published: Arc<Published>,
    ) -> Self {
        Self {
            checker,
            latency: histogram(),
            counters: Counters::default(),
            codec,
            guilds,
            window,
            published,
        }
    }

    pub(super) fn identified(&mut self, session: u32) {
        self.counters.identified += 1;
        self.checker.observe(Observation::Identified { session });
    }

    pub(super) fn resumed(&mut self) {
        self.counters.resumed += 1;
    }

    pub(super) fn sequence(&mut self, session: u32, s: u64) {
        self.checker.observe(Observation::Sequence { session, s });
    }

    pub(super) fn snapshot(&mut self, session: u32, guild: u64, last_message: Option<u64>) {
        // Guilds that are not of this run are none of its business.
        if let Some(guild) = self.guilds.get(&guild).copied() {
            self.checker.observe(Observation::Snapshot {
                session,
                guild,
                last_message,
                published: self.published.of(guild),
            });
        }
    }

    /// A message with this id whose mark is somewhere in `text`.
    pub(super) fn message(&mut self, session: u32, id: u64, text: &[u8], now: u64) {
        let Some(marker) = self.codec.find(text) else {
            self.checker.observe(Observation::Foreign { session, id });
            return;
        };
        let before = self.checker.delivered();
        self.checker.observe(Observation::Message {
            session,
            guild: marker.guild,
            publish: marker.publish,
            id,
        });
        if self.checker.delivered() != before && self.window.contains(marker.intended) {
            self.latency
                .saturating_record(now.saturating_sub(marker.intended));
        }
    }
}
