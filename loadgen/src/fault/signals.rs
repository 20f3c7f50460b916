//! Signals to a process.

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

pub(super) fn kill(pid: u32) -> Result<()> {
    send(pid, Signal::KILL)
}

pub(super) fn stop(pid: u32) -> Result<()> {
    send(pid, Signal::STOP)
}

pub(super) fn go_on(pid: u32) -> Result<()> {
    send(pid, Signal::CONT)
}

pub(super) fn terminate(pid: u32) -> Result<()> {
    send(pid, Signal::TERM)
}

fn send(pid: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    kill_process(pid.context("no such process")?, signal).context("sending a signal")
}
