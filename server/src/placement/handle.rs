//! The published placement.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::{Generation, Placement};

/// Gives every reader the newest placement without a lock. Clones share what is published.
#[derive(Clone, Debug)]
pub struct PlacementHandle {
    published: Arc<ArcSwap<Placement>>,
}

impl PlacementHandle {
    /// Publishes a first placement.
    pub fn new(placement: Placement) -> Self {
        Self {
            published: Arc::new(ArcSwap::from_pointee(placement)),
        }
    }

    /// The newest placement, for a look-up or a few. Do not hold it across an await: use
    /// [`PlacementHandle::snapshot`] there.
    #[inline]
    pub fn load(&self) -> Guard<Arc<Placement>> {
        self.published.load()
    }

    /// The newest placement, to keep.
    pub fn snapshot(&self) -> Arc<Placement> {
        self.published.load_full()
    }

    /// Publishes a newer placement. One that is not newer than what is published is refused, so
    /// that of two writers the slower cannot put an old ring back.
    pub fn publish(&self, placement: Placement) -> Result<(), StaleGeneration> {
        let next = Arc::new(placement);
        let mut seen = self.published.load();
        loop {
            if next.generation() <= seen.generation() {
                return Err(StaleGeneration {
                    offered: next.generation(),
                    published: seen.generation(),
                });
            }
            let found = self.published.compare_and_swap(&*seen, Arc::clone(&next));
            if Arc::ptr_eq(&found, &seen) {
                return Ok(());
            }
            seen = found;
        }
    }
}

/// A placement that is not newer than the published one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("placement generation {offered} is not newer than {published}, which is published")]
pub struct StaleGeneration {
    /// The generation of the refused placement.
    pub offered: Generation,
    /// The generation that stays published.
    pub published: Generation,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::{Member, NodeName, Overrides, Ring, RingSettings};

    fn first() -> Placement {
        let member = Member::new(NodeName::new("node-1").unwrap());
        let ring = Ring::build([member], RingSettings::default()).unwrap();
        Placement::new(ring, Overrides::new())
    }

    #[test]
    fn readers_see_a_published_placement_and_keep_the_one_they_hold() {
        let handle = PlacementHandle::new(first());
        let held = handle.snapshot();
        let reader = handle.clone();
        handle
            .publish(held.with_overrides(Overrides::new()))
            .unwrap();
        assert_eq!(held.generation(), Generation(1));
        assert_eq!(reader.load().generation(), Generation(2));
    }

    #[test]
    fn an_older_or_equal_generation_is_refused() {
        let handle = PlacementHandle::new(first());
        let second = handle.load().with_overrides(Overrides::new());
        handle.publish(second.clone()).unwrap();
        let refused = StaleGeneration {
            offered: Generation(2),
            published: Generation(2),
        };
        assert_eq!(handle.publish(second), Err(refused));
        assert!(handle.publish(first()).is_err());
        assert_eq!(handle.load().generation(), Generation(2));
    }

    #[test]
    fn of_racing_writers_exactly_one_publishes_each_generation() {
        let handle = PlacementHandle::new(first());
        let won = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let mut won = 0_u64;
                        while handle.load().generation() < Generation(200) {
                            let next = handle.snapshot().with_overrides(Overrides::new());
                            won += u64::from(handle.publish(next).is_ok());
                        }
                        won
                    })
                })
                .collect();
            writers
                .into_iter()
                .map(|writer| writer.join().unwrap())
                .sum::<u64>()
        });
        assert_eq!(Generation(1 + won), handle.load().generation());
    }
}
