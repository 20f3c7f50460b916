//! A server of the run's own: `guildhall dev` in a directory that is removed afterwards.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::time::sleep;

use super::signals;
use crate::endpoint::Endpoint;

/// Settings without which all sessions of one machine would wait for their turn to connect.
const SETTINGS: [&str; 3] = [
    "limits.upgrades_per_address_per_second=1000000",
    "limits.upgrades_burst=1000000",
    "limits.identifies_per_day=1000000000",
];

/// How long an orderly stop may take.
const STOPPING: Duration = Duration::from_secs(30);

/// How often it is looked whether the process has ended.
const TICK: Duration = Duration::from_millis(20);

/// What the server says at its start, as far as it matters.
#[derive(Debug, Clone, Deserialize)]
pub struct Line {
    /// Base of the REST API.
    pub api: String,
    /// Base of the admin API.
    pub admin: String,
    /// The operator's token.
    pub admin_token: String,
}

/// A server that was started for the run. Killed when dropped.
#[derive(Debug)]
pub struct Own {
    binary: PathBuf,
    settings: Vec<String>,
    data: TempDir,
    line: Line,
    /// Its current process.
    pid: Arc<AtomicU32>,
    child: Mutex<Child>,
    /// Held by whoever stops it, until it runs again: faults may fall together.
    stopping: tokio::sync::Mutex<()>,
}

impl Own {
    /// Starts it on free ports.
    pub fn start(binary: Option<&Path>, settings: &[String]) -> Result<Self> {
        let binary = binary.map_or_else(usual_binary, Path::to_owned);
        let data = tempfile::tempdir()?;
        let (child, line) = spawn(&binary, settings, data.path(), (0, 0))?;
        Ok(Self {
            binary,
            settings: settings.to_vec(),
            data,
            line,
            pid: Arc::new(AtomicU32::new(child.id())),
            child: Mutex::new(child),
            stopping: tokio::sync::Mutex::new(()),
        })
    }

    /// Where it is; stays the same over restarts.
    pub fn line(&self) -> &Line {
        &self.line
    }

    /// Its current process.
    pub fn pid(&self) -> u32 {
        self.pid.load(Ordering::Relaxed)
    }

    /// Its log, to be shown when something went wrong.
    pub fn log(&self) -> PathBuf {
        log_of(self.data.path())
    }

    pub(super) async fn kill_and_start(&self, wait: Duration) -> Result<()> {
        let _stopping = self.stopping.lock().await;
        signals::kill(self.pid())?;
        self.wait_for_end().await?;
        sleep(wait).await;
        self.start_again().await
    }

    pub(super) async fn restart(&self) -> Result<()> {
        let _stopping = self.stopping.lock().await;
        signals::terminate(self.pid())?;
        self.wait_for_end().await?;
        self.start_again().await
    }

    async fn wait_for_end(&self) -> Result<()> {
        let mut waited = Duration::ZERO;
        while self.child().try_wait()?.is_none() {
            sleep(TICK).await;
            waited += TICK;
            if waited > STOPPING {
                bail!("the server did not end in {} s", STOPPING.as_secs());
            }
        }
        Ok(())
    }

    async fn start_again(&self) -> Result<()> {
        let port = |url: &str| Endpoint::parse(url, "http").map(|endpoint| endpoint.address.port());
        let ports = (port(&self.line.api)?, port(&self.line.admin)?);
        let (binary, settings) = (self.binary.clone(), self.settings.clone());
        let data = self.data.path().to_owned();
        // Its start takes as long as reading its data does.
        let started =
            tokio::task::spawn_blocking(move || spawn(&binary, &settings, &data, ports)).await?;
        let (child, _) = started.context("starting the server again")?;
        self.pid.store(child.id(), Ordering::Relaxed);
        *self.child() = child;
        Ok(())
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let mut child = self.child();
        // It has ended by itself: just as well.
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn log_of(data: &Path) -> PathBuf {
    data.join("server.log")
}

/// `guildhall` beside this program, or else in the path.
fn usual_binary() -> PathBuf {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|own| Some(own.parent()?.join("guildhall")));
    beside
        .filter(|path| path.exists())
        .unwrap_or_else(|| "guildhall".into())
}

fn spawn(
    binary: &Path,
    settings: &[String],
    data: &Path,
    (port, admin_port): (u16, u16),
) -> Result<(Child, Line)> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(log_of(data))?;
    let mut command = Command::new(binary);
    command.args(["dev", "--json"]);
    command.arg(format!("--port={port}"));
    command.arg(format!("--admin-port={admin_port}"));
    command.arg("--data").arg(data.join("data"));
    for setting in SETTINGS
        .iter()
        .copied()
        .chain(settings.iter().map(String::as_str))
    {
        command.args(["--set", setting]);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .with_context(|| {
            format!(
                "starting {}: name the server with --server FILE, or one that runs with --api",
                binary.display()
            )
        })?;
    let mut text = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut text)?;
    }
    if let Ok(line) = serde_json::from_str(&text) {
        return Ok((child, line));
    }
    let _ = child.kill();
    let _ = child.wait();
    let log = std::fs::read_to_string(log_of(data)).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    let last = lines[lines.len().saturating_sub(5)..].join("\n");
    bail!("the server did not start: {last}")
}
