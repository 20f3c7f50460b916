//! The command line.

/// Three nodes under load, every delivery checked, while everything fails in turn.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "tests/cluster")]
pub struct Options {
    /// Users, each with a session; spread over the nodes.
    #[arg(long, default_value_t = 150)]
    pub sessions: u32,
    /// Guilds, spread over the nodes as well.
    #[arg(long, default_value_t = 20)]
    pub guilds: u32,
    /// Messages per second over all guilds.
    #[arg(long, default_value_t = 40)]
    pub rate: u32,
    /// NATS servers: 1, or 3 that keep three copies of everything.
    #[arg(long, default_value_t = 1)]
    pub nats: u16,
    /// How often a guild is moved.
    #[arg(long, default_value_t = 100)]
    pub moves: usize,
    /// For how many seconds a node stands still.
    #[arg(long, default_value_t = 10)]
    pub stop: u64,
    /// For how many seconds a node is cut off from NATS.
    #[arg(long, default_value_t = 8)]
    pub cut: u64,
    /// Seconds of load between two steps.
    #[arg(long, default_value_t = 2)]
    pub rest: u64,
    /// What happens, in this order [default: all that fits the number of NATS servers].
    #[arg(long, value_delimiter = ',')]
    pub steps: Vec<Step>,
    /// Seconds of load without any step, for figures; nothing else happens then.
    #[arg(long)]
    pub quiet: Option<u64>,
    /// Measures what NATS carries for each event at these numbers of sessions; nothing else happens then.
    #[arg(long, value_delimiter = ',')]
    pub bytes: Vec<u32>,
    /// Makes the load and the choices the same again.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Another setting of all nodes, `section.key=value`; more than once for more than one.
    #[arg(long)]
    pub set: Vec<String>,
    /// Prints the load generator's report as it is, as the last line.
    #[arg(long)]
    pub json: bool,
}

/// Something that happens to the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Step {
    /// A guild is moved from node to node.
    Moves,
    /// A fourth node comes.
    Join,
    /// It is asked to stop.
    Drain,
    /// A node with sessions is asked to stop, and started again when they are back elsewhere.
    Leave,
    /// A node is killed with SIGKILL, and started again after the others serve its guilds.
    Kill,
    /// A node is stopped with SIGSTOP, and goes on.
    Stop,
    /// A node is cut off from NATS, silently, and is back.
    Cut,
    /// A NATS server is killed and started again.
    Nats,
}

impl Options {
    pub(super) fn steps(&self) -> Vec<Step> {
        if self.quiet.is_some() {
            return Vec::new();
        }
        if !self.steps.is_empty() {
            return self.steps.clone();
        }
        let mut steps = vec![
            Step::Moves,
            Step::Join,
            Step::Drain,
            Step::Leave,
            Step::Kill,
            Step::Stop,
        ];
        if self.nats == 1 {
            // With several a node would find another way.
            steps.push(Step::Cut);
        }
        steps.push(Step::Nats);
        steps
    }
}
