//! Puts the report together.

use super::Run;
use super::drain::Drained;
use crate::check::{Checker, Kind, finish};
use crate::client::fleet::Finished;
use crate::client::tally::{Counters, histogram};
use crate::clock::SECOND;
use crate::measure::{ServerMemory, Snapshot, Usage, Watched, limits};
use crate::publish::Ledger;
use crate::report::{
    Aside, Checks, Deliveries, Generator, Percentiles, Publishes, Report, Sessions, Settings,
    Timeline,
};

/// What the run itself knows at its end.
pub(super) struct Course {
    /// Microseconds until all sessions were ready.
    pub(super) connect: u64,
    pub(super) watched: Vec<Watched>,
    pub(super) from: Snapshot,
    pub(super) to: Snapshot,
    pub(super) memory: ServerMemory,
    /// Resident bytes of the generator's processes.
    pub(super) own_memory: u64,
    /// Addresses that sessions connected from; 0 if the system chose.
    pub(super) sources: u32,
    pub(super) drained: Drained,
    pub(super) interrupted: bool,
    pub(super) asides: Aside,
    pub(super) timeline: Timeline,
    pub(super) under_way: f64,
}

/// Judges and sums up.
pub(super) fn report(
    run: &Run<'_>,
    course: &Course,
    ledger: Ledger,
    finished: Vec<Finished>,
) -> Report {
    let mut latency = histogram();
    let mut naive = histogram();
    let mut counters = Counters::default();
    let mut lags = Vec::new();
    let mut checkers: Vec<Checker> = Vec::new();
    for worker in finished {
        latency
            .add(&worker.latency)
            .expect("invariant: all histograms have the same bounds");
        naive
            .add(&worker.naive)
            .expect("invariant: all histograms have the same bounds");
        counters.add(&worker.counters);
        lags.push(Some(Percentiles::of(&worker.lag).p99_ms));
        checkers.push(worker.checker);
    }
    lags.push(None);
    let verdict = finish(&checkers, &ledger.outcomes, &ledger.sent);
    let usage = Usage::between(&course.from, &course.to);
    let threads = usage.threads(&course.watched, &lags);
    let send_lag = Percentiles::of(&ledger.late);
    let limits = limits(&threads, ledger.late_sends, send_lag.count);
    let percentiles = Percentiles::of(&latency);
    let kinds = Kind::ALL.into_iter();
    let by_kind = kinds
        .map(|kind| (kind.name().to_owned(), verdict.violations.count(kind)))
        .filter(|(_, count)| *count > 0);
    let sessions = run.plan.sessions.len() as u32;
    let server = usage.server(course.memory, sessions);
    let of_server = server
        .as_ref()
        .filter(|server| server.cpu_us_per_delivery > 0.0)
        .map(|server| usage.generator_per_delivery() / server.cpu_us_per_delivery);
    Report {
        deliveries_per_s: usage.deliveries_per_second(),
        publishes_acked: ledger.counters.acked,
        p50_ms: percentiles.p50_ms,
        p99_ms: percentiles.p99_ms,
        p999_ms: percentiles.p999_ms,
        max_ms: percentiles.max_ms,
        resumes: counters.resumed,
        violations: verdict.violations.total(),
        generator_limited: !limits.is_empty(),
        interrupted: course.interrupted,
        scenario: run.scenario.clone(),
        settings: settings(run, course.sources),
        sessions: Sessions {
            connect_s: course.connect as f64 / SECOND as f64,
            connections: counters.connections,
            connect_failures: counters.connect_failures,
            reidentified: counters.identified.saturating_sub(u64::from(sessions)),
            resumed: counters.resumed,
            zombies: counters.zombies,
            lost: counters.lost,
        },
        publishes: Publishes {
            planned: ledger.outcomes.iter().map(|of| of.len() as u64).sum(),
            counters: ledger.counters,
            recovered: verdict.recovered,
            under_way: course.under_way,
            ack: Percentiles::of(&ledger.acked_after),
            wait: Percentiles::of(&ledger.waited),
            errors: ledger.errors,
        },
        deliveries: Deliveries {
            total: verdict.delivered,
            measured: latency.len(),
            expected: course.drained.expected,
            latency: percentiles,
            latency_from_send: Percentiles::of(&naive),
            per_read: usage.deliveries_per_read(),
            drain_s: course.drained.after as f64 / SECOND as f64,
        },
        checks: Checks {
            by_kind: by_kind.collect(),
            first: verdict.violations.first().to_vec(),
        },
        generator: Generator {
            cpu_s: usage.generator_seconds(),
            cpu_us_per_delivery: usage.generator_per_delivery(),
            cpu_of_server: of_server,
            late_sends: ledger.late_sends,
            send_lag,
            rss_bytes: course.own_memory,
            threads,
            limits,
        },
        server,
        asides: course.asides,
        timeline: course.timeline.clone(),
    }
}

fn settings(run: &Run<'_>, sources: u32) -> Settings {
    let scenario = run.scenario;
    let sessions = run.plan.sessions.len() as u32;
    Settings {
        run: format!("{:08x}", run.id),
        seed: run.seed,
        sessions,
        guilds: scenario.guilds.count,
        guilds_per_session: scenario.guilds.per_session,
        rate: scenario.traffic.rate,
        warmup_s: scenario.phases.warm_up,
        duration_s: scenario.phases.steady,
        payload_bytes: scenario.traffic.payload,
        workers: run.args.workers.get(),
        threads: run.args.threads(sessions),
        source_addresses: sources,
    }
}
