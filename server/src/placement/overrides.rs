//! Pins: guilds that an operator or a move has tied to a node.

use hashbrown::HashMap;

use super::NodeName;

/// Guilds pinned to nodes, against the ring. A pin to a node that is not a member is kept but has
/// no effect until the node joins: see [`super::Placement::ignored_overrides`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    pins: HashMap<u64, NodeName>,
}

impl Overrides {
    /// The most pins there can be: 65,536. Every change copies them all.
    pub const MAX: usize = 1 << 16;

    /// No pins.
    pub fn new() -> Self {
        Self::default()
    }

    /// Pins a guild to a node and returns the node it was pinned to before. Fails when it would
    /// be one pin more than [`Overrides::MAX`].
    pub fn pin(&mut self, guild: u64, node: NodeName) -> Result<Option<NodeName>, OverridesFull> {
        if self.pins.len() >= Self::MAX && !self.pins.contains_key(&guild) {
            return Err(OverridesFull);
        }
        Ok(self.pins.insert(guild, node))
    }

    /// Gives a guild back to the ring and returns the node it was pinned to.
    pub fn unpin(&mut self, guild: u64) -> Option<NodeName> {
        self.pins.remove(&guild)
    }

    /// The node a guild is pinned to.
    #[inline]
    pub fn get(&self, guild: u64) -> Option<&NodeName> {
        self.pins.get(&guild)
    }

    /// All pins, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &NodeName)> {
        self.pins.iter().map(|(&guild, node)| (guild, node))
    }

    /// The number of pins.
    pub fn len(&self) -> usize {
        self.pins.len()
    }

    /// Whether there is no pin.
    pub fn is_empty(&self) -> bool {
        self.pins.is_empty()
    }
}

/// There are already [`Overrides::MAX`] pins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are already 65536 guild pins")]
pub struct OverridesFull;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_bounded_and_a_pinned_guild_can_still_be_repinned() {
        let [a, b] = ["a", "b"].map(|name| NodeName::new(name).unwrap());
        let mut overrides = Overrides::new();
        for guild in 0..Overrides::MAX as u64 {
            assert_eq!(overrides.pin(guild, a.clone()), Ok(None));
        }
        assert_eq!(overrides.pin(u64::MAX, a.clone()), Err(OverridesFull));
        assert_eq!(overrides.pin(7, b.clone()), Ok(Some(a.clone())));
        assert_eq!(overrides.unpin(7), Some(b));
        assert_eq!(overrides.unpin(7), None);
        assert_eq!(overrides.pin(u64::MAX, a), Ok(None));
        assert_eq!(overrides.len(), Overrides::MAX);
    }
}
