//! One run of one server: what it took, and whether it counts.

use serde::Serialize;

use super::engine::{Edge, Outcome};
use crate::measure;
use crate::procfs::CpuTime;
use crate::report::{Percentiles, Thread, ratio};

/// What the server had used at one edge of the measured time.
#[derive(Debug, Clone)]
pub(super) struct Used {
    pub(super) edge: Edge,
    /// The server's threads.
    pub(super) server: crate::procfs::ProcessCpu,
    /// The generator's thread.
    pub(super) generator: CpuTime,
    /// Times that the server's threads went to sleep.
    pub(super) sleeps: u64,
    /// Nanoseconds that the server's and the generator's core had been busy, where they have one.
    pub(super) busy: Option<(u64, u64)>,
}

/// Resident bytes of the server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    /// Before the first connection.
    pub(super) before: u64,
    /// With all connections subscribed and no traffic yet.
    pub(super) idle: u64,
    /// After the load.
    pub(super) after: u64,
}

/// One run. Times are in milliseconds unless the name says otherwise.
#[derive(Debug, Clone, Serialize)]
pub struct Sample {
    /// The server.
    pub peer: &'static str,
    /// Messages per second asked for.
    pub rate: f64,
    /// Round, from 1.
    pub round: u32,
    /// Whether all that was sent came, once, and the generator was not the limit.
    pub counts: bool,
    /// Why not.
    pub reasons: Vec<String>,
    /// Messages of the schedule.
    pub messages: u64,
    /// Those answered with success, where answers are given.
    pub acked: Option<u64>,
    /// Deliveries that are due.
    pub expected: u64,
    /// Deliveries that came.
    pub delivered: u64,
    /// Those that did not.
    pub lost: u64,
    /// Messages that came again.
    pub duplicates: u64,
    /// Deliveries per second due in the measured time.
    pub due_per_s: f64,
    /// Deliveries per second that came in it.
    pub deliveries_per_s: f64,
    /// CPU microseconds of the server, all threads, for each delivery in the measured time.
    pub cpu_us_per_delivery: f64,
    /// Cores that the server used.
    pub cores: f64,
    /// Share of the time that the server's threads were ready but had no core.
    pub starved: f64,
    /// Shares of the server's and of the generator's core that other processes took; none where nothing is pinned.
    pub others: Option<(f64, f64)>,
    /// Share of the time, warm-up included, in which the two cores shared no cache; none where nothing is pinned.
    pub apart: Option<f64>,
    /// Times that the server's threads went to sleep, for each 1,000 deliveries.
    pub sleeps_per_1000: f64,
    /// Bytes on the wire for each delivery, headers of frames included.
    pub wire_bytes: f64,
    /// Deliveries for each read of the generator's.
    pub per_read: f64,
    /// Intended time to reception.
    pub latency: Percentiles,
    /// What a connection without traffic adds to the server's resident bytes.
    pub rss_per_connection: f64,
    /// The server's resident bytes after the load.
    pub rss: u64,
    /// Messages that left more than 5 ms late.
    pub late: u64,
    /// The generator's thread.
    pub generator: Thread,
    /// CPU microseconds of the generator for each delivery.
    pub generator_us_per_delivery: f64,
}

/// What identifies a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject {
    pub(super) peer: &'static str,
    pub(super) rate: f64,
    pub(super) round: u32,
    pub(super) receivers: u32,
}

impl Sample {
    /// From what was seen.
    pub(super) fn new(
        subject: Subject,
        outcome: &Outcome,
        from: &Used,
        to: &Used,
        memory: Memory,
    ) -> Self {
        let nanoseconds = (to.edge.at - from.edge.at) as f64 * 1_000.0;
        let seconds = nanoseconds / 1e9;
        let delivered = (to.edge.delivered - from.edge.delivered) as f64;
        let server = to.server.since(&from.server);
        let own = to.generator.since(from.generator);
        let generator = Thread {
            name: "generator".to_owned(),
            utilisation: ratio(own.ran as f64, nanoseconds),
            starved: ratio(own.waited as f64, nanoseconds),
            lag_p99_ms: Some(outcome.turns.value_at_quantile(0.99) as f64 / 1_000.0),
        };
        let mut reasons = losses(outcome);
        let limits = measure::limits(
            std::slice::from_ref(&generator),
            outcome.late,
            outcome.planned,
        );
        let limits = limits
            .into_iter()
            .map(|limit| format!("generator: {limit}"));
        reasons.extend(limits);
        let grown = memory.idle.saturating_sub(memory.before) as f64;
        Self {
            peer: subject.peer,
            rate: subject.rate,
            round: subject.round,
            counts: reasons.is_empty(),
            reasons,
            messages: outcome.planned,
            acked: outcome.acked,
            expected: outcome.expected,
            delivered: outcome.delivered,
            lost: outcome.expected.saturating_sub(outcome.delivered),
            duplicates: outcome.duplicates,
            due_per_s: subject.rate * f64::from(subject.receivers),
            deliveries_per_s: ratio(delivered, seconds),
            cpu_us_per_delivery: ratio(server.ran as f64 / 1_000.0, delivered),
            cores: ratio(server.ran as f64, nanoseconds),
            starved: ratio(server.waited as f64, nanoseconds),
            others: to.busy.zip(from.busy).map(|(to, from)| {
                let others = |busy: u64, own: u64| {
                    (ratio(busy as f64 - own as f64, nanoseconds)).clamp(0.0, 1.0)
                };
                (
                    others(to.0 - from.0, server.ran),
                    others(to.1 - from.1, own.ran),
                )
            }),
            apart: None,
            sleeps_per_1000: ratio(
                (to.sleeps - from.sleeps.min(to.sleeps)) as f64 * 1_000.0,
                delivered,
            ),
            wire_bytes: ratio((to.edge.wire - from.edge.wire) as f64, delivered),
            per_read: ratio(delivered, (to.edge.reads - from.edge.reads) as f64),
            latency: Percentiles::of(&outcome.latency),
            rss_per_connection: ratio(grown, f64::from(subject.receivers)),
            rss: memory.after,
            late: outcome.late,
            generator,
            generator_us_per_delivery: ratio(own.ran as f64 / 1_000.0, delivered),
        }
    }

    /// Whether the generator was the limit.
    pub(super) fn is_generator_limited(&self) -> bool {
        self.reasons.iter().any(|reason| is_generators(reason))
    }

    /// Whether every delivery came, once, even if the generator was the limit.
    pub(super) fn is_whole(&self) -> bool {
        self.reasons.iter().all(|reason| is_generators(reason))
    }
}

fn is_generators(reason: &str) -> bool {
    reason.starts_with("generator")
}

/// What went wrong on the way of the messages, in words.
fn losses(outcome: &Outcome) -> Vec<String> {
    let mut reasons = Vec::new();
    let missing = outcome.expected.saturating_sub(outcome.delivered);
    if missing > 0 {
        reasons.push(format!(
            "{missing} of {} deliveries did not come in time",
            outcome.expected
        ));
    }
    for (count, what) in [
        (outcome.duplicates, "deliveries came again"),
        (outcome.strays, "messages were not of this load"),
        (outcome.unsent, "messages could not be sent"),
    ] {
        if count > 0 {
            reasons.push(format!("{count} {what}"));
        }
    }
    if outcome.failed > 0 {
        reasons.push(format!(
            "{} messages were not taken, first: {}",
            outcome.failed,
            outcome.error.as_deref().unwrap_or("-")
        ));
    }
    if let Some(acked) = outcome.acked
        && acked + outcome.failed + outcome.unsent < outcome.planned
    {
        reasons.push("not every message was answered in time".to_owned());
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::tally::histogram;

    fn outcome() -> Outcome {
        Outcome {
            planned: 10,
            unsent: 0,
            acked: Some(10),
            failed: 0,
            error: None,
            late: 0,
            expected: 20,
            delivered: 20,
            duplicates: 0,
            strays: 0,
            latency: histogram(),
            turns: histogram(),
            span: None,
            start: 0,
        }
    }

    #[test]
    fn nothing_that_went_wrong_is_passed_over() {
        assert!(losses(&outcome()).is_empty());
        let wrong: [fn(&mut Outcome); 6] = [
            |outcome| outcome.delivered = 19,
            |outcome| outcome.duplicates = 1,
            |outcome| outcome.strays = 1,
            |outcome| outcome.unsent = 1,
            |outcome| (outcome.acked, outcome.failed) = (Some(9), 1),
            |outcome| outcome.acked = Some(9),
        ];
        for wrong in wrong {
            let mut outcome = outcome();
            wrong(&mut outcome);
            assert_eq!(losses(&outcome).len(), 1, "{outcome:?}");
        }
    }
}
