//! A set of channels of one guild, as bits.

use smallvec::SmallVec;

/// A set of channel slots of one table. Up to 128 channels need no memory of their own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChannelSet(SmallVec<[u64; 2]>);

impl ChannelSet {
    /// The slots from 0 up to but not including `count`.
    pub fn first(count: usize) -> Self {
        let mut words: SmallVec<[u64; 2]> = SmallVec::from_elem(u64::MAX, count / 64);
        if !count.is_multiple_of(64) {
            words.push((1 << (count % 64)) - 1);
        }
        Self(words)
    }

    /// Adds a slot.
    pub fn insert(&mut self, slot: usize) {
        let word = slot / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (slot % 64);
    }

    /// Whether the slot is in the set.
    pub fn contains(&self, slot: usize) -> bool {
        self.0
            .get(slot / 64)
            .is_some_and(|word| word & (1 << (slot % 64)) != 0)
    }

    /// Whether no slot is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many slots are in the set.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The slots, rising.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(index, &word)| {
            let mut rest = word;
            std::iter::from_fn(move || {
                if rest == 0 {
                    return None;
                }
                let bit = rest.trailing_zeros() as usize;
                rest &= rest - 1;
                Some(index * 64 + bit)
            })
        })
    }

    /// The slots of this set that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut words: SmallVec<[u64; 2]> = self
            .0
            .iter()
            .enumerate()
            .map(|(index, word)| word & !other.0.get(index).copied().unwrap_or(0))
            .collect();
        // Equal sets have equal words: none of the last ones is empty.
        while words.last() == Some(&0) {
            words.pop();
        }
        Self(words)
    }
}

impl FromIterator<usize> for ChannelSet {
    fn from_iter<I: IntoIterator<Item = usize>>(slots: I) -> Self {
        let mut set = Self::default();
        for slot in slots {
            set.insert(slot);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_channel_set_behaves_like_a_set(
            one in prop::collection::btree_set(0_usize..500, 0..40),
            other in prop::collection::btree_set(0_usize..500, 0..40),
        ) {
            let set: ChannelSet = one.iter().copied().collect();
            let without: ChannelSet = other.iter().copied().collect();
            prop_assert_eq!(set.len(), one.len());
            prop_assert_eq!(set.is_empty(), one.is_empty());
            prop_assert!((0..520).all(|slot| set.contains(slot) == one.contains(&slot)));
            prop_assert!(set.iter().eq(one.iter().copied()));
            let rest: BTreeSet<usize> = one.difference(&other).copied().collect();
            let difference = set.difference(&without);
            prop_assert!(difference.iter().eq(rest.iter().copied()));
            prop_assert_eq!(difference, rest.into_iter().collect::<ChannelSet>());
        }

        #[test]
        fn the_first_slots_are_all_below_the_count(count in 0_usize..300) {
            prop_assert_eq!(ChannelSet::first(count), (0..count).collect::<ChannelSet>());
        }
    }
}
