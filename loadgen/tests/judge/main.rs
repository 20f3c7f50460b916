//! The judge on real servers: servers that are broken on purpose, killed, stopped, and left alone.
// A panic is how a test fails; the setting for tests does not reach the helpers of an integration test.
#![allow(clippy::unwrap_used)]

mod workers;

use std::collections::BTreeSet;
use std::fs;
use std::thread;

use clap::Parser as _;
use guildhall_loadgen::check::history;
use guildhall_loadgen::cli::{Cli, Command};
use guildhall_loadgen::report::Report;
use guildhall_loadgen::run::{RunArgs, run};
use guildhall_tests::{Admin, Server, Setup, binary, eventually};
use serde_json::Value;

/// One guild of twelve, of whom five see a private channel.
const SCENARIO: &str = r#"
name = "judged"
sessions = 12

[guilds]
count = 1
private = { guilds = 1, insiders = 0.4, traffic = 0.5 }

[traffic]
rate = 50

[phases]
warm_up = 0
steady = 4
"#;

/// All connections break after a second, and come back within another one.
const STORM: &str = "\n[storm]\nat = [1]\njitter = [1]\n";

fn args(line: &str) -> RunArgs {
    let line = format!("loadgen run --threads 2 --seed 5 {line}");
    let Command::Run(args) = Cli::try_parse_from(line.split_whitespace())
        .unwrap()
        .command
    else {
        panic!("another command");
    };
    *args
}

fn against(server: &Server, more: &str) -> RunArgs {
    let line = server.line();
    args(&format!(
        "--api {} --admin {} --admin-token {} {more}",
        line.api, line.admin, line.admin_token
    ))
}

/// The guild that the run made.
async fn guild(server: &Server, admin: &Admin) -> String {
    let demo = &server.line().guild_id;
    eventually("the run makes its guild", || async {
        let listed = admin.rest.get("/admin/v1/guilds").await.ok();
        let guilds = listed["guilds"].as_array().cloned().unwrap_or_default();
        let ids = guilds.iter().filter_map(|guild| guild["id"].as_str());
        ids.map(str::to_owned).find(|id| id != demo)
    })
    .await
}

/// A run of the scenario on a server that does wrong at this point so often; and the same judged again from its record.
async fn broken(point: &str, times: u32, more: &str) -> Report {
    let server = Setup::new().faults().start();
    let admin = Admin::of(&server);
    let folder = tempfile::tempdir().unwrap();
    let (file, record) = (folder.path().join("s.toml"), folder.path().join("history"));
    fs::write(&file, format!("{SCENARIO}{more}")).unwrap();
    let settings = format!(
        "--scenario {} --record {} --drain-timeout 8",
        file.display(),
        record.display()
    );
    let args = against(&server, &settings);
    let runs = thread::spawn(move || run(&args).unwrap());
    let guild = guild(&server, &admin).await;
    admin.fault(&guild, point, times).await;
    let report = tokio::task::spawn_blocking(|| runs.join().unwrap())
        .await
        .unwrap();
    let again = history::check(fs::read(&record).unwrap().as_slice()).unwrap();
    assert_eq!(again.violations.total(), report.violations);
    assert_eq!(again.violations.first().len(), report.checks.first.len());
    report
}

/// Asserts that exactly these kinds were found.
fn found(report: &Report, kinds: &[&str]) {
    let kinds: BTreeSet<&str> = kinds.iter().copied().collect();
    let found = report.checks.by_kind.iter();
    let found: BTreeSet<&str> = found.map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(found, kinds, "{:#?}", report.checks);
    assert!(!report.checks.first.is_empty());
}

/// A run with one fault, which is found as one violation of this kind and as nothing else.
async fn found_once(point: &str, kind: &str) -> Report {
    let report = broken(point, 1, "").await;
    found(&report, &[kind]);
    assert_eq!(report.violations, 1);
    report
}

#[tokio::test]
async fn a_dropped_delivery_is_found() {
    found_once("drop_delivery", "loss").await;
}

#[tokio::test]
async fn a_doubled_delivery_is_found() {
    found_once("duplicate_delivery", "duplicate").await;
}

#[tokio::test]
async fn swapped_deliveries_are_found() {
    found_once("swap_deliveries", "reorder").await;
}

#[tokio::test]
async fn a_leaked_private_message_is_found() {
    let report = found_once("leak_delivery", "leak").await;
    let first = &report.checks.first[0];
    assert!(first.expected.contains("may not see"), "{first}");
}

#[tokio::test]
async fn a_message_that_is_lost_after_its_acknowledgement_is_found() {
    let report = broken("lose_delivery", 4, "").await;
    found(&report, &["loss"]);
    assert!(report.violations > 1);
    assert_eq!(report.publishes_acked, report.publishes.planned);
}

#[tokio::test]
async fn a_partial_replay_is_found() {
    let report = broken("partial_replay", 1, STORM).await;
    found(&report, &["gap", "loss"]);
}

#[tokio::test]
async fn a_server_that_does_right_is_left_in_peace_through_a_storm() {
    let server = Setup::new().faults().start();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.toml");
    fs::write(&file, format!("{SCENARIO}{STORM}")).unwrap();
    let settings = format!("--scenario {}", file.display());
    let args = against(&server, &settings);
    let report = tokio::task::spawn_blocking(move || run(&args).unwrap());
    let report = report.await.unwrap();
    assert_eq!(report.violations, 0, "{:#?}", report.checks);
    assert_eq!(report.resumes, 12);
    assert_eq!(report.deliveries.total, report.deliveries.expected);
}

fn on_its_own(more: &str) -> Report {
    let server = binary::path();
    run(&args(&format!("--server {} {more}", server.display()))).unwrap()
}

#[test]
fn a_stopped_server_shows_in_the_latency_and_not_in_the_naive_one() {
    let report = on_its_own(
        "--sessions 20 --rate 50 --warmup 0 --duration 5 --in-flight 4 --fault stop=2@1",
    );
    assert_eq!(report.violations, 0, "{:#?}", report.checks);
    let (intended, naive) = (
        report.deliveries.latency,
        report.deliveries.latency_from_send,
    );
    // A hundred of 250 messages were due while the server stood still. Four of them were under way.
    assert!(intended.p90_ms > 1_000.0, "{intended:?}");
    assert!(
        naive.p90_ms < intended.p90_ms / 2.0,
        "{naive:?} {intended:?}"
    );
    let marks = &report.timeline.marks;
    assert!(marks.len() == 1 && marks[0].error.is_none(), "{marks:?}");
    assert!(marks[0].to_s - marks[0].from_s >= 2.0);
}

#[test]
fn nothing_is_lost_over_a_kill_a_restart_and_cut_connections() {
    let report = on_its_own(
        "--sessions 20 --guilds 4 --rate 40 --warmup 0 --duration 8 --fault kill=0.2@1 --fault restart@4 --fault cut@6",
    );
    assert_eq!(report.violations, 0, "{:#?}", report.checks);
    let marks = &report.timeline.marks;
    assert_eq!(marks.len(), 3);
    assert!(marks.iter().all(|mark| mark.error.is_none()), "{marks:?}");
    assert!(report.resumes > 0);
}

#[test]
fn every_bundled_scenario_runs_with_one_command_and_finds_nothing() {
    for name in guildhall_loadgen::scenario::names() {
        let folder = tempfile::tempdir().unwrap();
        let report = on_its_own(&format!(
            "--scenario {name} --sessions 60 --duration 4 --warmup 0.5 --drain-timeout 5"
        ));
        assert_eq!(report.violations, 0, "{name}: {:#?}", report.checks);
        assert!(report.deliveries.total > 0, "{name}");
        assert_eq!(report.asides.failed, 0, "{name}");
        assert!(!report.timeline.samples.is_empty());
        let text = serde_json::to_string(&report).unwrap();
        let again: Report = serde_json::from_str(&text).unwrap();
        assert_eq!(
            serde_json::to_value(&again).unwrap(),
            serde_json::from_str::<Value>(&text).unwrap()
        );
        drop(folder);
    }
}
