//! Which publishes of a guild a session has seen: a bit per publish, kept only while some before it are missing.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// A set of publish numbers that is nearly always "all below `base`, and few above".
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct SeenSet {
    /// All below are in the set.
    base: u32,
    /// Bit `i` stands for `base + i`.
    window: u64,
    /// Bits from `base + 64` on; only while something stays missing for long. Boxed as it is rare.
    spill: Option<Box<Spill>>,
}

/// 64 publishes a word, from `base + 64` on.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Spill {
    words: VecDeque<u64>,
}

impl SeenSet {
    /// Adds `publish`; says whether it is new.
    pub(super) fn insert(&mut self, publish: u32) -> bool {
        let Some(offset) = publish.checked_sub(self.base) else {
            return false;
        };
        if offset < 64 {
            let bit = 1 << offset;
            if self.window & bit != 0 {
                return false;
            }
            self.window |= bit;
            if bit == 1 {
                self.advance();
            }
            return true;
        }
        let index = (offset / 64 - 1) as usize;
        let words = &mut self.spill.get_or_insert_default().words;
        if words.len() <= index {
            words.resize(index + 1, 0);
        }
        let bit = 1 << (offset % 64);
        let new = words[index] & bit == 0;
        words[index] |= bit;
        new
    }

    /// Whether `publish` is in the set.
    pub(super) fn contains(&self, publish: u32) -> bool {
        let Some(offset) = publish.checked_sub(self.base) else {
            return true;
        };
        if offset < 64 {
            return self.window & (1 << offset) != 0;
        }
        let index = (offset / 64 - 1) as usize;
        let word = self.spill.as_ref().and_then(|spill| spill.words.get(index));
        word.is_some_and(|word| word & (1 << (offset % 64)) != 0)
    }

    /// Moves the window past what is complete at its start.
    fn advance(&mut self) {
        loop {
            let done = self.window.trailing_ones();
            let Some(spill) = &mut self.spill else {
                self.base += done;
                self.window = self.window.checked_shr(done).unwrap_or(0);
                return;
            };
            // With spilled words the window moves by whole words, so that those keep their places.
            if done < 64 {
                return;
            }
            self.base += 64;
            self.window = spill.words.pop_front().unwrap_or(0);
            if spill.words.is_empty() {
                self.spill = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_like_a_set(inserts in prop::collection::vec(0_u32..600, 0..1_500)) {
            let mut set = SeenSet::default();
            let mut model = BTreeSet::new();
            for publish in inserts {
                prop_assert_eq!(set.insert(publish), model.insert(publish));
            }
            for publish in 0..700 {
                prop_assert_eq!(set.contains(publish), model.contains(&publish), "{}", publish);
            }
        }

        #[test]
        fn nearly_ordered_input_needs_no_heap(delays in prop::collection::vec(0_u32..30, 2_000)) {
            let mut order: Vec<u32> = (0..2_000).collect();
            order.sort_by_key(|publish| publish + delays[*publish as usize]);
            let mut set = SeenSet::default();
            for publish in order {
                prop_assert!(set.insert(publish));
            }
            prop_assert_eq!(set.base, 2_000);
            prop_assert!(set.spill.is_none());
        }
    }

    #[test]
    fn a_late_first_one_frees_what_waited_for_it() {
        let mut set = SeenSet::default();
        for publish in 1..1_000 {
            assert!(set.insert(publish));
        }
        assert!(set.spill.is_some());
        assert!(set.insert(0));
        assert!(set.base >= 960);
        for publish in 1_000..1_200 {
            assert!(set.insert(publish));
        }
        assert!(set.spill.is_none(), "the heap part is given back");
        assert!(!set.insert(1_199));
    }
}
