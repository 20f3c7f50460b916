//! A node among others: its connection to NATS, its lease, and what it sends to and hears of other nodes.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::labels::{AppendOutcome, PeerOutcome, Split, Way};
use super::latency::Latency;

/// A figure per other node. Nodes that are gone are taken out.
type PerNode = Family<[(&'static str, String); 1], Gauge>;

/// The figures of a node of a cluster; all of them 0 where there is only one node.
#[derive(Debug, Default)]
pub struct ClusterFigures {
    /// 1 while a NATS server is connected.
    pub nats_connected: Gauge,
    /// Times that the connection to NATS was lost.
    pub nats_disconnects: Counter,
    /// 1 while the node may serve its guilds, as it was at the last heartbeat.
    pub lease_held: Gauge,
    /// Renewals of the lease.
    pub lease_renewals: Counter,
    /// Heartbeats at which it could not be renewed.
    pub lease_failures: Counter,
    /// Appends that NATS has not answered yet.
    pub appends_in_flight: Gauge,
    /// Appends to guilds' logs by what became of them.
    pub appends: Split<AppendOutcome, Counter>,
    /// The number of the list of nodes that is followed.
    pub list_generation: Gauge,
    /// Other nodes on it.
    pub peers: Gauge,
    /// Messages between this node and others, requests aside.
    pub messages: Split<Way, Counter>,
    /// Bytes of them.
    pub bytes: Split<Way, Counter>,
    /// Times that messages of another node were not heard: hubs joined its guilds again.
    pub gaps: Counter,
    /// Times that another node did not hear messages of this one.
    pub resyncs: Counter,
    /// What was not taken to be sent to another node, because too much waited.
    pub parcels_refused: Counter,
    /// Requests to guilds of other nodes by what became of them.
    pub requests: Split<PeerOutcome, Counter>,
    /// Those that are not answered yet.
    pub requests_in_flight: Gauge,
    /// From sending such a request to its answer.
    pub request_seconds: Latency,
    /// Requests of other nodes that were refused, because too many were under way.
    pub requests_turned_away: Counter,
    /// Times that a node was found not to answer.
    pub breakers_opened: Counter,
    /// By node: 1 while it is found not to answer, and is asked nothing.
    pub breaker_open: PerNode,
    shown: Mutex<BTreeSet<String>>,
}

impl ClusterFigures {
    /// Shows whether a node answers.
    pub fn show_breaker(&self, node: &str, open: bool) {
        let label = [("node", node.to_owned())];
        self.breaker_open.get_or_create(&label).set(i64::from(open));
    }

    /// Shows the other nodes, and no other any more. Those that are new answer.
    pub fn show_peers<'a>(&self, nodes: impl Iterator<Item = &'a str>) {
        let shown = self.shown.lock();
        let mut shown = shown.unwrap_or_else(PoisonError::into_inner);
        let mut gone = std::mem::take(&mut *shown);
        for node in nodes {
            if !gone.remove(node) {
                self.show_breaker(node, false);
            }
            shown.insert(node.to_owned());
        }
        for node in gone {
            self.breaker_open.remove(&[("node", node)]);
        }
        self.peers
            .set(i64::try_from(shown.len()).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn a_node_that_is_gone_is_shown_no_more() {
        let figures = ClusterFigures::default();
        let mut registry = Registry::default();
        registry.register("open", "Open", figures.breaker_open.clone());
        let scrape = || {
            let mut text = String::new();
            encode(&mut text, &registry).unwrap();
            text
        };
        figures.show_peers(["a", "b"].into_iter());
        figures.show_breaker("b", true);
        figures.show_peers(["b", "c"].into_iter());
        let text = scrape();
        assert!(text.contains("open{node=\"b\"} 1"), "{text}");
        assert!(text.contains("open{node=\"c\"} 0"), "{text}");
        assert!(!text.contains("node=\"a\""), "{text}");
        assert_eq!(figures.peers.get(), 2);
    }
}
