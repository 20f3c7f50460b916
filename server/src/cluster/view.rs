//! Which nodes there are: one list for all of them, numbered with each change.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::placement::{
    Generation, Member, NodeName, Overrides, Placement, Ring, RingError, RingSettings, Weight,
};

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
            next
        })
    }

    /// Where guilds live by this list.
    pub fn placement(&self) -> Result<Placement, RingError> {
        let members = self.nodes.iter().map(|(name, node)| {
            let weight = Weight::new(node.weight).unwrap_or_default();
            Member::weighted(name.clone(), weight)
        });
        let settings = RingSettings {
            virtual_nodes: self.virtual_nodes,
            ..RingSettings::default()
        };
        let ring = Ring::build(members, settings)?;
        // The first generation is what a node has before it knows the list.
        let generation = Generation(self.generation + 1);
        Ok(Placement::at(generation, ring, Overrides::new()))
    }
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
        }
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
