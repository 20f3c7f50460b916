//! Which core a process runs on.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Settings of `loadgen pinned`.
#[derive(Debug, Clone, Args)]
pub struct PinnedArgs {
    /// The core to run on; none leaves it to the system
    #[arg(long)]
    pub cpu: Option<usize>,
    /// The command
    #[arg(last = true, required = true)]
    pub command: Vec<OsString>,
}

/// Becomes the command, on its core, to be killed when its parent ends.
///
/// # Errors
/// When that fails; otherwise it does not return.
pub(super) fn exec(args: &PinnedArgs) -> Result<std::convert::Infallible> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if let Some(cpu) = args.cpu {
        pin(cpu)?;
    }
    let [program, rest @ ..] = &args.command[..] else {
        bail!("no command");
    };
    let error = Command::new(program).args(rest).exec();
    Err(error).with_context(|| format!("starting {}", program.display()))
}

/// Keeps this thread, and those that it starts, on one core.
pub(super) fn pin(cpu: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    if cpu >= CpuSet::MAX_CPU {
        return Err(io::Error::other("no such core"));
    }
    set.set(cpu);
    sched_setaffinity(None, &set)?;
    Ok(())
}

/// The cores that this thread may use.
pub(super) fn allowed() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU)
        .filter(|cpu| set.is_set(*cpu))
        .collect())
}
