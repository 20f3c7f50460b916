//! What is simulated.

use anyhow::{Result, ensure};
use clap::Args;
use guildhall_server::placement::Overrides;

/// Settings of `loadgen simulate`.
#[derive(Debug, Clone, Args)]
pub struct SimulateArgs {
    /// Nodes at the start
    #[arg(long, value_name = "N", default_value = "1000", value_parser = clap::value_parser!(u32).range(2..=4_000))]
    pub nodes: u32,
    /// Guilds
    #[arg(long, value_name = "N", default_value = "20000000", value_parser = clap::value_parser!(u32).range(1..=200_000_000))]
    pub guilds: u32,
    /// Exponent of the guilds' loads: the load of the n-th heaviest is 1 / n^SKEW
    #[arg(long, value_name = "SKEW", default_value = "1.0")]
    pub skew: f64,
    /// Zones over which the nodes are spread; one of them fails
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub zones: u32,
    /// Heaviest guilds that are pinned to the least loaded nodes
    #[arg(long, value_name = "N", default_value = "1000")]
    pub pins: u32,
    /// Bound on a node's load, relative to its fair share
    #[arg(long, value_name = "C", default_value = "1.25")]
    pub bound: f64,
    /// Virtual nodes of each node
    #[arg(long, value_name = "N", default_value = "150", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub virtual_nodes: u32,
    /// Print one JSON object instead of tables
    #[arg(long)]
    pub json: bool,
}

impl SimulateArgs {
    /// Refuses settings that do not fit together.
    pub fn check(&self) -> Result<()> {
        ensure!(
            (0.0..=4.0).contains(&self.skew),
            "--skew must be from 0 to 4"
        );
        ensure!(
            self.zones <= self.nodes,
            "--zones must not be above --nodes"
        );
        ensure!(
            self.pins as usize <= Overrides::MAX,
            "--pins must not be above {}, the server's own limit",
            Overrides::MAX
        );
        ensure!(
            self.pins <= self.guilds,
            "--pins must not be above --guilds"
        );
        Ok(())
    }
}
