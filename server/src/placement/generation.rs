//! The number of a placement.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Numbers the placements of one cluster: each change of members or pins takes the next number,
/// so of two placements the one with the larger generation is the newer.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl Generation {
    /// The generation of a cluster's first placement: 1. Zero stands for "none yet".
    pub const FIRST: Self = Self(1);

    /// The generation after this one. Stays at `u64::MAX` once there, which a change every
    /// nanosecond would reach after 584 years.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
