//! Zones: sets of nodes that may fail together, such as a data centre or a rack.
//!
//! Who owns a guild is not changed by zones. What they change is who is named after the owner: nodes of other zones, as
//! long as there are any. Each is who owns the guild should the zones of those before it be lost as a whole.

use std::sync::Arc;

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::{NodeName, Ring};

/// Which node is in which zone. A node of no zone counts as a zone of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Zones {
    zones: HashMap<NodeName, Arc<str>>,
}

impl Zones {
    /// No node in any zone.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a node into a zone; gives the zone it was in before.
    pub fn put(&mut self, node: NodeName, zone: Arc<str>) -> Option<Arc<str>> {
        self.zones.insert(node, zone)
    }

    /// The zone of a node.
    pub fn of(&self, node: &NodeName) -> Option<&str> {
        self.zones.get(node).map(|zone| &**zone)
    }

    fn are_apart(&self, a: &NodeName, b: &NodeName) -> bool {
        match (self.of(a), self.of(b)) {
            (Some(a), Some(b)) => a != b,
            // Distinct nodes, one at least without a zone.
            _ => true,
        }
    }

    /// `n` distinct nodes for a guild: the ring's owner, then the next ones on the walk that are in zones not yet
    /// named, then, where there are fewer zones than `n`, the others in the order of the walk.
    pub fn owners<'r>(&self, ring: &'r Ring, guild: u64, n: usize) -> SmallVec<[&'r NodeName; 4]> {
        self.spread(ring.owners(guild, ring.members().len()), n)
    }

    /// `n` of distinct nodes: the first, then those of zones not yet named, then the others, in their order.
    pub(super) fn spread<'r>(
        &self,
        nodes: impl Iterator<Item = &'r NodeName>,
        n: usize,
    ) -> SmallVec<[&'r NodeName; 4]> {
        let mut owners: SmallVec<[&NodeName; 4]> = SmallVec::new();
        let mut passed: SmallVec<[&NodeName; 4]> = SmallVec::new();
        for node in nodes {
            if owners.len() == n {
                break;
            }
            if owners.iter().all(|owner| self.are_apart(owner, node)) {
                owners.push(node);
            } else if passed.len() < n {
                passed.push(node);
            }
        }
        let missing = n.saturating_sub(owners.len());
        owners.extend(passed.into_iter().take(missing));
        owners
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::placement::{Member, RingSettings};

    proptest! {
        #[test]
        fn owners_lie_in_as_many_zones_as_there_can_be(
            zone_of in prop::collection::vec(prop::option::of(0_u8..4), 1..16),
            guild: u64,
            n in 0_usize..6,
        ) {
            let name = |i: usize| NodeName::new(&format!("node-{i}")).unwrap();
            let members = (0..zone_of.len()).map(|i| Member::new(name(i)));
            let settings = RingSettings { virtual_nodes: 20, ..RingSettings::default() };
            let ring = Ring::build(members, settings).unwrap();
            let mut zones = Zones::new();
            for (i, zone) in zone_of.iter().enumerate() {
                if let Some(zone) = zone {
                    zones.put(name(i), format!("zone-{zone}").into());
                }
            }
            let own = |node: &NodeName| zones.of(node).map_or_else(|| node.to_string(), str::to_owned);
            let all: HashSet<String> = ring.members().iter().map(|member| own(&member.name)).collect();

            let owners = zones.owners(&ring, guild, n);
            prop_assert_eq!(owners.len(), n.min(zone_of.len()));
            let distinct: HashSet<_> = owners.iter().collect();
            prop_assert_eq!(distinct.len(), owners.len());
            if let Some(first) = owners.first() {
                prop_assert_eq!(*first, ring.owner(guild));
            }
            let named: HashSet<String> = owners.iter().map(|node| own(node)).collect();
            prop_assert_eq!(named.len(), n.min(all.len()));
        }
    }
}
