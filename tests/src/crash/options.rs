//! The command line.

/// Kills the server with SIGKILL again and again under load, and checks that nothing acknowledged is
/// lost, doubled or out of order.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "tests/crash")]
pub struct Options {
    /// How often the server is killed.
    #[arg(long, default_value_t = 200)]
    pub rounds: usize,
    /// Seed of everything that is random here; the same seed is the same plan, not the same timing.
    #[arg(long)]
    pub seed: Option<u64>,
    /// `store.durability` of the server: its default where not given.
    #[arg(long)]
    pub durability: Option<String>,
    /// Stops the server with SIGTERM instead, which lets it finish.
    #[arg(long)]
    pub term: bool,
    /// Another setting of the server, `section.key=value`; more than once for more than one.
    #[arg(long)]
    pub set: Vec<String>,
}
