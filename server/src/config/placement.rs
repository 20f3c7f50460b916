//! `[placement]`: the ring.

use std::collections::BTreeMap;

use super::check::within;
use super::setting::section;
use crate::placement::{NodeName, Overrides, RingSettings, Weight};
use crate::protocol::GuildId;

/// `placement.virtual_nodes`.
pub const DEFAULT_VIRTUAL_NODES: u32 = 150;

section! {
    /// The ring.
    pub struct Placement = "placement" {
        /// Points on the ring of a node of weight 1. The same on every node of a cluster.
        virtual_nodes: u32 = DEFAULT_VIRTUAL_NODES, Count,
            within(1..=RingSettings::MAX_VIRTUAL_NODES);
        /// Shares of nodes relative to the others; 1 for those not named.
        weights: BTreeMap<NodeName, Weight> = BTreeMap::new(), None;
        /// Guilds pinned to a node, against the ring.
        overrides: BTreeMap<GuildId, NodeName> = BTreeMap::new(), None, few_enough;
    }
}

fn few_enough(overrides: &BTreeMap<GuildId, NodeName>) -> Result<(), String> {
    if overrides.len() > Overrides::MAX {
        return Err(format!("expected at most {} guilds", Overrides::MAX));
    }
    Ok(())
}
