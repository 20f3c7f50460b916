//! How many connections each network has at a time.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;

use super::Network;

/// Counts connections by network. Cheap to clone; all clones count together. It holds an entry for each
/// network that has a connection, and no other.
#[derive(Debug, Clone)]
pub struct ConnectionLimit(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    most: usize,
    open: DashMap<Network, usize>,
    refused: AtomicU64,
}

/// A connection's place among those of its network; given back when dropped.
#[derive(Debug)]
pub struct Place {
    counts: Arc<Counts>,
    network: Network,
}

impl ConnectionLimit {
    /// At most so many of each network.
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Counts {
            most,
            open: DashMap::new(),
            refused: AtomicU64::new(0),
        }))
    }

    /// Takes a place; none where the network has as many as it may.
    pub fn take(&self, address: IpAddr) -> Option<Place> {
        let network = Network::from(address);
        let mut open = self.0.open.entry(network).or_default();
        if *open >= self.0.most {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        *open += 1;
        Some(Place {
            counts: Arc::clone(&self.0),
            network,
        })
    }

    /// Connections refused so far.
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// Networks that have a connection.
    pub fn networks(&self) -> usize {
        self.0.open.len()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(mut open) = self.counts.open.get_mut(&self.network) {
            *open = open.saturating_sub(1);
        }
        self.counts
            .open
            .remove_if(&self.network, |_, open| *open == 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i7_each_network_has_its_places_and_gets_them_back() {
        let limit = ConnectionLimit::new(2);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let (one, other) = (address("192.0.2.1"), address("192.0.2.2"));
        let first = limit.take(one).unwrap();
        let _second = limit.take(one).unwrap();
        assert!(limit.take(one).is_none());
        let elsewhere = limit.take(other).unwrap();
        assert_eq!((limit.refused(), limit.networks()), (1, 2));
        drop(first);
        assert!(limit.take(one).is_some());
        drop(elsewhere);
        assert_eq!(limit.networks(), 1);
    }
}
