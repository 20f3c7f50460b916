//! Many keys' moments in fixed memory.
//!
//! A key hashes to one set of [`WAYS`] slots and lives in any of them. A key that has been idle for
//! its period is worth nothing (its moment lies in the past, as a new key's does), so its slot is
//! free without anybody's sweeping. When all slots of a set are in use, the key that is nearest to
//! idle gives way, which at worst lets it start afresh early: no flood of keys can take memory or
//! lock others out. Such evictions are counted.
//!
//! Slots hold the hash of the key, 64 bits under a secret random key; two keys of one hash would
//! share their limit.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::quota::{Arrival, Quota, Standing, nanos};

/// Slots of a set: with eight-byte entries they are one cache line of keys and one of moments.
const WAYS: usize = 8;
/// Locks of a table.
const STRIPES: usize = 32;

/// Counts the requests of many keys.
#[derive(Debug)]
pub struct LimitTable {
    hasher: RandomState,
    stripes: Box<[Mutex<Stripe>]>,
    sets_per_stripe: usize,
    /// Keys that gave way before they were idle.
    evicted: AtomicU64,
}

/// Sets under one lock. Zeroed memory is a stripe of free slots.
#[derive(Debug)]
struct Stripe {
    keys: Vec<u64>,
    moments: Vec<u64>,
}

impl LimitTable {
    /// A table for `keys` keys at once, rounded up to a multiple of 256; 16 bytes each, taken from
    /// the system as they are first used.
    pub fn new(keys: usize) -> Self {
        let sets_per_stripe = keys.div_ceil(WAYS * STRIPES).max(1);
        let slots = sets_per_stripe * WAYS;
        let stripe = || {
            Mutex::new(Stripe {
                keys: vec![0; slots],
                moments: vec![0; slots],
            })
        };
        Self {
            hasher: RandomState::new(),
            stripes: (0..STRIPES).map(|_| stripe()).collect(),
            sets_per_stripe,
            evicted: AtomicU64::new(0),
        }
    }

    /// The most keys that can be in use at once.
    pub fn capacity(&self) -> usize {
        STRIPES * self.sets_per_stripe * WAYS
    }

    /// Keys that are in use, which takes a walk over the whole table: for figures.
    pub fn active(&self, now: Duration) -> usize {
        let now = nanos(now);
        let active = |stripe: &Mutex<Stripe>| {
            let stripe = stripe.lock().unwrap_or_else(PoisonError::into_inner);
            stripe
                .moments
                .iter()
                .filter(|&&moment| moment > now)
                .count()
        };
        self.stripes.iter().map(active).sum()
    }

    /// How often a key was forgotten before it was idle, because more keys were in use than there
    /// is room for.
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// Counts a request, if the quota allows it now. Otherwise says how long it has to wait; it is
    /// not counted then. A key must always come with the same quota.
    pub fn take(
        &self,
        key: &impl Hash,
        quota: Quota,
        now: Duration,
    ) -> (Standing, Result<(), Duration>) {
        self.with_moment(key, now, |moment, now| {
            let Arrival { moment: next, wait } = quota.arrive(*moment, now);
            let taken = if wait == 0 {
                *moment = next;
                Ok(())
            } else {
                Err(Duration::from_nanos(wait))
            };
            (quota.standing(*moment, now), taken)
        })
    }

    /// Where a key stands, without counting anything.
    pub fn look(&self, key: &impl Hash, quota: Quota, now: Duration) -> Standing {
        self.with_moment(key, now, |moment, now| quota.standing(*moment, now))
    }

    /// Counts a request and says how long it has to wait until the quota allows it, unless that is
    /// longer than `longest`: then it is not counted, and the wait comes as an error.
    pub fn reserve(
        &self,
        key: &impl Hash,
        quota: Quota,
        longest: Duration,
        now: Duration,
    ) -> Result<Duration, Duration> {
        self.with_moment(key, now, |moment, now| {
            let arrival = quota.arrive(*moment, now);
            let wait = Duration::from_nanos(arrival.wait);
            if wait > longest {
                return Err(wait);
            }
            *moment = arrival.moment;
            Ok(wait)
        })
    }

    /// Finds or makes the key's slot and lets `change` see and set its moment.
    fn with_moment<T>(
        &self,
        key: &impl Hash,
        now: Duration,
        change: impl FnOnce(&mut u64, u64) -> T,
    ) -> T {
        let now = nanos(now);
        let hash = self.hasher.hash_one(key);
        let stripe = (hash % STRIPES as u64) as usize;
        let set = (hash / STRIPES as u64 % self.sets_per_stripe as u64) as usize;
        let slots = set * WAYS..(set + 1) * WAYS;

        // No user code runs under the lock; a poisoned one guards plain numbers all the same.
        let mut stripe = self.stripes[stripe]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let known = slots.clone().find(|&slot| stripe.keys[slot] == hash);
        let slot = known.unwrap_or_else(|| {
            let slot = slots
                .min_by_key(|&slot| stripe.moments[slot])
                .expect("invariant: a set has slots");
            if stripe.moments[slot] > now {
                self.evicted.fetch_add(1, Ordering::Relaxed);
            }
            stripe.keys[slot] = hash;
            stripe.moments[slot] = 0;
            slot
        });
        change(&mut stripe.moments[slot], now)
    }
}

#[cfg(test)]
mod tests;
