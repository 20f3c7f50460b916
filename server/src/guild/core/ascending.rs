//! A list by rising keys, which come nearly always in that order.

use std::collections::VecDeque;

/// Entries by rising key. To add one behind the last, or to take the first, costs the same however many there are, and
/// touches no other; anywhere else those behind it or before it, whichever are fewer, are moved.
#[derive(Debug)]
pub(super) struct Ascending<K, V>(VecDeque<(K, V)>);

impl<K, V> Ascending<K, V> {
    /// Without entries; asks for no memory.
    pub(super) const fn new() -> Self {
        Self(VecDeque::new())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every entry, by rising key.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(K, V)> {
        self.0.iter()
    }

    pub(super) fn first(&self) -> Option<&(K, V)> {
        self.0.front()
    }

    /// Drops what is not to stay.
    pub(super) fn retain(&mut self, mut stays: impl FnMut(&V) -> bool) {
        self.0.retain(|(_, value)| stays(value));
    }

    /// Gives back memory, where that is worth it.
    pub(super) fn give_back(&mut self) {
        if self.0.capacity() > 2 * self.0.len() {
            self.0.shrink_to_fit();
        }
    }
}

impl<K: Copy + Ord, V> Ascending<K, V> {
    fn place(&self, key: K) -> Result<usize, usize> {
        match self.0.back() {
            Some((last, _)) if *last >= key => self.0.binary_search_by_key(&key, |entry| entry.0),
            _ => Err(self.0.len()),
        }
    }

    /// Adds an entry; answers the one that had its key.
    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.place(key) {
            Ok(place) => Some(std::mem::replace(&mut self.0[place].1, value)),
            Err(place) => {
                self.0.insert(place, (key, value));
                None
            }
        }
    }

    pub(super) fn get(&self, key: K) -> Option<&V> {
        let place = self.place(key).ok()?;
        Some(&self.0[place].1)
    }

    pub(super) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let place = self.place(key).ok()?;
        Some(&mut self.0[place].1)
    }

    pub(super) fn remove(&mut self, key: K) -> Option<V> {
        let place = self.place(key).ok()?;
        self.0.remove(place).map(|(_, value)| value)
    }

    /// Keys up to `to`, falling.
    pub(super) fn keys_through(&self, to: K) -> impl Iterator<Item = K> {
        let end = self.0.partition_point(|entry| entry.0 <= to);
        self.0.range(..end).rev().map(|entry| entry.0)
    }

    /// Keys above `key`, rising.
    pub(super) fn keys_above(&self, key: K) -> impl Iterator<Item = K> {
        let start = self.0.partition_point(|entry| entry.0 <= key);
        self.0.range(start..).map(|entry| entry.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// It does what a `BTreeMap` does.
        #[test]
        fn it_is_a_map(steps in proptest::collection::vec((0_u8..5, 0_u16..64), 0..200)) {
            let mut list = Ascending::new();
            let mut model = BTreeMap::new();
            for (number, (step, key)) in steps.into_iter().enumerate() {
                match step {
                    0 | 1 => prop_assert_eq!(list.insert(key, number), model.insert(key, number)),
                    2 => prop_assert_eq!(list.remove(key), model.remove(&key)),
                    3 if key < 4 => {
                        list.retain(|value| value % 4 != usize::from(key));
                        model.retain(|_, value| *value % 4 != usize::from(key));
                    }
                    3 => {
                        let newest = key + 64 * number as u16;
                        prop_assert_eq!(list.insert(newest, number), model.insert(newest, number));
                    }
                    _ => {
                        let first = list.first().map(|(first, _)| *first);
                        prop_assert_eq!(first, model.keys().next().copied());
                        if let Some(first) = first {
                            prop_assert_eq!(list.remove(first), model.remove(&first));
                            list.give_back();
                        }
                    }
                }
                prop_assert_eq!(list.get(key), model.get(&key));
                prop_assert_eq!(list.get_mut(key), model.get_mut(&key));
                prop_assert_eq!((list.len(), list.is_empty()), (model.len(), model.is_empty()));
                prop_assert!(list.iter().map(|(key, value)| (key, value)).eq(&model));
                prop_assert!(list.keys_through(key).eq(model.range(..=key).rev().map(|it| *it.0)));
                prop_assert!(list.keys_above(key).eq(model.range(key + 1..).map(|it| *it.0)));
            }
        }
    }
}
