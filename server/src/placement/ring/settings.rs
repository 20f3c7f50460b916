//! What a ring is built with, and why it may be refused.

use crate::placement::{Member, NodeName};

/// The settings of a ring. All nodes of a cluster must have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingSettings {
    /// Virtual nodes of a member of weight 1. More make the shares more even (their relative
    /// standard deviation is about `1 / sqrt(virtual_nodes)`) and the ring larger. 1 to 10,000,
    /// 150 by default.
    pub virtual_nodes: u32,
    /// How many owners of a guild a [`crate::placement::Decision`] names. At least 1, 3 by
    /// default.
    pub owners: usize,
}

impl Default for RingSettings {
    fn default() -> Self {
        Self {
            virtual_nodes: 150,
            owners: 3,
        }
    }
}

impl RingSettings {
    /// The most virtual nodes of a member of weight 1.
    pub const MAX_VIRTUAL_NODES: u32 = 10_000;
    /// The most members of a ring.
    pub const MAX_MEMBERS: usize = 4_096;
    /// The most virtual nodes of a ring: 4,194,304, which take 74 MB.
    pub const MAX_POINTS: usize = 1 << 22;

    /// Checks the settings and the number of members, and returns the number of virtual nodes.
    pub(super) fn check(self, members: &[Member]) -> Result<usize, RingError> {
        if !(1..=Self::MAX_VIRTUAL_NODES).contains(&self.virtual_nodes) {
            return Err(RingError::VirtualNodes {
                found: self.virtual_nodes,
            });
        }
        if self.owners == 0 {
            return Err(RingError::NoOwners);
        }
        if members.is_empty() {
            return Err(RingError::NoMembers);
        }
        if members.len() > Self::MAX_MEMBERS {
            return Err(RingError::TooManyMembers {
                found: members.len(),
            });
        }
        let points = members
            .iter()
            .map(|member| member.weight.points(self.virtual_nodes) as usize)
            .sum();
        if points > Self::MAX_POINTS {
            return Err(RingError::TooManyPoints { found: points });
        }
        Ok(points)
    }
}

/// Why there is no such ring.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// A ring needs at least one member.
    #[error("a ring needs at least one member")]
    NoMembers,
    /// Two members have one name.
    #[error("two members are named {name}")]
    DuplicateMember {
        /// That name.
        name: NodeName,
    },
    /// The node to remove is not a member.
    #[error("{name} is not a member")]
    UnknownMember {
        /// Its name.
        name: NodeName,
    },
    /// More than [`RingSettings::MAX_MEMBERS`] members.
    #[error("{found} members, at most 4096 are allowed")]
    TooManyMembers {
        /// Their number.
        found: usize,
    },
    /// More than [`RingSettings::MAX_POINTS`] virtual nodes in all.
    #[error("{found} virtual nodes in all, at most 4194304 are allowed")]
    TooManyPoints {
        /// Their number.
        found: usize,
    },
    /// [`RingSettings::virtual_nodes`] is out of range.
    #[error("{found} virtual nodes per member, allowed are 1 to 10000")]
    VirtualNodes {
        /// The refused value.
        found: u32,
    },
    /// [`RingSettings::owners`] is 0.
    #[error("a decision names at least one owner")]
    NoOwners,
}
