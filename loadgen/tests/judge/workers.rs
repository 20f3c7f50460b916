//! The same judgement with the sessions in several processes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use guildhall_loadgen::check::history;
use guildhall_loadgen::report::Report;
use guildhall_tests::{Admin, Server, Setup};

use super::{SCENARIO, STORM, found, guild};

/// A run of the scenario in this folder with two workers; gives what it printed.
fn with_two_workers(server: &Server, folder: &Path, scenario: &str) -> Output {
    let file = folder.join("s.toml");
    fs::write(&file, scenario).unwrap();
    let line = server.line();
    Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(["run", "--json", "--workers", "2", "--threads", "2"])
        .args(["--source-address", "127.0.0.1-127.0.0.2"])
        .args(["--seed", "5", "--drain-timeout", "8"])
        .args(["--api", &line.api, "--admin", &line.admin])
        .args(["--admin-token", &line.admin_token])
        .arg("--scenario")
        .arg(file)
        .arg("--record")
        .arg(folder.join("history"))
        .output()
        .unwrap()
}

/// The report, after the recorded history was judged again and came to the same.
fn report(output: &Output, folder: &Path) -> Report {
    let errors = String::from_utf8_lossy(&output.stderr);
    let report: Report =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"));
    let history = fs::read(folder.join("history")).unwrap();
    let again = history::check(history.as_slice()).unwrap();
    assert_eq!(again.violations.total(), report.violations);
    assert_eq!(again.delivered, report.deliveries.total);
    let left = fs::read_dir(folder).unwrap().count();
    assert_eq!(left, 2, "scenario and history, but none of its parts");
    report
}

#[test]
fn nothing_is_wrong_through_a_storm() {
    let server = Setup::new().faults().start();
    let folder = tempfile::tempdir().unwrap();
    let output = with_two_workers(&server, folder.path(), &format!("{SCENARIO}{STORM}"));
    let report = report(&output, folder.path());
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(report.violations, 0, "{:#?}", report.checks);
    assert_eq!(report.resumes, 12);
    assert_eq!(report.deliveries.total, report.deliveries.expected);
    assert_eq!(report.deliveries.latency.count, report.deliveries.measured);
    assert!(report.deliveries.measured > 0 && report.deliveries_per_s > 0.0);
    let settings = &report.settings;
    assert_eq!((settings.workers, settings.threads), (2, 4));
    assert_eq!(settings.source_addresses, 2);
    let threads = report.generator.threads.iter();
    let names: Vec<&str> = threads.map(|thread| thread.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "worker-1/sessions-0",
            "worker-1/sessions-1",
            "worker-2/sessions-0",
            "worker-2/sessions-1",
            "publisher"
        ]
    );
    let samples = &report.timeline.samples;
    assert!(samples.iter().any(|sample| sample.p99_ms > 0.0));
    assert!(samples.iter().any(|sample| sample.deliveries_per_s > 0.0));
}

/// A run on a server that does wrong at this point so often.
fn broken(point: &str, times: u32) -> Report {
    let server = Setup::new().faults().start();
    let admin = Admin::of(&server);
    let folder = tempfile::tempdir().unwrap();
    let output = std::thread::scope(|scope| {
        let run = scope.spawn(|| with_two_workers(&server, folder.path(), SCENARIO));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let guild = guild(&server, &admin).await;
            admin.fault(&guild, point, times).await;
        });
        run.join().unwrap()
    });
    assert_eq!(output.status.code(), Some(1));
    report(&output, folder.path())
}

#[test]
fn a_delivery_that_one_session_of_one_worker_misses_is_found() {
    let report = broken("drop_delivery", 1);
    found(&report, &["loss"]);
    assert_eq!(report.violations, 1);
    // Every other session of the guild, in both workers, saw it.
    let first = &report.checks.first[0];
    assert!(first.session.is_some(), "{first}");
    assert_eq!(report.deliveries.total + 1, report.deliveries.expected);
}

#[test]
fn messages_that_no_worker_saw_are_missed_by_all_of_both() {
    let report = broken("lose_delivery", 4);
    found(&report, &["loss"]);
    let sessions = report.checks.first.iter().filter_map(|found| found.session);
    let threads: BTreeSet<u32> = sessions.map(|session| session % 4).collect();
    assert_eq!(threads.len(), 4, "{:#?}", report.checks.first);
    assert_eq!(report.publishes_acked, report.publishes.planned);
}
