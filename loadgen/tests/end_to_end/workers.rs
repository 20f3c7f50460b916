//! Worker processes that are stopped or killed under a run.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use guildhall_loadgen::report::Report;
use rustix::process::{Pid, Signal, kill_process};

use super::fake::{Fake, Fault};
use super::longer;

const TICK: Duration = Duration::from_millis(5);

/// A run of three seconds with two workers, once messages flow; and its workers.
fn started(fake: &Fake) -> (Child, Vec<Pid>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(longer(fake))
        .args(["--json", "--workers", "2"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while fake.messages() < 60 {
        assert!(child.try_wait().unwrap().is_none(), "it ended early");
        sleep(TICK);
    }
    let pid = child.id();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let children = children.split_ascii_whitespace();
    let workers: Vec<Pid> = children
        .map(|pid| Pid::from_raw(pid.parse().unwrap()).unwrap())
        .collect();
    assert_eq!(workers.len(), 2);
    (child, workers)
}

#[test]
fn a_worker_that_got_no_core_is_named_and_the_run_does_not_count() {
    let fake = Fake::start(Fault::None);
    let (child, workers) = started(&fake);
    kill_process(workers[1], Signal::STOP).unwrap();
    sleep(Duration::from_millis(800));
    kill_process(workers[1], Signal::CONT).unwrap();
    let output = child.wait_with_output().unwrap();
    let report: Report = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report.violations, 0, "{:#?}", report.checks);
    assert!(report.generator_limited);
    let limits = &report.generator.limits;
    let names = |worker: &str| limits.iter().any(|limit| limit.contains(worker));
    assert!(names("worker-2/sessions-0"), "{limits:?}");
}

#[test]
fn a_run_whose_worker_is_gone_is_no_run() {
    let fake = Fake::start(Fault::None);
    let (child, workers) = started(&fake);
    kill_process(workers[0], Signal::KILL).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("worker-1"), "{errors}");
    assert_eq!(fake.guilds(), 0, "its guilds are removed all the same");
    let other = rustix::process::test_kill_process(workers[1]);
    assert!(other.is_err(), "the other one ended with its coordinator");
}
