//! The command line.

use std::num::NonZeroU32;

use clap::{Args, Parser, Subcommand};

use crate::compare::{CompareArgs, PeerArgs, PinnedArgs};
use crate::marker;
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
    Run(RunArgs),
    /// Start servers one after the other, put the same load on each and set them side by side
    Compare(CompareArgs),
    /// Place millions of guilds on up to thousands of nodes with the server's own ring, and say what changes move
    Simulate(SimulateArgs),
    /// Be one of the servers that compare brings along
    #[command(hide = true)]
    Peer(PeerArgs),
    /// Become a command on a core of its own
    #[command(hide = true)]
    Pinned(PinnedArgs),
}

/// Settings of `loadgen run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// REST API with its prefix, such as <http://127.0.0.1:8080/api/v10>
    #[arg(long, value_name = "URL")]
    pub api: String,
    /// Admin API, such as <http://127.0.0.1:9090>
    #[arg(long, value_name = "URL")]
    pub admin: String,
    /// Bearer token of the admin API
    #[arg(
        long,
        value_name = "TOKEN",
        env = "GUILDHALL_ADMIN_TOKEN",
        hide_env_values = true
    )]
    pub admin_token: String,
    /// Gateway sessions, each of a user of its own
    #[arg(long, value_name = "N", default_value = "100")]
    pub sessions: NonZeroU32,
    /// Guilds over which the sessions spread evenly
    #[arg(long, value_name = "G", default_value = "1")]
    pub guilds: NonZeroU32,
    /// Guilds that each session is a member of
    #[arg(long, value_name = "K", default_value = "1")]
    pub guilds_per_session: NonZeroU32,
    /// Further sessions that identify and then never read; nothing is checked of them
    #[arg(long, value_name = "N", default_value = "0")]
    pub deaf: u32,
    /// Messages per second over all guilds, sent when they are due whatever became of those before
    #[arg(long, value_name = "R", default_value = "10", value_parser = positive)]
    pub rate: f64,
    /// Seconds that are measured
    #[arg(long, value_name = "S", default_value = "10", value_parser = positive)]
    pub duration: f64,
    /// Seconds of the same load before that, checked but not measured
    #[arg(long, value_name = "S", default_value = "3", value_parser = not_negative)]
    pub warmup: f64,
    /// Length of a message's content in bytes, at least the mark's (about 50)
    #[arg(long, value_name = "BYTES", default_value = "120", value_parser = clap::value_parser!(u32).range(1..=2_000))]
    pub payload: u32,
    /// Threads for the sessions; one more posts [default: half of the cores]
    #[arg(long, value_name = "N")]
    pub workers: Option<NonZeroU32>,
    /// Makes senders and jitter the same again [default: random, printed]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Print one JSON object on standard output instead of a table
    #[arg(long)]
    pub json: bool,
    /// Process of the server on this machine: its CPU time and memory are reported
    #[arg(long, value_name = "PID")]
    pub server_pid: Option<u32>,
    /// Connects under way at a time
    #[arg(long, value_name = "N", default_value = "100")]
    pub connecting: NonZeroU32,
    /// Posts under way at a time, each on a connection of its own
    #[arg(long, value_name = "N", default_value = "256")]
    pub in_flight: NonZeroU32,
    /// Seconds for all sessions to connect
    #[arg(long, value_name = "S", default_value = "120", value_parser = positive)]
    pub connect_timeout: f64,
    /// Seconds after the last post for the deliveries that are still missing
    #[arg(long, value_name = "S", default_value = "30", value_parser = positive)]
    pub drain_timeout: f64,
}

impl RunArgs {
    /// Refuses settings that do not fit together.
    pub fn check(&self) -> anyhow::Result<()> {
        let places = u64::from(self.sessions.get()) * u64::from(self.guilds_per_session.get());
        anyhow::ensure!(
            self.guilds_per_session <= self.guilds,
            "--guilds-per-session must not be above --guilds"
        );
        anyhow::ensure!(
            places >= u64::from(self.guilds.get()),
            "{places} memberships cannot fill {} guilds",
            self.guilds
        );
        anyhow::ensure!(
            self.messages() <= f64::from(u32::MAX),
            "more than {} messages",
            u32::MAX
        );
        Ok(())
    }

    /// Messages of warm-up and measurement.
    pub fn messages(&self) -> f64 {
        ((self.warmup + self.duration) * self.rate).floor()
    }

    /// Whether the mark may make messages longer than asked for.
    pub fn is_payload_short(&self) -> bool {
        (self.payload as usize) < marker::LONGEST
    }

    /// Threads for the sessions.
    pub fn workers(&self) -> u32 {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let workers = self
            .workers
            .map_or((cores / 2).max(1) as u32, NonZeroU32::get);
        workers.min(self.sessions.get())
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(more: &[&str]) -> Result<RunArgs, clap::Error> {
        let fixed = [
            "loadgen",
            "run",
            "--api",
            "a",
            "--admin",
            "b",
            "--admin-token",
            "t",
        ];
        match Cli::try_parse_from(fixed.iter().chain(more))?.command {
            Command::Run(args) => Ok(args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn bad_settings_are_refused() {
        assert!(parse(&["--rate", "0"]).is_err());
        assert!(parse(&["--rate", "nan"]).is_err());
        assert!(parse(&["--sessions", "0"]).is_err());
        assert!(parse(&["--payload", "2001"]).is_err());
        assert!(
            parse(&["--guilds-per-session", "2"])
                .unwrap()
                .check()
                .is_err()
        );
        let few = parse(&["--sessions", "3", "--guilds", "4"]).unwrap();
        assert!(few.check().is_err());
        let fits = parse(&[
            "--sessions",
            "3",
            "--guilds",
            "4",
            "--guilds-per-session",
            "2",
        ]);
        assert!(fits.unwrap().check().is_ok());
        assert!(
            parse(&["--rate", "1e9", "--duration", "100"])
                .unwrap()
                .check()
                .is_err()
        );
    }
}
