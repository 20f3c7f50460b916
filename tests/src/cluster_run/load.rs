//! The load generator beside the cluster.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::Options;
use super::house::House;
use crate::binary;

/// Longer than any run: it is ended by a signal.
const LONGEST: u32 = 3_600;
/// How long its sessions may take to connect.
const CONNECTS: Duration = Duration::from_secs(180);
/// How long it may take to end.
const ENDS: Duration = Duration::from_secs(120);

/// A load generator that posts and checks.
#[derive(Debug)]
pub(super) struct Load {
    child: Child,
    output: JoinHandle<String>,
    said: JoinHandle<Vec<String>>,
}

impl Load {
    /// Starts it and waits until all sessions are ready and messages are on their way.
    pub(super) async fn start(house: &House, options: &Options, sessions: u32, seed: u64) -> Self {
        let first = house.node(0);
        let line = first.line();
        let mut command = Command::new(binary::loadgen());
        command
            .args(["run", "--json", "--warmup=1", "--drain-timeout=60"])
            .args(["--connect-timeout=170", "--api", &line.api])
            .args(["--admin", &line.admin])
            .env("GUILDHALL_ADMIN_TOKEN", &line.admin_token);
        for index in 1..3 {
            command.args(["--also", &house.node(index).line().api]);
        }
        let numbers = [
            ("--sessions", u64::from(sessions)),
            ("--guilds", u64::from(options.guilds.min(sessions))),
            ("--rate", u64::from(options.rate)),
            ("--duration", u64::from(LONGEST)),
            ("--seed", seed),
        ];
        for (name, value) in numbers {
            command.arg(name).arg(value.to_string());
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the load generator runs");
        let mut stdout = child.stdout.take().expect("standard output is piped");
        let output = tokio::spawn(async move {
            let mut text = String::new();
            // What there is of it is judged.
            let _ = stdout.read_to_string(&mut text).await;
            text
        });
        let stderr = child.stderr.take().expect("standard error is piped");
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        let said = tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            let (mut said, mut ready) = (Vec::new(), Some(ready));
            while let Ok(Some(line)) = lines.next_line().await {
                // Its progress is shown from the first message on.
                if line.contains("deliver")
                    && let Some(ready) = ready.take()
                {
                    let _ = ready.send(());
                }
                said.push(line);
                if said.len() > 500 {
                    said.remove(0);
                }
            }
            said
        });
        let mut load = Self {
            child,
            output,
            said,
        };
        let ready = tokio::time::timeout(CONNECTS, is_ready).await;
        if !matches!(ready, Ok(Ok(()))) {
            let _ = load.child.start_kill();
            let said = load.said.await.unwrap_or_default();
            panic!("the load generator does not begin:\n{}", said.join("\n"));
        }
        load
    }

    /// Whether it still runs.
    pub(super) fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it; its report, and what it said.
    pub(super) async fn end(mut self) -> (Option<Value>, Vec<String>) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            // It may have ended just now.
            let _ = kill_process(pid, Signal::INT);
        }
        let began = Instant::now();
        while self.runs() {
            if began.elapsed() > ENDS {
                let _ = self.child.start_kill();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let output = self.output.await.unwrap_or_default();
        let report = serde_json::from_str(output.trim()).ok();
        (report, self.said.await.unwrap_or_default())
    }
}
