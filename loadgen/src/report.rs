//! What a run came to: as one JSON object, or as a table for people.

pub mod html;
pub mod side;
mod table;
pub mod timeline;

use std::process::ExitCode;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

pub use timeline::{Heat, Mark, Sample, Timeline};

use crate::check::Violation;
use crate::publish::Counters as PublishCounters;
use crate::scenario::Scenario;

/// Everything a run found out. Times are in milliseconds unless the name says otherwise.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// Deliveries that came within the measured part, per second of it.
    pub deliveries_per_s: f64,
    /// Messages acknowledged, warm-up included.
    pub publishes_acked: u64,
    /// Median of intended send time to reception.
    pub p50_ms: f64,
    /// 99th percentile of the same.
    pub p99_ms: f64,
    /// 99.9th percentile of the same.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// Sessions resumed.
    pub resumes: u64,
    /// Checks violated.
    pub violations: u64,
    /// Whether the generator itself was the bottleneck, so that the figures say little about the server.
    pub generator_limited: bool,
    /// Whether the run was ended early by a signal.
    pub interrupted: bool,
    /// What the run was about.
    pub scenario: Scenario,
    /// What was asked for.
    pub settings: Settings,
    /// What became of the sessions.
    pub sessions: Sessions,
    /// What became of the messages.
    pub publishes: Publishes,
    /// What came to the sessions.
    pub deliveries: Deliveries,
    /// What the checker found.
    pub checks: Checks,
    /// How the generator itself fared.
    pub generator: Generator,
    /// What the server used, if its process was named.
    pub server: Option<Server>,
    /// What happened beside the messages.
    pub asides: Aside,
    /// How it went from second to second.
    pub timeline: Timeline,
}

/// The settings of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settings {
    /// The run's id, part of each message.
    pub run: String,
    /// What makes it repeatable.
    pub seed: u64,
    /// Sessions.
    pub sessions: u32,
    /// Guilds.
    pub guilds: u32,
    /// Guilds of each session.
    pub guilds_per_session: u32,
    /// Messages per second.
    pub rate: f64,
    /// Seconds of warm-up.
    pub warmup_s: f64,
    /// Seconds measured.
    pub duration_s: f64,
    /// Bytes of content.
    pub payload_bytes: u32,
    /// Worker processes; with 1 the sessions are in loadgen's own.
    pub workers: u32,
    /// Threads of the sessions, over all processes.
    #[serde(default)]
    pub threads: u32,
    /// Addresses that sessions connected from; 0 if the system chose.
    #[serde(default)]
    pub source_addresses: u32,
}

/// What became of the sessions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sessions {
    /// Seconds until all were ready.
    pub connect_s: f64,
    /// Connections made.
    pub connections: u64,
    /// Connects that failed.
    pub connect_failures: u64,
    /// Sessions begun anew after the first time.
    pub reidentified: u64,
    /// Sessions resumed.
    pub resumed: u64,
    /// Connections found dead.
    pub zombies: u64,
    /// Sessions given up.
    pub lost: u64,
}

/// What became of the messages.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Publishes {
    /// Messages of the schedule.
    pub planned: u64,
    /// The publisher's figures.
    #[serde(flatten)]
    pub counters: PublishCounters,
    /// Messages without a definite answer that sessions saw.
    pub recovered: u64,
    /// Intended send time to acknowledgement.
    pub ack: Percentiles,
    /// Messages due and not acknowledged, on average over the measured part.
    #[serde(default)]
    pub under_way: f64,
    /// Time that messages waited for a free connection, since their intended time.
    pub wait: Percentiles,
    /// The first errors in words, each with its number.
    pub errors: Vec<(String, u64)>,
}

/// What came to the sessions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Deliveries {
    /// Deliveries, warm-up included.
    pub total: u64,
    /// Deliveries of messages of the measured part, whenever they came.
    pub measured: u64,
    /// Deliveries of the acknowledged messages that are due to all sessions.
    pub expected: u64,
    /// Intended send time to reception, measured part.
    pub latency: Percentiles,
    /// Time from when the message was really sent to its reception: a naive measurement. Where it is shorter than
    /// `latency`, messages waited in the generator because those before them were not answered.
    pub latency_from_send: Percentiles,
    /// Deliveries for each read that brought something: how well the server bundles.
    pub per_read: f64,
    /// Seconds from the last acknowledgement until nothing was missing, or until it was given up.
    pub drain_s: f64,
}

/// What the checker found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Checks {
    /// Violations by kind.
    pub by_kind: Vec<(String, u64)>,
    /// The first in full.
    pub first: Vec<Violation>,
}

/// How the generator itself fared, in the measured part.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Generator {
    /// CPU seconds of all its threads.
    pub cpu_s: f64,
    /// Its CPU time per delivery in microseconds.
    pub cpu_us_per_delivery: f64,
    /// The same as a share of the server's, if that is known: at most 1 is what the generator is meant to cost.
    #[serde(default)]
    pub cpu_of_server: Option<f64>,
    /// Messages that left the schedule more than 5 ms late.
    pub late_sends: u64,
    /// How late messages left the schedule.
    pub send_lag: Percentiles,
    /// Resident bytes at the end.
    pub rss_bytes: u64,
    /// Each thread.
    pub threads: Vec<Thread>,
    /// Why the generator was the bottleneck, if it was.
    pub limits: Vec<String>,
}

/// One thread of the generator, in the measured part.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Thread {
    /// What it is for.
    pub name: String,
    /// Share of the time on a core.
    pub utilisation: f64,
    /// Share of the time ready to run, but without a core.
    pub starved: f64,
    /// How late its loop ran, 99th percentile; none for the publisher, whose lateness is `send_lag`.
    pub lag_p99_ms: Option<f64>,
}

/// What the server used, in the measured part.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Server {
    /// CPU seconds.
    pub cpu_s: f64,
    /// Cores in use on average.
    pub cores: f64,
    /// CPU time per delivery in microseconds.
    pub cpu_us_per_delivery: f64,
    /// Resident bytes before the first session connected.
    pub rss_before_bytes: u64,
    /// Resident bytes with all sessions ready and no traffic.
    pub rss_idle_bytes: u64,
    /// Resident bytes at the end of the traffic.
    pub rss_bytes: u64,
    /// What a session without traffic adds to the resident bytes.
    pub rss_bytes_per_session: f64,
}

/// Requests beside the messages: typing, and what churn makes.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Aside {
    /// Carried out.
    pub done: u64,
    /// Refused, or given up.
    pub failed: u64,
    /// Left out as too many were under way.
    pub skipped: u64,
}

/// Percentiles in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Median.
    pub p50_ms: f64,
    /// 90th.
    pub p90_ms: f64,
    /// 99th.
    pub p99_ms: f64,
    /// 99.9th.
    pub p999_ms: f64,
    /// Largest.
    pub max_ms: f64,
    /// Mean.
    pub mean_ms: f64,
    /// Values.
    pub count: u64,
}

impl Percentiles {
    /// Of a histogram of microseconds.
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1_000.0;
        Self {
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: histogram.max() as f64 / 1_000.0,
            mean_ms: histogram.mean() / 1_000.0,
            count: histogram.len(),
        }
    }
}

/// `part / whole`, 0 if there is no whole.
pub fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// Prints the report on standard output, warnings and violations of a JSON report also on standard error.
/// Gives the exit status.
pub fn print(report: &Report, json: bool) -> ExitCode {
    if json {
        let text = serde_json::to_string(report);
        println!("{}", text.expect("invariant: a report has no odd keys"));
        eprint!("{}", table::findings(report));
    } else {
        print!("{}{}", table::figures(report), table::findings(report));
    }
    if report.violations == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    }
}
