//! Which node owns which guild, and which of its threads runs it: pure, no I/O, no clock.
//!
//! A guild's id is hashed onto a ring of virtual nodes ([`Ring`]); the first virtual node at or
//! after the hash owns it. Operators may pin guilds to nodes ([`Overrides`]). Ring and pins
//! together are one immutable [`Placement`], numbered by a [`Generation`], and readers get the
//! newest one through a [`PlacementHandle`] without taking a lock.
//!
//! Every node that is given the same members and settings computes the same ring, whatever the
//! order in which it heard of them, so no ring is ever sent over the network.

mod bounded;
mod decision;
pub mod executors;
mod generation;
mod handle;
mod hashing;
mod member;
mod node_name;
mod overrides;
mod ring;
mod snapshot;
mod zones;

#[cfg(test)]
mod pinned;
#[cfg(test)]
mod properties;

pub use bounded::{Bound, BoundError, BoundedLoads, Placed, Room};
pub use decision::{Decision, Reason};
pub use generation::Generation;
pub use handle::{PlacementHandle, StaleGeneration};
pub use hashing::guild_hash;
pub use member::{Member, Weight, WeightError};
pub use node_name::{NodeName, NodeNameError};
pub use overrides::{Overrides, OverridesFull};
pub use ring::{Location, Owners, Ring, RingError, RingSettings};
pub use snapshot::Placement;
pub use zones::Zones;
