//! What is done about an executor that is stuck: its guilds are moved to another one.

use std::io;
use std::time::Duration;

use super::executors::ExecutorState;
use super::registry::Registry;
use crate::supervision::lifeline::{Lifelines, Turn};
use crate::supervision::watchdog::Watchdog;

/// How often it looks.
const PERIOD: Duration = Duration::from_millis(250);

/// Watches the registry's executors, and the other threads of `lines`, of which it only tells. Those
/// that give no sign of life for `limit` are stuck. Ends when what it answers is dropped.
pub fn start(registry: Registry, lines: Lifelines, limit: Duration) -> io::Result<Watchdog> {
    let period = PERIOD.min(limit / 4);
    Watchdog::start(period, move |passed| {
        for (executor, turn) in registry.executors().look(passed, limit) {
            match turn {
                Turn::Stuck => stuck(&registry, &executor),
                Turn::Recovered => recovered(&registry, &executor),
            }
        }
        for line in lines.all() {
            match line.look(passed, limit) {
                Some(Turn::Stuck) => tracing::error!("{} is stuck", line.name()),
                Some(Turn::Recovered) => tracing::info!("{} goes on", line.name()),
                None => {}
            }
        }
    })
}

fn stuck(registry: &Registry, executor: &ExecutorState) {
    let guild = executor.stuck_in();
    let named = guild.map(|guild| guild.to_string());
    tracing::error!(
        executor = executor.id,
        guild = named.as_deref().unwrap_or("unknown"),
        guilds = executor.guilds,
        "an executor is stuck, its guilds are moved"
    );
    let counters = registry.counters();
    counters.executor_stalls.inc();
    counters.executors_stuck.inc();
    registry.executors().replace_stuck();
    let moved = registry.evacuate(executor.id, guild);
    counters.guilds_evicted.inc_by(moved as u64);
    tracing::warn!(executor = executor.id, moved, "guilds were moved");
}

fn recovered(registry: &Registry, executor: &ExecutorState) {
    registry.counters().executors_stuck.dec();
    tracing::info!(executor = executor.id, "an executor that was stuck goes on");
}
