//! The two hashes of the ring, both XXH3-64 with seed 0. Changing either moves every guild of
//! every cluster: `pinned.rs` holds values computed with another implementation.

use twox_hash::XxHash3_64;

use super::NodeName;

/// Where a guild lies on the ring: the hash of the eight big-endian bytes of its id.
#[inline]
pub fn guild_hash(guild: u64) -> u64 {
    XxHash3_64::oneshot(&guild.to_be_bytes())
}

/// The name, a zero byte and four bytes of replica number.
const MAX_INPUT: usize = NodeName::MAX_LEN + 1 + 4;

/// Where the virtual nodes of one node lie: the hash of its name, a zero byte and the replica
/// number as four big-endian bytes. No name contains a zero byte, so no two nodes hash the same
/// input.
pub(super) struct PointHasher {
    input: [u8; MAX_INPUT],
    /// Length of the name with its zero byte.
    prefix: usize,
}

impl PointHasher {
    pub(super) fn new(name: &NodeName) -> Self {
        let name = name.as_bytes();
        let mut input = [0; MAX_INPUT];
        input[..name.len()].copy_from_slice(name);
        Self {
            input,
            prefix: name.len() + 1,
        }
    }

    /// The point of the virtual node with this number.
    pub(super) fn point(&mut self, replica: u32) -> u64 {
        let end = self.prefix + 4;
        self.input[self.prefix..end].copy_from_slice(&replica.to_be_bytes());
        XxHash3_64::oneshot(&self.input[..end])
    }
}
