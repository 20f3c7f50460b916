//! Which nodes there are and which guilds go to which: one list for all of them, numbered with each change.
//!
//! Where a node comes or leaves, its share does not change hands at once: the list has a [`Transition`]. Until that
//! is over a guild is where the former ring has it, or where it went.

mod moving;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::placement::{
    Bound, Generation, Member, NodeName, Overrides, Placement, Ring, RingError, RingSettings,
    Weight, Zones,
};
use crate::protocol::GuildId;

pub use moving::{Going, MAX_PINS};

/// How far above its share of the circle no node is. Half of the way to 1.25, so that the guilds on it stay below that:
/// where they lie on the circle is even on the whole, and not exactly.
const BOUND: f64 = 1.125;

/// The list. Every node makes the same ring of the same list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// Grows by one with each change.
    pub generation: u64,
    /// What the secret that tokens are signed with looks like, without telling it.
    pub secret: String,
    /// Points on the ring of a node of weight 1.
    pub virtual_nodes: u32,
    /// The nodes by name.
    pub nodes: BTreeMap<NodeName, Node>,
    /// Guilds that the operator has given to a node; at most [`MAX_PINS`].
    #[serde(default)]
    pub pins: BTreeMap<GuildId, NodeName>,
    /// From when a node comes or leaves until the guilds that therefore go elsewhere are there.
    #[serde(default)]
    pub transition: Option<Transition>,
}

/// Guilds go from the owners by one ring to those by another.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// The nodes of the former ring, with their weights.
    pub from: BTreeMap<NodeName, f64>,
    /// Guilds that have gone, and where they are.
    pub gone: BTreeMap<GuildId, NodeName>,
    /// Nodes that may still have guilds that go.
    pub waits: BTreeSet<NodeName>,
}

/// A node of the list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Tells the process from the ones of the same name before and after it.
    pub incarnation: u64,
    /// Its number in ids.
    pub number: u16,
    /// Its share relative to the others.
    pub weight: f64,
    /// It is about to leave, and hands its guilds over.
    #[serde(default)]
    pub leaving: bool,
    /// What may fail together with it; empty where that is not known.
    #[serde(default)]
    pub zone: String,
    /// Where clients reach its gateway; empty where that is not known.
    #[serde(default)]
    pub gateway: String,
}

/// Why a node cannot be on the list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// Tokens of this node would not be good on the others.
    #[error("auth.secret is another one than that of the cluster's other nodes")]
    Secret,
    /// The nodes would compute different rings.
    #[error("placement.virtual_nodes is {0} on the cluster's other nodes")]
    VirtualNodes(u32),
    /// Two nodes would give the same ids.
    #[error("node.number {number} is taken by node {node}")]
    Number {
        /// The number.
        number: u16,
        /// Whose it is.
        node: NodeName,
    },
}

impl View {
    /// The list with one node more, or with a new process of it.
    pub fn with(&self, name: &NodeName, node: &Node, form: &Self) -> Result<Self, Misfit> {
        let others = || self.nodes.iter().filter(|(other, _)| *other != name);
        let mut next = self.clone();
        if others().next().is_none() {
            next.secret.clone_from(&form.secret);
            next.virtual_nodes = form.virtual_nodes;
        } else if self.secret != form.secret {
            return Err(Misfit::Secret);
        } else if self.virtual_nodes != form.virtual_nodes {
            return Err(Misfit::VirtualNodes(self.virtual_nodes));
        }
        if let Some((other, _)) = others().find(|(_, other)| other.number == node.number) {
            return Err(Misfit::Number {
                number: node.number,
                node: other.clone(),
            });
        }
        next.generation += 1;
        next.nodes.insert(name.clone(), node.clone());
        if others().next().is_none() {
            next.transition = None;
        } else if next.goal_members() != self.goal_members() {
            next.begin_transition(self.goal_members());
            // What its process before this one had runs nowhere.
            next.settle(name);
        }
        Ok(next)
    }

    /// The list without a process; `None` where it is not on it.
    #[must_use]
    pub fn without(&self, name: &NodeName, incarnation: u64) -> Option<Self> {
        let node = self.nodes.get(name)?;
        (node.incarnation == incarnation).then(|| {
            let mut next = self.clone();
            next.generation += 1;
            next.nodes.remove(name);
            if let Some(transition) = &mut next.transition {
                transition.from.remove(name);
                transition.gone.retain(|_, node| node != name);
                if transition.from.is_empty() {
                    next.transition = None;
                }
            }
            next.settle(name);
            next
        })
    }

    /// Where the gateway of another node is: of the next one by name that stays, so that not all name the same.
    pub fn gateway_beside(&self, name: &NodeName) -> Option<&str> {
        use std::ops::Bound::{Excluded, Unbounded};
        let after = self.nodes.range::<NodeName, _>((Excluded(name), Unbounded));
        let before = self.nodes.range::<NodeName, _>(..name);
        let stays = |node: &&Node| !node.leaving && !node.gateway.is_empty();
        let mut others = after.chain(before).map(|(_, node)| node);
        others.find(stays).map(|node| node.gateway.as_str())
    }

    /// Where guilds live by this list.
    pub fn placement(&self) -> Result<Placement, RingError> {
        let Some(transition) = &self.transition else {
            return self.goal();
        };
        let is_there = |node: &NodeName| self.nodes.contains_key(node);
        let from = self.ring(&transition.from)?;
        let has_gone = |guild: &GuildId| !transition.waits.contains(from.owner(guild.get()));
        let pins = self.pins.iter();
        let pins =
            pins.filter(|(guild, node)| transition.from.contains_key(*node) || has_gone(guild));
        let gone = transition.gone.iter().filter(|(_, node)| is_there(node));
        let overrides = overrides(pins.chain(gone));
        let coming = self.ring(&self.goal_members())?;
        let waits = transition.waits.iter().cloned().collect();
        let placement = Placement::at(self.number(), from, overrides).in_zones(self.zones());
        Ok(placement.towards(coming, waits))
    }

    /// Where guilds will live when all that go are there.
    pub fn goal(&self) -> Result<Placement, RingError> {
        let members = self.goal_members();
        let pins = overrides(self.pins.iter());
        let placement = Placement::at(self.number(), self.ring(&members)?, pins);
        Ok(placement.in_zones(self.zones()))
    }

    fn number(&self) -> Generation {
        // The first generation is what a node has before it knows the list.
        Generation(self.generation + 1)
    }

    /// The nodes that stay, with their weights; all where none does.
    fn goal_members(&self) -> BTreeMap<NodeName, f64> {
        let members = |leaving: bool| -> BTreeMap<NodeName, f64> {
            let nodes = self.nodes.iter();
            let nodes = nodes.filter(|(_, node)| leaving || !node.leaving);
            nodes
                .map(|(name, node)| (name.clone(), node.weight))
                .collect()
        };
        let stay = members(false);
        if stay.is_empty() { members(true) } else { stay }
    }

    fn ring(&self, members: &BTreeMap<NodeName, f64>) -> Result<Ring, RingError> {
        let members = members.iter().map(|(name, weight)| {
            let weight = Weight::new(*weight).unwrap_or_default();
            Member::weighted(name.clone(), weight)
        });
        let settings = RingSettings {
            virtual_nodes: self.virtual_nodes,
            ..RingSettings::default()
        };
        let bound = Bound::new(BOUND).unwrap_or_default();
        Ok(Ring::build(members, settings)?.within(bound))
    }

    fn zones(&self) -> Zones {
        let mut zones = Zones::new();
        for (name, node) in &self.nodes {
            if !node.zone.is_empty() {
                zones.put(name.clone(), node.zone.as_str().into());
            }
        }
        zones
    }
}

/// As many as there can be; later ones go before earlier ones.
fn overrides<'a>(pins: impl Iterator<Item = (&'a GuildId, &'a NodeName)>) -> Overrides {
    let mut overrides = Overrides::new();
    for (guild, node) in pins {
        // Both lists are bounded far below what there can be.
        let _ = overrides.pin(guild.get(), node.clone());
    }
    overrides
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> NodeName {
        NodeName::new(name).unwrap()
    }

    fn node(number: u16) -> Node {
        Node {
            incarnation: 100 + u64::from(number),
            number,
            weight: 1.0,
            leaving: false,
            zone: String::new(),
            gateway: format!("ws://{number}"),
        }
    }

    #[test]
    fn who_leaves_is_nobody_to_resume_at() {
        let form = View::default();
        let mut view = View::default();
        assert_eq!(view.gateway_beside(&name("a")), None);
        for (n, number) in ["a", "b", "c"].into_iter().zip(1..) {
            view = view.with(&name(n), &node(number), &form).unwrap();
        }
        let beside = |view: &View, n| view.gateway_beside(&name(n)).map(str::to_owned);
        assert_eq!(beside(&view, "a").as_deref(), Some("ws://2"));
        assert_eq!(beside(&view, "c").as_deref(), Some("ws://1"));
        view.nodes.get_mut(&name("b")).unwrap().leaving = true;
        assert_eq!(beside(&view, "a").as_deref(), Some("ws://3"));
        view.nodes.get_mut(&name("c")).unwrap().gateway.clear();
        assert_eq!(beside(&view, "a"), None);
    }

    #[test]
    fn every_change_has_a_number_of_its_own_and_misfits_are_refused() {
        let form = View {
            secret: "one".to_owned(),
            virtual_nodes: 150,
            ..View::default()
        };
        let one = View::default().with(&name("a"), &node(1), &form).unwrap();
        let two = one.with(&name("b"), &node(2), &form).unwrap();
        assert_eq!((one.generation, two.generation), (1, 2));
        let taken = two.with(&name("c"), &node(2), &form).unwrap_err();
        let number = Misfit::Number {
            number: 2,
            node: name("b"),
        };
        assert_eq!(taken, number);
        let stranger = View {
            secret: "other".to_owned(),
            ..form.clone()
        };
        assert_eq!(
            two.with(&name("c"), &node(3), &stranger),
            Err(Misfit::Secret)
        );
        // A new process of a node takes the place of the former one, which cannot take it off then.
        let again = Node {
            incarnation: 7,
            ..node(1)
        };
        let third = two.with(&name("a"), &again, &form).unwrap();
        assert_eq!(third.nodes.len(), 2);
        assert_eq!(third.without(&name("a"), 101), None);
        let left = third.without(&name("a"), 7).unwrap();
        assert_eq!((left.generation, left.nodes.len()), (4, 1));
        assert_eq!(left.placement().unwrap().generation(), Generation(5));
        // Alone it may bring settings of its own.
        assert!(one.with(&name("a"), &again, &stranger).is_ok());
    }
}
