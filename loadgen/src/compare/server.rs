//! A server under comparison as a process of its own.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use super::Cores;
use crate::clock::{self, SECOND};

/// How long a server may take to end when asked to, in microseconds; then it is killed.
const STOPPING: u64 = 10 * SECOND;

/// What a server of this module says on standard output once it listens.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Announcement {
    /// Where, as a `ws://` URL.
    pub(super) url: String,
    /// Of what is compared.
    pub(super) version: String,
}

/// Says where this process listens.
pub(super) fn announce(url: &str, version: &str) -> Result<()> {
    let line = serde_json::to_string(&Announcement {
        url: url.to_owned(),
        version: version.to_owned(),
    })?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}

/// A directory for one server's files, removed with it.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// A new one.
    pub(super) fn new() -> Result<Self> {
        let name = format!("loadgen-{}-{:08x}", std::process::id(), fastrand::u32(..));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self(path))
    }

    /// Its path.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It is in the system's place for what may be left behind.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    scratch: Scratch,
}

impl Server {
    /// Starts a command on the servers' core; its standard error goes to a file.
    pub(super) fn start(command: &[OsString], cores: Cores, scratch: Scratch) -> Result<Self> {
        let errors = File::create(scratch.path().join("stderr"))?;
        let mut pinned = Command::new(std::env::current_exe()?);
        pinned.arg("pinned");
        if let Some(cpu) = cores.server {
            pinned.arg("--cpu").arg(cpu.to_string());
        }
        pinned.arg("--").args(command);
        let child = pinned
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .context("starting a server")?;
        Ok(Self { child, scratch })
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its directory.
    pub(super) fn directory(&self) -> &Path {
        self.scratch.path()
    }

    /// The first line that it prints.
    ///
    /// # Errors
    /// When it ends instead; the end of what it wrote on standard error is part of the message.
    pub(super) fn first_line(&mut self) -> Result<String> {
        let stdout: ChildStdout = self.child.stdout.take().context("asked for a line twice")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        if line.is_empty() {
            bail!("the server ended: {}", self.complaint());
        }
        Ok(line)
    }

    /// Whether it still runs.
    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The end of what it wrote on standard error.
    pub(super) fn complaint(&self) -> String {
        let text = fs::read(self.scratch.path().join("stderr")).unwrap_or_default();
        let end = &text[text.len().saturating_sub(600)..];
        String::from_utf8_lossy(end).trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            // Gone already: just what is wanted.
            let _ = kill_process(pid, Signal::TERM);
        }
        let deadline = clock::now() + STOPPING;
        while self.is_alive() && clock::now() < deadline {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
