//! What NATS carries for each event, at several numbers of sessions.

use std::time::Duration;

use serde_json::{Value, json};

use super::Options;
use super::house::House;
use super::load::Load;

/// How much more may be carried for each event at the most sessions than at the fewest.
const GROWTH: f64 = 1.5;

/// Has notes of sessions stay out of what is counted for events: they are written in an interval, not for an event.
const NO_NOTES: &str = "cluster.session_note_ms=600000";

/// Measures, prints a table and the same as JSON, and gives what was wrong.
pub(super) async fn run(options: &Options) -> Vec<String> {
    let seconds = options.quiet.unwrap_or(15);
    let seed = options.seed.unwrap_or(1);
    let mut faults = Vec::new();
    let mut rows: Vec<Value> = Vec::new();
    println!(
        "| sessions | deliveries/s | bytes into NATS per event | bytes out of NATS per event |"
    );
    println!("|---|---|---|---|");
    let mut without_notes = options.clone();
    without_notes.set.push(NO_NOTES.to_owned());
    let mut last = None;
    for sessions in &options.bytes {
        let measured = measure(&without_notes, *sessions, seconds, seed).await;
        let Measured { idle, busy, report } = match measured {
            Ok(measured) => measured,
            Err(fault) => {
                faults.push(fault);
                return faults;
            }
        };
        last = Some((*sessions, busy));
        let rate = f64::from(options.rate);
        let (into, out) = ((busy.0 - idle.0) / rate, (busy.1 - idle.1) / rate);
        let deliveries = report["deliveries_per_s"].as_f64().unwrap_or(0.0);
        println!("| {sessions} | {deliveries:.0} | {into:.0} | {out:.0} |");
        if report["violations"] != 0 {
            faults.push(format!("violations: {}", report["checks"]));
        }
        rows.push(json!({
            "sessions": sessions, "guilds": options.guilds, "rate": options.rate, "seconds": seconds,
            "deliveries_per_s": deliveries, "nats_in_bytes_per_event": into, "nats_out_bytes_per_event": out,
            "idle_in_bytes_per_s": idle.0, "idle_out_bytes_per_s": idle.1,
            "p99_ms": report["p99_ms"], "violations": report["violations"],
        }));
    }
    if let Some((sessions, without)) = last {
        match measure(options, sessions, seconds, seed).await {
            Ok(with) => {
                let of_thousand =
                    |with: f64, without: f64| (with - without) * 1_000.0 / f64::from(sessions);
                println!(
                    "notes of sessions, bytes/s per 1,000 sessions that all get something: {:.0} into NATS, {:.0} out of it",
                    of_thousand(with.busy.0, without.0),
                    of_thousand(with.busy.1, without.1)
                );
            }
            Err(fault) => faults.push(fault),
        }
    }
    println!("{}", Value::from(rows.clone()));
    let carried = |row: &Value| row["nats_out_bytes_per_event"].as_f64().unwrap_or(f64::MAX);
    if let (Some(first), Some(last)) = (rows.first(), rows.last())
        && carried(last) > GROWTH * carried(first)
    {
        faults.push("what NATS carries for an event grows with the sessions".to_owned());
    }
    faults
}

/// What was measured: bytes per second into and out of NATS, and the load's report.
struct Measured {
    idle: (f64, f64),
    busy: (f64, f64),
    report: Value,
}

async fn measure(
    options: &Options,
    sessions: u32,
    seconds: u64,
    seed: u64,
) -> Result<Measured, String> {
    let house = House::start(options).await;
    let idle = traffic(&house, 5).await;
    let load = Load::start(&house, options, sessions, seed).await;
    // Sessions that have just come are not what is measured.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let busy = traffic(&house, seconds).await;
    let (report, said) = load.end().await;
    let report = report.ok_or_else(|| format!("no report:\n{}", said.join("\n")))?;
    Ok(Measured { idle, busy, report })
}

/// Bytes into and out of all NATS servers, per second.
async fn traffic(house: &House, seconds: u64) -> (f64, f64) {
    let before = total(house).await;
    let began = std::time::Instant::now();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let after = total(house).await;
    let took = began.elapsed().as_secs_f64();
    let rate = |before: u64, after: u64| after.saturating_sub(before) as f64 / took;
    (rate(before.0, after.0), rate(before.1, after.1))
}

async fn total(house: &House) -> (u64, u64) {
    let mut sum = (0, 0);
    for server in &house.nats {
        let (into, out) = server.bytes().await;
        sum = (sum.0 + into, sum.1 + out);
    }
    sum
}
