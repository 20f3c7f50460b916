//! One message to very many: how long from the first delivery to the last.

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::engine::Load;
use super::instead::Instead;
use super::peer::Peer;
use super::round::Stage;
use super::summary::Spread;
use crate::clock::{self, SECOND};
use crate::report::ratio;

/// Messages of one run, one after the other.
const SHOTS: usize = 5;

/// Microseconds between two.
const PAUSE: u64 = SECOND / 2;

/// One server's messages.
#[derive(Debug, Clone, Serialize)]
pub struct Shots {
    /// The server.
    pub peer: &'static str,
    /// Connections that got each message.
    pub sessions: u32,
    /// Milliseconds from the first delivery to the last, over all messages of all rounds.
    pub first_to_last_ms: Spread,
    /// Milliseconds from the intended send time to the last delivery.
    pub send_to_last_ms: Spread,
    /// Resident bytes that a connection adds.
    pub rss_per_connection: Spread,
    /// `first_to_last_ms` (median) as a multiple of the floor's; none without the floor.
    pub floor_ratio: Option<f64>,
    /// Every message: milliseconds from first to last, and from sending to last.
    pub all: Vec<(f64, f64)>,
    #[serde(skip)]
    rss: Vec<f64>,
}

impl Instead for Shots {
    fn none(peer: Peer, sessions: u32) -> Self {
        Self {
            peer: peer.name(),
            sessions,
            first_to_last_ms: Spread::default(),
            send_to_last_ms: Spread::default(),
            rss_per_connection: Spread::default(),
            floor_ratio: None,
            all: Vec::new(),
            rss: Vec::new(),
        }
    }

    fn round(&mut self, stage: &Stage<'_>, peer: Peer) -> Result<String> {
        let mut connected = stage.connect(peer)?;
        self.rss.push(connected.rss_per(self.sessions));
        // One message each: the rate only says how long the schedule is.
        let load = Load {
            rate: 1.0,
            warmup: 0,
            measured: SECOND / 10,
            payload: stage.args.payload as usize,
            drain: clock::from_seconds(stage.args.drain),
        };
        for shot in 0..=SHOTS {
            let outcome = connected.engine.load(load, |_| Ok(()));
            let outcome = outcome.with_context(|| peer.name().to_owned())?;
            let outcome = outcome.whole(peer.name())?;
            // The first one warms up.
            if let Some((first, last)) = outcome.span.filter(|_| shot > 0) {
                let millis = |micros: u64| micros as f64 / 1_000.0;
                self.all
                    .push((millis(last - first), millis(last - outcome.start)));
            }
            connected.engine.run_until(clock::now() + PAUSE)?;
        }
        Ok(connected.version)
    }

    fn summarize(&mut self) {
        self.first_to_last_ms = Spread::of(self.all.iter().map(|(spread, _)| *spread));
        self.send_to_last_ms = Spread::of(self.all.iter().map(|(_, whole)| *whole));
        self.rss_per_connection = Spread::of(self.rss.iter().copied());
    }
}

/// Sets all against the floor, if that was measured.
pub(super) fn set_against_floor(shots: &mut [Shots]) {
    let floor = shots.iter().find(|shots| shots.peer == Peer::Floor.name());
    let Some(floor) = floor.map(|floor| floor.first_to_last_ms.median) else {
        return;
    };
    for shots in shots {
        shots.floor_ratio = Some(ratio(shots.first_to_last_ms.median, floor));
    }
}
