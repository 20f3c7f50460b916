//! Deadlines of a worker's connections and sessions, in whole seconds: one timer for all.

/// Slots of the wheel; later deadlines are looked at once per turn.
const SLOTS: usize = 128;

/// A wheel of keys; each is handed back at or before its deadline, to be looked at and put back.
#[derive(Debug)]
pub struct Wheel<K> {
    slots: Vec<Vec<K>>,
    /// The second that was handed out last.
    now_s: u64,
}

impl<K> Wheel<K> {
    /// An empty wheel at this second.
    pub fn new(now_s: u64) -> Self {
        Self {
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            now_s,
        }
    }

    /// Adds a key to be handed back at `at_s`, or earlier if that is more than a turn away.
    pub fn insert(&mut self, key: K, at_s: u64) {
        let ahead = at_s.saturating_sub(self.now_s).clamp(1, SLOTS as u64 - 1);
        self.slots[((self.now_s + ahead) % SLOTS as u64) as usize].push(key);
    }

    /// Takes out everything up to and including the second `now_s`.
    pub fn advance(&mut self, now_s: u64, due: &mut Vec<K>) {
        let steps = now_s.saturating_sub(self.now_s).min(SLOTS as u64);
        for step in 1..=steps {
            let slot = ((now_s - steps + step) % SLOTS as u64) as usize;
            let keys = &mut self.slots[slot];
            due.append(keys);
            if keys.capacity() > 64 {
                *keys = Vec::new();
            }
        }
        self.now_s = self.now_s.max(now_s);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_key_comes_back_once_and_never_late(
            keys in proptest::collection::vec((0_u64..500, 0_u64..300), 0..100),
            strides in proptest::collection::vec(1_u64..40, 1..50),
        ) {
            let mut wheel = Wheel::new(0);
            let mut waiting: Vec<_> = keys.iter().map(|(at, _)| *at).collect();
            for at in &waiting { wheel.insert(*at, *at); }
            let mut now = 0;
            let mut strides = strides.iter().cycle();
            while now < 700 {
                now += strides.next().unwrap();
                let mut due = Vec::new();
                wheel.advance(now, &mut due);
                for at in due {
                    if at > now { wheel.insert(at, at); continue; }
                    let index = waiting.iter().position(|other| *other == at);
                    prop_assert!(index.is_some());
                    waiting.swap_remove(index.unwrap());
                }
                prop_assert!(waiting.iter().all(|at| *at > now), "late at {now}: {waiting:?}");
            }
        }
    }
}
