//! What a placement says about one guild.

use serde::Serialize;
use smallvec::SmallVec;

use super::{Generation, Location, NodeName};

/// Why a guild is where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The ring says so.
    Ring,
    /// It is pinned there.
    Override,
}

/// The whole answer for one guild, as the admin API shows it. The path of a message needs only
/// [`super::Placement::owner`].
#[derive(Clone, Debug, PartialEq)]
pub struct Decision<'a> {
    /// The guild asked about.
    pub guild: u64,
    /// The node that owns it.
    pub node: &'a NodeName,
    /// Why that node.
    pub reason: Reason,
    /// The node of a pin that has no effect because that node is not a member.
    pub ignored_override: Option<&'a NodeName>,
    /// The guild's place on the ring, pinned or not.
    pub location: Location,
    /// Distinct nodes in the order in which they would own the guild, the owner first; as many as
    /// [`super::RingSettings::owners`], or all members when there are fewer.
    pub owners: SmallVec<[&'a NodeName; 4]>,
    /// The node that owned it in the former generation, when that was another one. It may have
    /// left the cluster since.
    pub moved_from: Option<&'a NodeName>,
    /// The generation of the placement that decided.
    pub generation: Generation,
}
