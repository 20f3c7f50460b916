//! How the guilds of a node are spread over its threads.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::labels::{DecisionKind, Split};

/// A figure per executor. Their numbers are used again, so there are few.
type PerExecutor = Family<[(&'static str, String); 1], Gauge<f64, AtomicU64>>;

/// How the guilds of a node are spread over its threads; worked out once a second.
#[derive(Debug, Default)]
pub struct BalanceFigures {
    /// Moves that were decided upon by themselves.
    pub decisions: Split<DecisionKind, Counter>,
    /// Guilds that have an executor of their own.
    pub guilds_dedicated: Gauge,
    /// Share of its executor's time that the busiest guild has, 0 to 1.
    pub top_guild_load: Gauge<f64, AtomicU64>,
    /// Share of its time that an executor's guilds have, 0 to 1.
    pub executor_load: PerExecutor,
    /// How long a guild waits for its executor to come round, in seconds.
    pub executor_delay: PerExecutor,
    shown: Mutex<BTreeSet<usize>>,
}

impl BalanceFigures {
    /// Shows number, load and delay of each executor that there is, and of no other any more.
    pub fn show_executors(&self, executors: impl Iterator<Item = (usize, f64, f64)>) {
        let label = |id: usize| [("executor", id.to_string())];
        let shown = self.shown.lock();
        let mut shown = shown.unwrap_or_else(PoisonError::into_inner);
        let mut gone = std::mem::take(&mut *shown);
        for (id, load, delay) in executors {
            gone.remove(&id);
            shown.insert(id);
            self.executor_load.get_or_create(&label(id)).set(load);
            self.executor_delay.get_or_create(&label(id)).set(delay);
        }
        for id in gone {
            self.executor_load.remove(&label(id));
            self.executor_delay.remove(&label(id));
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn an_executor_that_is_gone_is_shown_no_more() {
        let figures = BalanceFigures::default();
        let mut registry = Registry::default();
        registry.register("load", "Load", figures.executor_load.clone());
        let scrape = || {
            let mut text = String::new();
            encode(&mut text, &registry).unwrap();
            text
        };
        figures.show_executors([(0, 0.5, 0.0), (2, 0.25, 0.0)].into_iter());
        assert!(scrape().contains("load{executor=\"2\"} 0.25"));
        figures.show_executors([(0, 0.5, 0.0)].into_iter());
        let text = scrape();
        assert!(text.contains("load{executor=\"0\"} 0.5"), "{text}");
        assert!(!text.contains("executor=\"2\""), "{text}");
    }
}
