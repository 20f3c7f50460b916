//! Settings of `loadgen run`.

use std::num::NonZeroU32;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;

use crate::cli::{not_negative, positive};
use crate::fault::FaultSpec;
use crate::marker;
use crate::scenario::Scenario;
use crate::source::SourceRange;

/// Worker processes at most.
const MOST_WORKERS: u32 = 256;

/// Settings of `loadgen run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// What to do: a bundled scenario (chat, hot-guild, storm, slow-clients, churn, mixed-clients) or a TOML file
    /// [default: even load]
    #[arg(long, value_name = "NAME|FILE")]
    pub scenario: Option<String>,
    /// REST API with its prefix, such as <http://127.0.0.1:8080/api/v10>; without it a server is started for the run
    #[arg(long, value_name = "URL", requires = "admin", requires = "admin_token")]
    pub api: Option<String>,
    /// REST API of another node of the same cluster; may be given several times. Sessions and posts are spread over all
    /// nodes, and go to the next one where theirs is gone
    #[arg(long, value_name = "URL", requires = "api")]
    pub also: Vec<String>,
    /// Admin API, such as <http://127.0.0.1:9090>
    #[arg(long, value_name = "URL", requires = "api")]
    pub admin: Option<String>,
    /// Bearer token of the admin API
    #[arg(
        long,
        value_name = "TOKEN",
        env = "GUILDHALL_ADMIN_TOKEN",
        hide_env_values = true
    )]
    pub admin_token: Option<String>,
    /// The server to start when no --api is given [default: guildhall beside loadgen, or else in the path]
    #[arg(long, value_name = "FILE", env = "GUILDHALL_BIN")]
    pub server: Option<PathBuf>,
    /// A setting for that server, such as store.durability=memory
    #[arg(long, value_name = "KEY=VALUE", conflicts_with = "api")]
    pub set: Vec<String>,
    /// Users, each with a gateway session [default: 100]
    #[arg(long, value_name = "N")]
    pub sessions: Option<NonZeroU32>,
    /// Guilds over which the sessions spread [default: 1]
    #[arg(long, value_name = "G")]
    pub guilds: Option<NonZeroU32>,
    /// Guilds that each session is a member of [default: 1]
    #[arg(long, value_name = "K")]
    pub guilds_per_session: Option<NonZeroU32>,
    /// Further sessions that identify and then never read; nothing is checked of them
    #[arg(long, value_name = "N")]
    pub deaf: Option<u32>,
    /// Messages per second over all guilds, sent when they are due whatever became of those before [default: 10]
    #[arg(long, value_name = "R", value_parser = positive)]
    pub rate: Option<f64>,
    /// Seconds that are measured [default: 10]
    #[arg(long, value_name = "S", value_parser = positive)]
    pub duration: Option<f64>,
    /// Seconds of the same load before that, checked but not measured [default: 3]
    #[arg(long, value_name = "S", value_parser = not_negative)]
    pub warmup: Option<f64>,
    /// Length of a message's content in bytes, at least the mark's (about 50) [default: 120]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..=2_000))]
    pub payload: Option<u32>,
    /// Processes for the sessions, started and judged by this one; with 1 the sessions are in this one
    #[arg(long, value_name = "N", default_value = "1")]
    pub workers: NonZeroU32,
    /// Threads for the sessions in each of these processes; one more posts [default: half of the cores over all]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroU32>,
    /// Addresses of this machine that sessions connect from in turn, such as 127.0.0.1-127.0.0.8: each has ports of its own
    #[arg(long, value_name = "ADDRESS[-LAST],…", value_delimiter = ',')]
    pub source_address: Vec<SourceRange>,
    /// Makes guilds, senders, jitter and faults the same again [default: random, printed]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Something that goes wrong, such as kill@5, stop=2@5, restart, moves=5, delay=100, cut or half-open=3; may be given
    /// several times, without @SECONDS the seed chooses when
    #[arg(long, value_name = "FAULT[=AMOUNT][@SECONDS]")]
    pub fault: Vec<FaultSpec>,
    /// Print one JSON object on standard output instead of a table
    #[arg(long)]
    pub json: bool,
    /// Write the report as one HTML file with plots
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Keep all that was observed, for `loadgen check`
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
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
    /// What the run is about: the scenario, if one is named, with what else was given put into it.
    pub fn scenario(&self) -> Result<Scenario> {
        let mut scenario = match &self.scenario {
            Some(name) => Scenario::load(name)?,
            None => Scenario::plain(),
        };
        set(&mut scenario.sessions, self.sessions.map(NonZeroU32::get));
        let guilds = &mut scenario.guilds;
        set(&mut guilds.count, self.guilds.map(NonZeroU32::get));
        set(
            &mut guilds.per_session,
            self.guilds_per_session.map(NonZeroU32::get),
        );
        set(&mut scenario.traffic.rate, self.rate);
        set(&mut scenario.traffic.payload, self.payload);
        if let (Some(duration), Some(storm)) = (self.duration, &mut scenario.storm) {
            // They stay where they were in the steady phase.
            let factor = duration / scenario.phases.steady;
            for at in &mut storm.at {
                *at *= factor;
            }
        }
        set(&mut scenario.phases.steady, self.duration);
        set(&mut scenario.phases.warm_up, self.warmup);
        scenario.check()?;
        ensure!(
            self.api.is_some() || self.server_pid.is_none(),
            "--server-pid needs --api: a server that is started for the run is known"
        );
        ensure!(
            self.workers.get() <= MOST_WORKERS.min(scenario.sessions),
            "at most one worker for each session, and {MOST_WORKERS} in all"
        );
        Ok(scenario)
    }

    /// Sessions that never read.
    pub fn deaf(&self, scenario: &Scenario) -> u32 {
        let share = scenario.slow.as_ref().map_or(0.0, |slow| slow.deaf);
        let of_scenario = (share * f64::from(scenario.sessions)).round() as u32;
        self.deaf.unwrap_or(of_scenario)
    }

    /// Threads of each process for this many sessions in all.
    pub fn threads_each(&self, sessions: u32) -> u32 {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let workers = self.workers.get();
        let threads = self
            .threads
            .map_or(cores as u32 / 2 / workers, NonZeroU32::get);
        threads.clamp(1, sessions.div_ceil(workers).max(1))
    }

    /// Threads of all processes for this many sessions.
    pub fn threads(&self, sessions: u32) -> u32 {
        self.threads_each(sessions) * self.workers.get()
    }
}

/// Whether the mark may make messages longer than asked for.
pub(super) fn is_payload_short(scenario: &Scenario) -> bool {
    (scenario.traffic.payload as usize) < marker::LONGEST
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn parse(more: &str) -> Result<RunArgs, clap::Error> {
        let line = format!("loadgen run --api a --admin b --admin-token t {more}");
        match Cli::try_parse_from(line.split_whitespace())?.command {
            Command::Run(args) => Ok(*args),
            other => panic!("{other:?}"),
        }
    }

    fn scenario(more: &str) -> Result<Scenario> {
        parse(more)?.scenario()
    }

    #[test]
    fn bad_settings_are_refused() {
        for bad in [
            "--rate 0",
            "--rate nan",
            "--sessions 0",
            "--payload 2001",
            "--guilds-per-session 2",
            "--sessions 3 --guilds 4",
            "--rate 1e9 --duration 100",
            "--scenario nothing-of-this-name",
            "--fault earthquake",
            "--workers 0",
            "--sessions 3 --workers 4",
            "--source-address localhost",
        ] {
            assert!(scenario(bad).is_err(), "{bad}");
        }
        assert!(scenario("--sessions 3 --guilds 4 --guilds-per-session 2").is_ok());
    }

    #[test]
    fn what_is_given_goes_before_what_the_scenario_says() {
        let chat = scenario("--scenario chat --rate 7 --sessions 50 --duration 3").unwrap();
        assert_eq!((chat.sessions, chat.guilds.count), (50, 30));
        assert!((chat.traffic.rate - 7.0).abs() < 1e-9);
        assert!((chat.phases.steady - 3.0).abs() < 1e-9);
        let storm = scenario("--scenario storm --duration 5").unwrap();
        assert_eq!(storm.storm.unwrap().at, [1.0, 3.0]);
    }

    #[test]
    fn a_server_is_started_unless_one_is_named() {
        let parse = |line: &str| Cli::try_parse_from(line.split_whitespace());
        assert!(parse("loadgen run --scenario chat").is_ok());
        assert!(parse("loadgen run --api a").is_err());
    }
}
