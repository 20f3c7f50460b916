//! The walk from a guild's hash round the ring.

use std::iter::FusedIterator;

use smallvec::SmallVec;

use super::Ring;
use crate::placement::NodeName;

/// Distinct nodes in the order in which the walk meets them. Made by [`Ring::owners`].
#[derive(Clone, Debug)]
pub struct Owners<'a> {
    ring: &'a Ring,
    /// The next position to look at; the sentinel's stands for the first.
    at: usize,
    /// Seats already named.
    named: SmallVec<[u16; 4]>,
    left: usize,
}

impl<'a> Owners<'a> {
    pub(super) fn new(ring: &'a Ring, at: usize, n: usize) -> Self {
        Self {
            ring,
            at,
            named: SmallVec::new(),
            left: n.min(ring.members.len()),
        }
    }
}

impl<'a> Iterator for Owners<'a> {
    type Item = &'a NodeName;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        // Ends because each member has a point and not all of them are named yet.
        loop {
            if self.at == self.ring.len() {
                self.at = 0;
            }
            let seat = self.ring.seats[self.at];
            self.at += 1;
            if !self.named.contains(&seat) {
                self.left -= 1;
                // The last one need not be remembered, so four are found without an allocation.
                if self.left > 0 {
                    self.named.push(seat);
                }
                return Some(&self.ring.members[usize::from(seat)].name);
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Owners<'_> {}
impl FusedIterator for Owners<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::{Member, RingSettings};

    #[test]
    fn up_to_four_owners_are_found_without_an_allocation() {
        let members = (0..64).map(|i| Member::new(NodeName::new(&format!("node-{i}")).unwrap()));
        let ring = Ring::build(members, RingSettings::default()).unwrap();
        let spilled = |guild: u64, n: usize| {
            let mut owners = ring.owners(guild, n);
            assert_eq!(owners.by_ref().count(), n);
            owners.named.spilled()
        };
        for guild in 0..1_000 {
            assert!((0..=4).all(|n| !spilled(guild, n)));
        }
        // The check can fail: many owners do not fit.
        assert!(spilled(0, 64));
    }
}
