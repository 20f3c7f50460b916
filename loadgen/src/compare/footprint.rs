//! What a connection takes of a server's memory: idle, after a burst, and when the burst is over.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::engine::Load;
use super::instead::Instead;
use super::peer::Peer;
use super::round::Stage;
use super::summary::Spread;
use crate::clock;

/// Bytes of the burst's messages.
pub(super) const MESSAGE: u32 = 2_000;
/// How many there are: 64,000 bytes to every connection.
const MESSAGES: u32 = 32;
/// Messages a second.
const RATE: f64 = 4.0;

/// One server's memory. Resident bytes beyond those of the server without a connection, divided by the connections.
#[derive(Debug, Clone, Serialize)]
pub struct Footprint {
    /// The server.
    pub peer: &'static str,
    /// Connections.
    pub sessions: u32,
    /// When all are subscribed.
    pub subscribed: Spread,
    /// When each has been heard of, where that is part of the protocol.
    pub idle: Spread,
    /// When each has got the burst.
    pub burst: Spread,
    /// When it has had time to give back what that made it take.
    pub rested: Spread,
    #[serde(skip)]
    rounds: Vec<[f64; 4]>,
}

impl Instead for Footprint {
    fn none(peer: Peer, sessions: u32) -> Self {
        Self {
            peer: peer.name(),
            sessions,
            subscribed: Spread::default(),
            idle: Spread::default(),
            burst: Spread::default(),
            rested: Spread::default(),
            rounds: Vec::new(),
        }
    }

    fn round(&mut self, stage: &Stage<'_>, peer: Peer) -> Result<String> {
        let mut connected = stage.connect_receivers(peer)?;
        let subscribed = connected.rss_per(self.sessions);
        let beat = connected.engine.beat_every().unwrap_or(Duration::ZERO);
        let beat = beat.as_micros() as u64;
        connected.engine.run_until(clock::now() + beat)?;
        let idle = connected.rss_now(self.sessions)?;
        let publishers = connected.engine.connect_publishers(stage.connect_timeout());
        publishers.with_context(|| peer.name().to_owned())?;
        let load = Load {
            rate: RATE,
            warmup: 0,
            measured: clock::from_seconds(f64::from(MESSAGES) / RATE),
            payload: MESSAGE as usize,
            drain: clock::from_seconds(stage.args.drain),
        };
        let outcome = connected.engine.load(load, |_| Ok(()));
        let outcome = outcome.with_context(|| peer.name().to_owned())?;
        outcome.whole(peer.name())?;
        connected.engine.close_publishers();
        let rest = clock::from_seconds(stage.args.rest);
        let burst = connected.rss_now(self.sessions)?;
        connected.engine.run_until(clock::now() + rest)?;
        let rested = connected.rss_now(self.sessions)?;
        self.rounds.push([subscribed, idle, burst, rested]);
        Ok(connected.version)
    }

    fn summarize(&mut self) {
        let of = |at: usize| Spread::of(self.rounds.iter().map(|round| round[at]));
        (self.subscribed, self.idle) = (of(0), of(1));
        (self.burst, self.rested) = (of(2), of(3));
    }
}
