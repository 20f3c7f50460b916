//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::compare::{CompareArgs, PeerArgs, PinnedArgs};
use crate::report::side::ReportArgs;
use crate::run::RunArgs;
use crate::scale::ScaleArgs;
use crate::simulate::SimulateArgs;

/// Puts load on a gateway and judges what it delivered.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What loadgen can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Connect sessions, post at an open-loop rate, check each delivery; exit status 1 if a check is violated, 2 if the
    /// run cannot be carried out
    Run(Box<RunArgs>),
    /// Judge again what a run with --record observed; exit status 1 if a check is violated
    Check(CheckArgs),
    /// Set reports of `run --json` side by side, as a table and as an HTML file
    Report(ReportArgs),
    /// Start servers one after the other, put the same load on each and set them side by side
    Compare(CompareArgs),
    /// Run the same load at each point of a grid of sessions and rates, and fit the Universal Scalability Law
    Scale(ScaleArgs),
    /// Place millions of guilds on up to thousands of nodes with the server's own ring, and say what changes move
    Simulate(SimulateArgs),
    /// Be one of the processes of `run --workers`: orders come on standard input
    #[command(hide = true)]
    Worker,
    /// Be one of the servers that compare brings along
    #[command(hide = true)]
    Peer(PeerArgs),
    /// Become a command on a core of its own
    #[command(hide = true)]
    Pinned(PinnedArgs),
}

/// Settings of `loadgen check`.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// A history, written by `loadgen run --record FILE`
    pub file: PathBuf,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,
}

pub(crate) fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= 1e9 => Ok(value),
        _ => Err("expected a number above 0".to_owned()),
    }
}

pub(crate) fn not_negative(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=1e9).contains(&value) => Ok(value),
        _ => Err("expected a number that is not negative".to_owned()),
    }
}
