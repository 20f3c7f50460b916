//! What moves of guilds do to the list.

use std::collections::BTreeMap;

use super::{Transition, View};
use crate::placement::NodeName;
use crate::protocol::GuildId;

/// Most guilds that the operator can give to nodes.
pub const MAX_PINS: usize = 1_000;
/// Most guilds that a list remembers of a transition. What is more changes its node when the
/// transition ends, without a live hand-over.
const MAX_GONE: usize = 4_096;

/// Why a guild goes to another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Going {
    /// The operator wants it there, and that it stays there.
    Pinned,
    /// The operator gives it back to the ring.
    Unpinned,
    /// A node came or leaves.
    Flow,
}

impl View {
    /// Guilds from now on go over from the ring of these members. Every node may have some.
    pub(super) fn begin_transition(&mut self, from: BTreeMap<NodeName, f64>) {
        let waits = self.nodes.keys().cloned().collect();
        let transition = self.transition.get_or_insert_with(|| Transition {
            from,
            ..Transition::default()
        });
        transition.waits = waits;
    }

    /// Whether a node is to look for guilds of its own that go elsewhere.
    pub fn waits_for(&self, node: &NodeName) -> bool {
        let transition = self.transition.as_ref();
        transition.is_some_and(|it| it.waits.contains(node))
    }

    /// The list in which a node has no more guilds that go; `None` where it says so already.
    #[must_use]
    pub fn settled(&self, node: &NodeName) -> Option<Self> {
        self.waits_for(node).then(|| {
            let mut next = self.clone();
            next.generation += 1;
            next.settle(node);
            next
        })
    }

    /// A node has no more guilds that go; with the last one the transition ends.
    pub(super) fn settle(&mut self, node: &NodeName) {
        if let Some(transition) = &mut self.transition {
            transition.waits.remove(node);
            if transition.waits.is_empty() {
                self.transition = None;
            }
        }
    }

    /// The list in which a process is about to leave; `None` where it is not on it, is leaving already, or is the
    /// last that stays.
    #[must_use]
    pub fn leaving(&self, name: &NodeName, incarnation: u64) -> Option<Self> {
        let node = self.nodes.get(name)?;
        let others_stay = self
            .nodes
            .iter()
            .any(|(other, node)| other != name && !node.leaving);
        if node.incarnation != incarnation || node.leaving || !others_stay {
            return None;
        }
        let mut next = self.clone();
        next.generation += 1;
        next.nodes.get_mut(name)?.leaving = true;
        next.begin_transition(self.goal_members());
        Some(next)
    }

    /// The list in which guilds have gone to other nodes; `None` where none goes.
    ///
    /// A guild goes only where it is `here`'s now, the other node is on the list, and there is room for it on the list.
    #[must_use]
    pub fn moved(
        &self,
        here: (&NodeName, u64),
        guilds: &[(GuildId, NodeName)],
        going: Going,
    ) -> Option<Self> {
        let (name, incarnation) = here;
        if self.nodes.get(name)?.incarnation != incarnation {
            return None;
        }
        let placement = self.placement().ok()?;
        let mut next = self.clone();
        let mut any = false;
        for (guild, to) in guilds {
            if placement.owner(guild.get()) == name && self.nodes.contains_key(to) {
                any |= next.put(*guild, to, going);
            }
        }
        next.generation += 1;
        any.then_some(next)
    }

    fn put(&mut self, guild: GuildId, to: &NodeName, going: Going) -> bool {
        match going {
            Going::Pinned => {
                if self.pins.len() >= MAX_PINS && !self.pins.contains_key(&guild) {
                    return false;
                }
                self.pins.insert(guild, to.clone());
            }
            Going::Unpinned => {
                self.pins.remove(&guild);
            }
            Going::Flow => {}
        }
        match &mut self.transition {
            Some(transition) if transition.gone.len() < MAX_GONE => {
                transition.gone.insert(guild, to.clone());
                true
            }
            Some(_) => false,
            None => going != Going::Flow,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Node;
    use super::*;

    fn name(number: u16) -> NodeName {
        NodeName::new(&format!("node-{number}")).unwrap()
    }

    fn node(number: u16) -> Node {
        Node {
            incarnation: u64::from(number),
            number,
            weight: 1.0,
            leaving: false,
            zone: String::new(),
            gateway: String::new(),
        }
    }

    fn form() -> View {
        View {
            virtual_nodes: 150,
            ..View::default()
        }
    }

    /// Nodes 1 to `count`, with nothing under way.
    fn nodes(count: u16) -> View {
        let mut view = form();
        for number in 1..=count {
            view = view.with(&name(number), &node(number), &form()).unwrap();
            view.transition = None;
        }
        view
    }

    fn owners(view: &View) -> Vec<NodeName> {
        let placement = view.placement().unwrap();
        let owner = |guild| placement.owner(guild).clone();
        (0..1_000).map(owner).collect()
    }

    #[test]
    fn a_node_that_comes_gets_its_guilds_one_by_one_and_the_rest_at_the_end() {
        let before = nodes(2);
        let joined = before.with(&name(3), &node(3), &form()).unwrap();
        assert_eq!(owners(&joined), owners(&before), "nothing at once");
        let goal = joined.goal().unwrap();
        let going: Vec<(GuildId, NodeName)> = (0..1_000)
            .filter(|guild| goal.owner(*guild) != &owners(&before)[*guild as usize])
            .map(|guild| (GuildId::new(guild), goal.owner(guild).clone()))
            .collect();
        assert!(going.iter().all(|(_, to)| *to == name(3)));
        let of_first = |guild: GuildId| owners(&joined)[guild.get() as usize] == name(1);
        let went = joined.moved((&name(1), 1), &going, Going::Flow).unwrap();
        for (guild, to) in &going {
            let now = &owners(&went)[guild.get() as usize];
            assert_eq!(now == to, of_first(*guild), "each node moves its own");
        }
        let first = went.settled(&name(1)).unwrap();
        // Also those that it was not asked to move, since nobody used them.
        let now = owners(&first);
        let lag = going
            .iter()
            .filter(|(guild, to)| now[guild.get() as usize] != *to);
        assert!(lag.clone().count() > 0 && lag.clone().all(|(guild, _)| !of_first(*guild)));
        assert_eq!(first.settled(&name(1)), None);
        let second = first.settled(&name(2)).unwrap();
        assert_eq!(second.transition, None);
        assert_eq!(owners(&second), owners(&nodes(3)));
    }

    #[test]
    fn a_node_that_leaves_keeps_what_it_has_not_handed_over_until_it_is_gone() {
        let before = nodes(3);
        let leaving = before.leaving(&name(2), 2).unwrap();
        assert_eq!(owners(&leaving), owners(&before));
        assert_eq!(leaving.leaving(&name(2), 2), None);
        assert_eq!(before.leaving(&name(2), 7), None, "another process");
        let goal = leaving.goal().unwrap();
        let guild = owners(&before)
            .iter()
            .position(|it| *it == name(2))
            .unwrap();
        let to = goal.owner(guild as u64).clone();
        assert_ne!(to, name(2));
        let guilds = [(GuildId::new(guild as u64), to.clone())];
        let went = leaving.moved((&name(2), 2), &guilds, Going::Flow).unwrap();
        assert_eq!(owners(&went)[guild], to);
        let gone = went.without(&name(2), 2).unwrap();
        assert_eq!(owners(&gone)[guild], to);
        assert!(!owners(&gone).contains(&name(2)));
        let alone = nodes(1);
        assert_eq!(alone.leaving(&name(1), 1), None, "nobody would be left");
    }

    #[test]
    fn a_node_that_dies_in_a_transition_holds_nobody_up() {
        let joined = nodes(2).with(&name(3), &node(3), &form()).unwrap();
        assert!(joined.waits_for(&name(1)) && !joined.waits_for(&name(3)));
        let died = joined.without(&name(1), 1).unwrap();
        assert!(!owners(&died).contains(&name(1)));
        let done = died.settled(&name(2)).unwrap();
        assert_eq!(done.transition, None);
        // And where the one that came dies, everything is as before.
        let gone = joined.without(&name(3), 3).unwrap();
        assert_eq!(owners(&gone), owners(&nodes(2)));
    }

    #[test]
    fn a_pin_goes_before_the_ring_while_its_node_is_there() {
        let before = nodes(3);
        let guild = owners(&before)
            .iter()
            .position(|it| *it == name(1))
            .unwrap();
        let guilds = |to| [(GuildId::new(guild as u64), name(to))];
        let here = (&name(1), 1);
        assert_eq!(before.moved(here, &guilds(9), Going::Pinned), None);
        assert_eq!(before.moved((&name(2), 2), &guilds(3), Going::Pinned), None);
        assert_eq!(before.moved(here, &guilds(2), Going::Flow), None);
        let pinned = before.moved(here, &guilds(2), Going::Pinned).unwrap();
        assert_eq!(owners(&pinned)[guild], name(2));
        // A node that comes changes nothing of it, one that leaves does.
        let joined = pinned.with(&name(4), &node(4), &form()).unwrap();
        assert_eq!(owners(&joined)[guild], name(2));
        let goal = joined.goal().unwrap();
        assert_eq!(*goal.owner(guild as u64), name(2));
        let died = pinned.without(&name(2), 2).unwrap();
        assert_eq!(owners(&died)[guild], name(1));
        // In a transition a guild can be pinned to the node that comes.
        let here = (&name(2), 2);
        let moved = joined.moved(here, &guilds(4), Going::Pinned).unwrap();
        assert_eq!(owners(&moved)[guild], name(4));
        let back = pinned.moved(here, &guilds(1), Going::Unpinned).unwrap();
        assert_eq!(owners(&back), owners(&before));
    }
}
