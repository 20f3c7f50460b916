//! Whole runs against a small gateway of the tests' own, which does right, or wrong in a chosen way.
// A panic is how a test fails; the setting for tests does not reach the helpers of an integration test.
#![allow(clippy::unwrap_used)]

mod fake;
mod gateway;
mod workers;

use clap::Parser as _;
use guildhall_loadgen::cli::{Cli, Command};
use guildhall_loadgen::report::Report;
use guildhall_loadgen::run::{RunArgs, run};

use fake::{Fake, Fault};

const SESSIONS: u64 = 12;
const GUILDS: u64 = 3;

fn arguments(fake: &Fake) -> Vec<String> {
    let text = format!(
        "loadgen run --api {}/api/v10 --admin {} --admin-token secret --sessions {SESSIONS} --guilds {GUILDS} \
         --rate 150 --duration 1 --warmup 0.2 --threads 2 --seed 7 --in-flight 8",
        fake.http, fake.http
    );
    text.split_whitespace().map(str::to_owned).collect()
}

/// The arguments of a run of three seconds, without the program's name.
fn longer(fake: &Fake) -> Vec<String> {
    let mut longer = arguments(fake).split_off(1);
    let duration = longer.iter().position(|argument| argument == "--duration");
    longer[duration.unwrap() + 1] = 3.to_string();
    longer
}

fn args(fake: &Fake, more: &[&str]) -> RunArgs {
    let all = arguments(fake);
    let all = all.iter().map(String::as_str).chain(more.iter().copied());
    let Command::Run(args) = Cli::try_parse_from(all).unwrap().command else {
        panic!("another command");
    };
    *args
}

/// A run against a gateway with this fault.
fn run_with(fault: Fault, more: &[&str]) -> (Report, Fake) {
    let fake = Fake::start(fault);
    let report = run(&args(&fake, more)).unwrap();
    (report, fake)
}

/// Asserts that the run found this kind of violation, and nothing else.
fn finds(fault: Fault, kind: &str) -> Report {
    let (report, _) = run_with(fault, &["--drain-timeout", "5"]);
    let kinds: Vec<&str> = report
        .checks
        .by_kind
        .iter()
        .map(|(kind, _)| kind.as_str())
        .collect();
    assert_eq!(kinds, [kind], "{:#?}", report.checks.first);
    assert!(report.violations > 0);
    report
}

fn assert_clean(report: &Report) {
    assert_eq!(report.violations, 0, "{:#?}", report.checks);
    assert_eq!(report.publishes_acked, 180);
    assert_eq!(report.deliveries.expected, 180 * SESSIONS / GUILDS);
    assert_eq!(report.deliveries.total, report.deliveries.expected);
}

#[test]
fn a_correct_gateway_passes_and_the_guilds_are_removed() {
    let (report, fake) = run_with(Fault::None, &[]);
    assert_clean(&report);
    // 150 messages of the measured second, to four sessions each.
    assert_eq!(report.deliveries.measured, 600);
    // All 720 at most; how many came within the second depends on the machine's mood.
    assert!((100.0..=720.0).contains(&report.deliveries_per_s));
    assert!(report.p50_ms > 0.0 && report.p50_ms <= report.p99_ms);
    assert!(report.p99_ms <= report.max_ms);
    assert_eq!(fake.guilds(), 0);
    assert_eq!(report.generator.threads.len(), 3);
}

#[test]
fn messages_in_another_key_order_are_understood() {
    assert_clean(&run_with(Fault::OtherKeyOrder, &[]).0);
}

#[test]
fn sessions_of_several_guilds_get_all_of_them() {
    let (report, _) = run_with(Fault::None, &["--guilds-per-session", "2"]);
    assert_eq!(report.violations, 0, "{:#?}", report.checks);
    assert_eq!(report.deliveries.total, 180 * 2 * SESSIONS / GUILDS);
}

#[test]
fn heartbeats_are_sent_and_a_silent_gateway_is_left_and_resumed() {
    let (report, fake) = run_with(Fault::FastHeartbeat, &[]);
    assert_clean(&report);
    assert!(fake.heartbeats() > SESSIONS);
    assert_eq!(report.resumes, 0);
    // No acknowledgement to one session at first: its connection counts as dead.
    let (report, _) = run_with(Fault::UnansweredHeartbeat, &[]);
    assert_clean(&report);
    assert!(report.sessions.zombies > 0);
    assert!(report.resumes > 0);
}

#[test]
fn the_check_goes_on_across_op_7() {
    let (report, _) = run_with(Fault::Reconnect, &[]);
    assert_clean(&report);
    assert_eq!(report.resumes, SESSIONS);
    assert_eq!(report.sessions.reidentified, 0);
}

#[test]
fn the_check_goes_on_across_a_broken_connection() {
    let (report, _) = run_with(Fault::Cut, &[]);
    assert_clean(&report);
    assert_eq!(report.resumes, SESSIONS);
}

#[test]
fn a_session_that_cannot_be_resumed_begins_anew_from_its_snapshot() {
    let (report, _) = run_with(Fault::Invalidate, &[]);
    assert_eq!(report.violations, 0, "{:#?}", report.checks);
    assert_eq!(report.sessions.reidentified, SESSIONS);
    assert!(report.deliveries.total < report.deliveries.expected);
}

#[test]
fn a_rate_limited_message_is_sent_again_and_its_wait_counts() {
    let (report, _) = run_with(Fault::Limit, &[]);
    assert_clean(&report);
    assert!(report.publishes.counters.rate_limited > 0);
    assert!(report.max_ms >= 200.0, "{}", report.max_ms);
}

#[test]
fn a_message_whose_answer_was_lost_is_sent_again_with_its_nonce() {
    let (report, _) = run_with(Fault::ForgetAnswer, &[]);
    assert_clean(&report);
    assert!(report.publishes.counters.retries > 0);
}

#[test]
fn a_stall_is_charged_from_the_intended_time() {
    let (report, _) = run_with(Fault::Stall, &[]);
    assert_clean(&report);
    // Half a second's stall hits the messages that were due in it, not just the few that were under way.
    assert!(report.max_ms >= 450.0, "{}", report.max_ms);
    assert!(
        report.deliveries.latency.p90_ms >= 250.0,
        "{:?}",
        report.deliveries.latency
    );
}

#[test]
fn finds_a_dropped_message() {
    let report = finds(Fault::Drop, "loss");
    assert_eq!(report.violations, 1);
    let first = &report.checks.first[0];
    assert!(first.session.is_some() && first.guild.is_some());
}

#[test]
fn finds_a_dropped_frame() {
    let (report, _) = run_with(Fault::DropFrame, &["--drain-timeout", "5"]);
    let found = [("gap".to_owned(), 1), ("loss".to_owned(), 1)];
    assert_eq!(report.checks.by_kind, found);
}

#[test]
fn finds_a_duplicate() {
    assert_eq!(finds(Fault::Duplicate, "duplicate").violations, 1);
}

#[test]
fn finds_a_reorder() {
    assert_eq!(finds(Fault::Reorder, "reorder").violations, 1);
}

#[test]
fn finds_a_ghost() {
    assert_eq!(finds(Fault::Ghost, "ghost").violations, SESSIONS / GUILDS);
}

#[test]
fn finds_an_acknowledged_message_that_was_lost() {
    assert_eq!(
        finds(Fault::LoseAcked, "loss").violations,
        SESSIONS / GUILDS
    );
}

#[test]
fn finds_a_message_that_leaked_into_another_guild() {
    assert_eq!(
        finds(Fault::Leak, "stray").violations,
        SESSIONS - SESSIONS / GUILDS
    );
}

#[test]
fn finds_a_partial_replay() {
    let (report, _) = run_with(Fault::PartialReplay, &["--drain-timeout", "5"]);
    let kinds: Vec<&str> = report
        .checks
        .by_kind
        .iter()
        .map(|(kind, _)| kind.as_str())
        .collect();
    assert_eq!(kinds, ["gap", "loss"], "{:#?}", report.checks.first);
}

#[test]
fn finds_a_masked_frame() {
    let report = finds(Fault::Masked, "protocol");
    assert!(report.checks.first[0].seen.contains("masked"));
}

#[test]
fn a_gateway_that_refuses_ends_the_run_in_time_and_leaves_no_guild() {
    let fake = Fake::start(Fault::RefuseIdentify);
    let error = run(&args(&fake, &[])).unwrap_err();
    assert!(error.to_string().contains("were given up"), "{error}");
    assert_eq!(fake.guilds(), 0);
}

#[test]
fn the_exit_status_and_the_json_say_what_happened() {
    let binary = env!("CARGO_BIN_EXE_loadgen");
    for (fault, status) in [
        (Fault::None, 0),
        (Fault::Duplicate, 1),
        (Fault::RefuseIdentify, 2),
    ] {
        let fake = Fake::start(fault);
        let own = std::process::id().to_string();
        let output = std::process::Command::new(binary)
            .args(&arguments(&fake)[1..])
            .args(["--json", "--server-pid", &own])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(status), "{text}");
        if status < 2 {
            assert_eq!(text.lines().count(), 1);
            let report: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(report["violations"], status);
            assert_eq!(report["publishes_acked"], 180);
            assert!(report["server"]["cpu_us_per_delivery"].as_f64().unwrap() > 0.0);
        } else {
            assert!(text.is_empty());
        }
    }
}

#[test]
fn a_starved_generator_is_reported_and_its_run_does_not_count() {
    let fake = Fake::start(Fault::None);
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(longer(&fake))
        .arg("--json")
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    while fake.messages() < 60 {
        assert!(child.try_wait().unwrap().is_none(), "it ended early");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    // Without a core for a third of the measured time.
    std::thread::sleep(std::time::Duration::from_secs(1));
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    let output = child.wait_with_output().unwrap();
    let report: Report = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report.generator_limited);
    assert!(report.generator.late_sends > 20, "{:?}", report.generator);
    let limits = report.generator.limits.join("; ");
    assert!(limits.contains("more than 5 ms late"), "{limits}");
    // Starved, but not blind: what was delivered was judged all the same.
    assert_eq!(report.violations, 0, "{:#?}", report.checks);
}

#[test]
fn sessions_connect_from_their_addresses_in_turn() {
    let (report, fake) = run_with(
        Fault::Cut,
        &["--source-address", "127.0.0.2-127.0.0.3,127.0.0.9"],
    );
    assert_clean(&report);
    assert_eq!(fake.addresses(), ["127.0.0.2", "127.0.0.3", "127.0.0.9"]);
    assert_eq!(report.settings.source_addresses, 3);
}
