//! What one worker's sessions observed: the checker, the latencies, and what happened to connections.

use std::sync::Arc;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::payload::GuildCreate;
use crate::check::history::Log;
use crate::check::{Checker, Observation};
use crate::marker::MarkerCodec;
use crate::shared::{Places, Window};

/// Longest latency that is told apart, in microseconds; longer ones count as this.
pub const LONGEST: u64 = 600_000_000;

/// A histogram of microseconds with three significant digits.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(LONGEST, 3).expect("invariant: the bounds are valid")
}

/// What happened to a worker's connections.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
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
    /// The same from the time at which the message was really sent: what a naive measurement would show.
    pub naive: Histogram<u64>,
    /// Latencies since [`Tally::show`] was last called.
    lately: Histogram<u64>,
    /// What happened to connections.
    pub counters: Counters,
    /// Keeps the observations, if they are wanted.
    pub log: Option<Log>,
    codec: MarkerCodec,
    places: Arc<Places>,
    window: Arc<Window>,
    /// Deliveries of each room since the start.
    per_room: Vec<u32>,
}

/// What all workers together show of the last moments; taken by whoever looks.
#[derive(Debug)]
pub struct Lately {
    /// Intended send time to reception, in microseconds.
    pub latency: Histogram<u64>,
    /// Deliveries of each room since the start.
    pub per_room: Vec<u32>,
}

impl Lately {
    /// Nothing yet, of this many rooms.
    pub fn new(rooms: usize) -> Self {
        Self {
            latency: coarse(),
            per_room: vec![0; rooms],
        }
    }
}

/// A histogram of microseconds with two significant digits: small, as it is emptied all the time.
fn coarse() -> Histogram<u64> {
    Histogram::new_with_max(LONGEST, 2).expect("invariant: the bounds are valid")
}

impl Tally {
    /// A tally of nothing yet.
    pub fn new(
        checker: Checker,
        codec: MarkerCodec,
        places: Arc<Places>,
        window: Arc<Window>,
    ) -> Self {
        Self {
            checker,
            latency: histogram(),
            naive: histogram(),
            lately: coarse(),
            counters: Counters::default(),
            log: None,
            codec,
            per_room: vec![0; places.channels.len()],
            places,
            window,
        }
    }

    /// Adds what happened since the last time to what is shown.
    pub(super) fn show(&mut self, shown: &mut Lately, before: &mut Vec<u32>) {
        if self.lately.is_empty() {
            return;
        }
        shown
            .latency
            .add(&self.lately)
            .expect("invariant: both have the same bounds");
        self.lately.reset();
        before.resize(self.per_room.len(), 0);
        let rooms = shown.per_room.iter_mut().zip(&self.per_room);
        for ((shown, now), before) in rooms.zip(before) {
            *shown += now - *before;
            *before = *now;
        }
    }

    fn observe(&mut self, observation: Observation) {
        if let Some(log) = &mut self.log {
            log.observe(observation);
        }
        self.checker.observe(observation);
    }

    pub(super) fn identified(&mut self, session: u32) {
        self.counters.identified += 1;
        self.observe(Observation::Identified { session });
    }

    pub(super) fn resumed(&mut self) {
        self.counters.resumed += 1;
    }

    pub(super) fn sequence(&mut self, session: u32, s: u64) {
        self.observe(Observation::Sequence { session, s });
    }

    /// A `GUILD_CREATE` that was read at `now`: what was sent by then may be part of it.
    pub(super) fn snapshot(&mut self, session: u32, guild: &GuildCreate, now: u64) {
        let sent_by = if self.window.has_begun(now) { now } else { 0 };
        for channel in &guild.channels {
            // Channels that are not of this run are none of its business.
            if let Some(room) = self.places.channels.get(&channel.id.0).copied() {
                self.observe(Observation::Snapshot {
                    session,
                    room,
                    last_message: channel.last_message_id.map(|id| id.0),
                    sent_by,
                });
            }
        }
    }

    pub(super) fn left(&mut self, session: u32, guild: u64) {
        let rooms = self.places.guilds.get(&guild).cloned();
        for room in rooms.unwrap_or_default() {
            self.observe(Observation::Left { session, room });
        }
    }

    /// A message with this id whose mark is somewhere in `text`.
    pub(super) fn message(&mut self, session: u32, id: u64, text: &[u8], now: u64) {
        let Some(marker) = self.codec.find(text) else {
            self.observe(Observation::Foreign { session, id });
            return;
        };
        if marker.room as usize >= self.per_room.len() {
            self.observe(Observation::Foreign { session, id });
            return;
        }
        let before = self.checker.delivered();
        self.observe(Observation::Message {
            session,
            room: marker.room,
            publish: marker.publish,
            id,
        });
        if self.checker.delivered() == before {
            return;
        }
        self.per_room[marker.room as usize] += 1;
        let latency = now.saturating_sub(marker.intended);
        self.lately.saturating_record(latency);
        if self.window.contains(marker.intended) {
            self.latency.saturating_record(latency);
            self.naive
                .saturating_record(latency.saturating_sub(marker.held));
        }
    }
}
