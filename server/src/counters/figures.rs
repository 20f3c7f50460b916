//! The figures as plain data: what the live feed pushes.

use serde::Serialize;

use super::labels::{
    EphemeralKind, Label, RequestOutcome, ResumeOutcome, SessionState, StatusClass,
};
use super::latency::LatencyCounts;
use super::{Counters, ProcessFigures};

/// The node's figures at one moment: totals since the start, and what is there now.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[allow(missing_docs)] // each field is the figure of the same name in `Counters`
pub struct Figures {
    pub publishes: u64,
    pub deliveries: u64,
    pub writes: u64,
    pub bytes_out: u64,
    pub frames_in: u64,
    pub bytes_in: u64,
    pub sessions_connected: i64,
    pub sessions_active: i64,
    pub sessions_detached: i64,
    pub compressed_connections: i64,
    pub identifies: u64,
    pub resumes_whole: u64,
    pub resumes_refused: u64,
    pub lane_overflows: u64,
    pub ephemeral_dropped: u64,
    pub upgrades_held: u64,
    pub upgrades_refused: u64,
    pub guilds_running: i64,
    pub guild_restarts: u64,
    pub guild_requests_ok: u64,
    pub guild_requests_refused: u64,
    pub guild_requests_unavailable: u64,
    pub mail_refused: u64,
    pub append_failures: u64,
    pub rest_requests: u64,
    pub rest_errors: u64,
    pub rest_limited: u64,
    /// What the process uses, where the system tells.
    pub process: Option<ProcessFigures>,
    #[serde(skip)]
    append: LatencyCounts,
    #[serde(skip)]
    publish_ack: LatencyCounts,
    #[serde(skip)]
    rest: LatencyCounts,
}

impl Figures {
    /// Reads all figures. They are read one after the other: a sum over two may be off by what
    /// happens in between.
    pub fn read(counters: &Counters) -> Self {
        let rest = |class| counters.rest_requests.of(class).get();
        Self {
            publishes: counters.publishes.get(),
            deliveries: counters.deliveries.get(),
            writes: counters.writes.get(),
            bytes_out: counters.bytes_out.get(),
            frames_in: counters.frames_in.get(),
            bytes_in: counters.bytes_in.get(),
            sessions_connected: counters.sessions.of(SessionState::Connected).get(),
            sessions_active: counters.sessions.of(SessionState::Active).get(),
            sessions_detached: counters.sessions.of(SessionState::Detached).get(),
            compressed_connections: counters.compressed_connections.get(),
            identifies: counters.identifies.get(),
            resumes_whole: counters.resumes.of(ResumeOutcome::Whole).get(),
            resumes_refused: counters.resumes.of(ResumeOutcome::Refused).get(),
            lane_overflows: counters.lane_overflows.get(),
            ephemeral_dropped: EphemeralKind::ALL
                .iter()
                .map(|kind| counters.ephemeral_dropped.of(*kind).get())
                .sum(),
            upgrades_held: counters.upgrades_held.get(),
            upgrades_refused: counters.upgrades_refused.get(),
            guilds_running: counters.guilds_running.get(),
            guild_restarts: counters.guild_restarts.get(),
            guild_requests_ok: counters.guild_requests.of(RequestOutcome::Ok).get(),
            guild_requests_refused: counters.guild_requests.of(RequestOutcome::Refused).get(),
            guild_requests_unavailable: counters
                .guild_requests
                .of(RequestOutcome::Unavailable)
                .get(),
            mail_refused: counters.mail_refused.get(),
            append_failures: counters.append_failures.get(),
            rest_requests: counters.rest_requests.total(),
            rest_errors: rest(StatusClass::ServerError),
            rest_limited: counters.rest_limited.get(),
            process: ProcessFigures::read(),
            append: counters.append_seconds.counts(),
            publish_ack: counters.publish_ack_seconds.counts(),
            rest: counters.rest_seconds.counts(),
        }
    }

    /// What happened between an earlier moment and this one, `seconds` later.
    pub fn rates(&self, earlier: &Self, seconds: f64) -> Rates {
        let rate = |now: u64, before: u64| {
            if seconds > 0.0 {
                now.saturating_sub(before) as f64 / seconds
            } else {
                0.0
            }
        };
        let cpu = |figures: &Self| figures.process.map_or(0.0, |process| process.cpu_seconds);
        let writes = self.writes.saturating_sub(earlier.writes);
        let deliveries = self.deliveries.saturating_sub(earlier.deliveries);
        Rates {
            publishes: rate(self.publishes, earlier.publishes),
            deliveries: rate(self.deliveries, earlier.deliveries),
            writes: rate(self.writes, earlier.writes),
            bytes_out: rate(self.bytes_out, earlier.bytes_out),
            rest_requests: rate(self.rest_requests, earlier.rest_requests),
            deliveries_per_write: (writes > 0).then(|| deliveries as f64 / writes as f64),
            cpu_cores: if seconds > 0.0 {
                (cpu(self) - cpu(earlier)) / seconds
            } else {
                0.0
            },
            append: LatencyFigures::of(&self.append.since(&earlier.append)),
            publish_ack: LatencyFigures::of(&self.publish_ack.since(&earlier.publish_ack)),
            rest: LatencyFigures::of(&self.rest.since(&earlier.rest)),
        }
    }
}

/// What happened in an interval, per second of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rates {
    /// Events that guilds handed to hubs.
    pub publishes: f64,
    /// Dispatch frames handed to lanes.
    pub deliveries: f64,
    /// Writes to gateway sockets.
    pub writes: f64,
    /// Bytes written to gateway sockets.
    pub bytes_out: f64,
    /// REST requests.
    pub rest_requests: f64,
    /// Dispatch frames per write in the interval; none where nothing was written.
    pub deliveries_per_write: Option<f64>,
    /// CPU seconds per second.
    pub cpu_cores: f64,
    /// Appends in the interval.
    pub append: LatencyFigures,
    /// Messages in the interval, from arrival to acknowledgement.
    pub publish_ack: LatencyFigures,
    /// REST requests in the interval.
    pub rest: LatencyFigures,
}

/// Durations in an interval.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LatencyFigures {
    /// How many.
    pub count: u64,
    /// Half took at most this many milliseconds.
    pub p50_ms: Option<f64>,
    /// 99 of 100 took at most this many milliseconds.
    pub p99_ms: Option<f64>,
}

impl LatencyFigures {
    fn of(counts: &LatencyCounts) -> Self {
        Self {
            count: counts.count(),
            p50_ms: counts.quantile_ms(0.5),
            p99_ms: counts.quantile_ms(0.99),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn rates_are_of_the_interval_alone() {
        let counters = Counters::default();
        counters.deliveries.inc_by(1_000);
        counters.append_seconds.observe(Duration::from_secs(5));
        let before = Figures::read(&counters);
        counters.deliveries.inc_by(500);
        counters.writes.inc_by(50);
        counters.rest_answered(200);
        counters.append_seconds.observe(Duration::from_millis(1));
        let after = Figures::read(&counters);
        let rates = after.rates(&before, 2.0);
        assert_eq!(after.deliveries, 1_500);
        assert!((rates.deliveries - 250.0).abs() < f64::EPSILON);
        assert_eq!(rates.deliveries_per_write, Some(10.0));
        assert_eq!(rates.append.count, 1);
        assert!(rates.append.p99_ms.unwrap() <= 1.0);
        assert_eq!(rates.publish_ack.p50_ms, None);
        assert!((after.rates(&before, 0.0).deliveries).abs() < f64::EPSILON);
    }
}
