//! What a node says of itself when another one is asked about all of them, and what that makes together.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::counters::{BOUNDS_US, LatencyCounts};
use crate::placement::NodeName;
use crate::protocol::GuildId;

/// Most guilds that a node names.
pub const MAX_TOP: usize = 100;

/// A node's figures at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeReport {
    /// The node.
    pub name: NodeName,
    /// Its version.
    pub version: String,
    /// `starting`, `ready` or `draining`.
    pub state: String,
    /// When it started, in milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// The generation of the placement that it follows.
    pub generation: u64,
    /// Guilds that run there.
    pub guilds: usize,
    /// Sessions that live there, with and without a connection.
    pub sessions: usize,
    /// Gateway connections.
    pub connections: usize,
    /// Events that guilds there handed to hubs, since the start.
    pub publishes: u64,
    /// Dispatch frames handed to sessions there, since the start.
    pub deliveries: u64,
    /// Its busiest guilds, the busiest first.
    pub top: Vec<BusyGuild>,
    /// Durations since the start, by what was measured.
    pub latencies: BTreeMap<String, Durations>,
}

/// A guild and what it takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BusyGuild {
    /// The guild.
    pub id: GuildId,
    /// The node that it runs on.
    pub node: NodeName,
    /// Share of its thread's time, 0 to 1, smoothed.
    pub load: f64,
    /// Attached sessions, of all nodes.
    pub sessions: u64,
    /// How long what is posted to it waits for its turn, in milliseconds, smoothed.
    pub queue_delay_ms: f64,
    /// Items per second, smoothed.
    pub events_per_second: f64,
}

/// A histogram: how often by bucket, whose upper bounds are [`BOUNDS_US`] and none for the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Durations {
    /// By bucket.
    pub buckets: Vec<u64>,
    /// All durations together, in microseconds.
    pub sum_us: u64,
}

impl From<&LatencyCounts> for Durations {
    fn from(counts: &LatencyCounts) -> Self {
        let (buckets, sum_us) = counts.parts();
        Self {
            buckets: buckets.to_vec(),
            sum_us,
        }
    }
}

/// What nodes said, together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Together {
    /// Running guilds.
    pub guilds: usize,
    /// Sessions.
    pub sessions: usize,
    /// Gateway connections.
    pub connections: usize,
    /// Events that guilds handed to hubs.
    pub publishes: u64,
    /// Dispatch frames handed to sessions.
    pub deliveries: u64,
    /// The busiest guilds of all, the busiest first.
    pub top_guilds: Vec<BusyGuild>,
    /// Durations of all, by what was measured.
    pub latencies: BTreeMap<String, Merged>,
}

/// A histogram of several nodes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Merged {
    /// How many durations.
    pub count: u64,
    /// Half took at most so many milliseconds.
    pub p50_ms: Option<f64>,
    /// 99 of 100 took at most so many milliseconds.
    pub p99_ms: Option<f64>,
    /// Their mean in milliseconds.
    pub mean_ms: Option<f64>,
    /// How many took at most so many milliseconds.
    pub buckets: Vec<(f64, u64)>,
}

impl Merged {
    fn of(counts: &LatencyCounts) -> Self {
        let (buckets, sum_us) = counts.parts();
        let count = counts.count();
        let mut so_far = 0;
        let up_to = BOUNDS_US.iter().zip(buckets).map(|(bound, count)| {
            so_far += count;
            (*bound as f64 / 1e3, so_far)
        });
        Self {
            count,
            p50_ms: counts.quantile_ms(0.5),
            p99_ms: counts.quantile_ms(0.99),
            mean_ms: (count > 0).then(|| sum_us as f64 / 1e3 / count as f64),
            buckets: up_to.collect(),
        }
    }
}

/// Puts together what nodes said, with the `top` busiest guilds of all.
pub fn together(reports: &[NodeReport], top: usize) -> Together {
    let mut latencies: BTreeMap<&String, LatencyCounts> = BTreeMap::new();
    for (name, durations) in reports.iter().flat_map(|report| &report.latencies) {
        let merged = latencies.entry(name).or_default();
        merged.add(&durations.buckets, durations.sum_us);
    }
    let latencies = latencies.into_iter();
    let latencies = latencies.map(|(name, counts)| (name.clone(), Merged::of(&counts)));
    let guilds = reports.iter().flat_map(|report| &report.top);
    let mut top_guilds: Vec<BusyGuild> = guilds.cloned().collect();
    // A guild that moves meanwhile may be named by two nodes: the busier one counts.
    top_guilds.sort_by(|a, b| b.load.total_cmp(&a.load).then(a.id.cmp(&b.id)));
    let mut named = std::collections::HashSet::new();
    top_guilds.retain(|guild| named.insert(guild.id));
    top_guilds.truncate(top);
    Together {
        guilds: reports.iter().map(|it| it.guilds).sum(),
        sessions: reports.iter().map(|it| it.sessions).sum(),
        connections: reports.iter().map(|it| it.connections).sum(),
        publishes: reports.iter().map(|it| it.publishes).sum(),
        deliveries: reports.iter().map(|it| it.deliveries).sum(),
        top_guilds,
        latencies: latencies.collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::counters::Latency;

    fn report(node: &str, loads: &[(u64, f64)], took_us: &[u64]) -> NodeReport {
        let name = NodeName::new(node).unwrap();
        let latency = Latency::default();
        for us in took_us {
            latency.observe(Duration::from_micros(*us));
        }
        let top = loads.iter().map(|(id, load)| BusyGuild {
            id: GuildId::new(*id),
            node: name.clone(),
            load: *load,
            sessions: 1,
            queue_delay_ms: 0.0,
            events_per_second: 0.0,
        });
        NodeReport {
            top: top.collect(),
            name,
            version: String::new(),
            state: "ready".to_owned(),
            started_ms: 0,
            generation: 1,
            guilds: loads.len(),
            sessions: 10,
            connections: 9,
            publishes: 1,
            deliveries: 2,
            latencies: [("append".to_owned(), Durations::from(&latency.counts()))].into(),
        }
    }

    #[test]
    fn counts_add_up_the_busiest_come_first_and_histograms_are_one() {
        let reports = [
            report("a", &[(1, 0.1), (2, 0.5), (3, 0.3)], &[100; 98]),
            report("b", &[(4, 0.4), (2, 0.2)], &[40_000, 1_000_000]),
        ];
        let all = together(&reports, 3);
        assert_eq!((all.guilds, all.sessions, all.connections), (5, 20, 18));
        let top: Vec<(u64, &str)> = all
            .top_guilds
            .iter()
            .map(|it| (it.id.get(), it.node.as_str()))
            .collect();
        assert_eq!(top, [(2, "a"), (4, "b"), (3, "a")]);
        // What one recorder of all durations would have.
        let append = &all.latencies["append"];
        let one = report(
            "c",
            &[],
            &[[100; 98].as_slice(), &[40_000, 1_000_000]].concat(),
        );
        assert_eq!(append, &together(&[one], 1).latencies["append"]);
        assert_eq!(append.count, 100);
        assert!(append.p50_ms.unwrap() <= 0.1 && append.p99_ms.unwrap() > 35.0);
        assert_eq!(append.buckets.last(), Some(&(10_000.0, 100)));
        assert_eq!(together(&[], 3).top_guilds, []);
    }
}
