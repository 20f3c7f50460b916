//! `loadgen compare` as a user runs it: with processes of its own, over real sockets.
// A panic is how a test fails; the setting for tests does not reach the helpers of an integration test.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::process::Command;

use guildhall_tests::binary;
use serde_json::Value;

const SESSIONS: u64 = 8;

/// Forty messages a second to all of them, for a second and a quarter.
#[rustfmt::skip]
const LOAD: [&str; 10] = [
    "--sessions", "8", "--rates", "40", "--seconds", "1", "--warmup", "0.25", "--drain", "30",
];

/// Runs a comparison and gives its JSON and its table.
fn compare(name: &str, more: &[&str]) -> (Value, String) {
    let file = std::env::temp_dir().join(format!("compare-{}-{name}.json", std::process::id()));
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(["compare", "--rounds", "1", "--npm", "/nowhere"])
        .args(["--guildhall", binary::path().to_str().unwrap()])
        .args(["--json", file.to_str().unwrap()])
        .args(more)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();
    let report = serde_json::from_str(&text).unwrap();
    (report, String::from_utf8(output.stdout).unwrap())
}

#[test]
fn every_server_gets_the_same_load_and_every_delivery_is_accounted_for() {
    let peers = "floor,ws,actix-chat,guildhall";
    let more = [&["--peers", peers, "--base", "floor"], &LOAD[..]].concat();
    let (report, table) = compare("rates", &more);
    assert_eq!(report["failures"], Value::Array(Vec::new()), "{report:#}");
    let samples = report["samples"].as_array().unwrap();
    let names: Vec<&str> = samples
        .iter()
        .map(|sample| sample["peer"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["floor", "actix-chat", "guildhall"]);
    for sample in samples {
        // Forty a second, for a second and a quarter.
        assert_eq!(sample["messages"], 50, "{sample:#}");
        assert_eq!(sample["expected"], 50 * SESSIONS);
        assert_eq!(sample["delivered"], 50 * SESSIONS);
        assert_eq!(sample["lost"], 0);
        assert_eq!(sample["duplicates"], 0);
        // Only what was intended in the measured second; the edges fall on messages.
        let measured = sample["latency"]["count"].as_u64().unwrap();
        assert_eq!(measured, 40 * SESSIONS);
        assert!(sample["cpu_us_per_delivery"].as_f64().unwrap() > 0.0);
        assert!(sample["wire_bytes"].as_f64().unwrap() >= 200.0);
        let acked = if sample["peer"] == "guildhall" {
            Value::from(50)
        } else {
            Value::Null
        };
        assert_eq!(sample["acked"], acked);
    }
    let skipped: Vec<&Value> = report["peers"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|peer| !peer["skipped"].is_null())
        .collect();
    assert_eq!(skipped.len(), 1);
    assert_eq!(skipped[0]["name"], "ws");
    assert!(table.contains("ws: skipped, not installed"), "{table}");
    assert!(table.contains("| 40 | guildhall |"), "{table}");
}

#[test]
#[ignore = "needs npm ci --ignore-scripts --prefix loadgen/peers/soketi"]
fn a_server_of_the_pusher_protocol_gets_it_too() {
    let more = [&["--peers", "soketi", "--base", "soketi"], &LOAD[..]].concat();
    let (report, _) = compare("soketi", &more);
    assert_eq!(report["failures"], Value::Array(Vec::new()), "{report:#}");
    let sample = &report["samples"][0];
    assert_eq!(sample["peer"], "soketi");
    assert_eq!(sample["delivered"], 50 * SESSIONS);
    assert_eq!(sample["duplicates"], 0);
}

#[test]
fn one_message_reaches_everyone_and_is_set_against_the_floor() {
    let (report, table) = compare(
        "spread",
        &[
            "--peers",
            "floor,guildhall",
            "--spread",
            "30",
            "--drain",
            "30",
        ],
    );
    assert_eq!(report["failures"], Value::Array(Vec::new()), "{report:#}");
    let shots = report["shots"].as_array().unwrap();
    assert_eq!(shots.len(), 2);
    for shots in shots {
        assert_eq!(shots["sessions"], 30);
        assert_eq!(shots["all"].as_array().unwrap().len(), 5);
        assert!(shots["floor_ratio"].as_f64().unwrap() > 0.0);
    }
    assert!(table.contains("first to last delivery"), "{table}");
}

#[test]
fn what_connections_take_of_the_memory_is_told() {
    let more = ["--peers", "actix-chat", "--memory", "300", "--rest", "1"];
    let (report, table) = compare("memory", &more);
    assert_eq!(report["failures"], Value::Array(Vec::new()), "{report:#}");
    let footprint = &report["footprints"][0];
    assert_eq!(footprint["sessions"], 300);
    // An actor for each of them is not for nothing.
    for moment in ["subscribed", "idle", "burst", "rested"] {
        let bytes = footprint[moment]["median"].as_f64().unwrap();
        assert!((1_000.0..100_000.0).contains(&bytes), "{report:#}");
    }
    assert!(table.contains("| actix-chat |"), "{table}");
}

#[test]
fn what_does_not_exist_is_refused_by_name() {
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(["compare", "--peers", "nobody"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("no peer nobody"), "{errors}");
}
