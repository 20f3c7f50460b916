//! What a comparison came to: as JSON, and as a table in Markdown.

mod table;

use serde::Serialize;

use super::machine::Machine;
use super::peer::Peer;
use super::{CompareArgs, Cores, Footprint, Highest, Row, Sample, Shots};

/// Everything found out.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What was asked for.
    pub settings: Settings,
    /// The machine before.
    pub machine: Machine,
    /// The machine after.
    pub machine_after: Option<Machine>,
    /// The servers.
    pub peers: Vec<About>,
    /// Runs that could not be carried out to their end.
    pub failures: Vec<Failure>,
    /// Servers by rate.
    pub rows: Vec<Row>,
    /// With `--highest`.
    pub highest: Vec<Highest>,
    /// With `--spread`.
    pub shots: Vec<Shots>,
    /// With `--memory`.
    pub footprints: Vec<Footprint>,
    /// Every run.
    pub samples: Vec<Sample>,
}

/// The settings of a comparison.
#[derive(Debug, Serialize)]
pub struct Settings {
    /// Connections.
    pub sessions: u32,
    /// Messages per second.
    pub rates: Vec<f64>,
    /// Rounds.
    pub rounds: u32,
    /// Seconds measured of each run.
    pub seconds: f64,
    /// Seconds of warm-up.
    pub warmup: f64,
    /// Bytes of a message.
    pub payload: u32,
    /// What the others are set against.
    pub base: String,
    /// The servers' core.
    pub server_cpu: Option<usize>,
    /// The generator's core.
    pub load_cpu: Option<usize>,
}

/// A server.
#[derive(Debug, Serialize)]
pub struct About {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub what: &'static str,
    /// Its version, if it was started.
    pub version: Option<String>,
    /// Why it was left out, if it was.
    pub skipped: Option<String>,
}

/// A run that could not be carried out.
#[derive(Debug, Serialize)]
pub struct Failure {
    /// The server.
    pub peer: &'static str,
    /// Messages per second; 0 where there was no rate.
    pub rate: f64,
    /// Why.
    pub error: String,
}

impl Report {
    /// Of nothing yet.
    pub(super) fn new(args: &CompareArgs, machine: Machine) -> Self {
        Self {
            settings: Settings {
                sessions: args.receivers(),
                rates: args.rates.clone(),
                rounds: args.rounds.get(),
                seconds: args.seconds,
                warmup: args.warmup,
                payload: args.payload(),
                base: args.base.clone(),
                server_cpu: None,
                load_cpu: None,
            },
            machine,
            machine_after: None,
            peers: Vec::new(),
            failures: Vec::new(),
            rows: Vec::new(),
            highest: Vec::new(),
            shots: Vec::new(),
            footprints: Vec::new(),
            samples: Vec::new(),
        }
    }

    pub(super) fn cores(&mut self, cores: Cores) {
        self.settings.server_cpu = cores.server;
        self.settings.load_cpu = cores.load;
    }

    /// `peer` is left out.
    pub(super) fn skip(&mut self, peer: Peer, why: String) {
        self.peers.push(About {
            name: peer.name(),
            what: peer.about(),
            version: None,
            skipped: Some(why),
        });
    }

    /// `peer` was measured.
    pub(super) fn compared(&mut self, peer: Peer, version: Option<String>) {
        self.peers.push(About {
            name: peer.name(),
            what: peer.about(),
            version,
            skipped: None,
        });
    }

    /// A run of `peer` ended early.
    pub(super) fn failed(&mut self, peer: Peer, rate: f64, error: &anyhow::Error) {
        eprintln!("{} failed: {error:#}", peer.name());
        self.failures.push(Failure {
            peer: peer.name(),
            rate,
            error: format!("{error:#}"),
        });
    }

    pub(super) fn finish(&mut self, machine: Machine) {
        self.machine_after = Some(machine);
    }

    /// As tables.
    pub(super) fn table(&self) -> String {
        let mut out = String::new();
        table::write(&mut out, self).expect("invariant: writing to a String cannot fail");
        out
    }
}

/// One line about a run that has just ended.
pub(super) fn progress(sample: &Sample) -> String {
    let mut line = format!(
        "{:<16} {:>6} msg/s  {:>6.2} µs/delivery  {:>7.0} of {:.0} deliveries/s  p50 {:.1} p99 {:.1} max {:.1} ms  {:.2} cores  generator {:.2}",
        sample.peer,
        sample.rate,
        sample.cpu_us_per_delivery,
        sample.deliveries_per_s,
        sample.due_per_s,
        sample.latency.p50_ms,
        sample.latency.p99_ms,
        sample.latency.max_ms,
        sample.cores,
        sample.generator.utilisation,
    );
    if let Some(apart) = sample.apart.filter(|apart| *apart > 0.0) {
        let apart = format!("  cores apart {:.0} %", apart * 100.0);
        line.push_str(&apart);
    }
    if !sample.counts {
        line.push_str("  does not count: ");
        line.push_str(&sample.reasons.join("; "));
    }
    line
}
