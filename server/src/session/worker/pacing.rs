//! Writes that wait for company.
//!
//! A connection that was quiet for a pace is written to at once. One that was not is held until its own
//! moment in the pace, which comes once in each: connections' moments are spread over it, so that the
//! thread is never busy with writes for long. One timer serves the whole worker.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::Worker;
use crate::clock;
use crate::fanout::pace::Pace;

/// Milliseconds ahead that connections may be held for: more than the longest pace.
const SLOTS: usize = 1_024;
/// Moments in a pace. Each write alone would cost the thread a wake-up, and caches that have gone cold; all
/// together would keep it from everything else for their time.
pub(super) const GROUPS: u64 = 4;
/// Writes of held connections before other tasks of the thread get their turn.
const SLICE: usize = 64;

/// What is held back, and until when.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) pace: Pace,
    /// Connections by the millisecond that they are held until, modulo the number of slots.
    slots: Vec<Vec<(usize, u32)>>,
    /// How many there are.
    count: usize,
    /// Every slot before this millisecond is empty.
    next_ms: u64,
    /// When the timer is set for.
    timer_ms: Option<u64>,
    /// Wakes the timer.
    bell: Rc<Notify>,
}

/// What the worker has written in one go.
struct Round {
    started: Instant,
    events: u64,
    writes: u64,
    /// Connections that were written to for the first time in this window.
    connections: u64,
}

impl Round {
    fn begin() -> Self {
        Self {
            started: clock::now(),
            events: 0,
            writes: 0,
            connections: 0,
        }
    }
}

impl Held {
    pub(super) fn new(longest: Duration) -> Self {
        Self {
            pace: Pace::new(longest),
            slots: vec![Vec::new(); SLOTS],
            count: 0,
            next_ms: 0,
            timer_ms: None,
            bell: Rc::default(),
        }
    }

    /// Whether nobody waits.
    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Holds a connection until the moment that follows when its events came, or to be written to now where that has been.
    fn hold(&mut self, key: usize, generation: u32, (came_ms, now_ms): (u64, u64), pace_ms: u64) {
        if self.count == 0 {
            self.next_ms = now_ms;
        }
        self.count += 1;
        let until_ms = moment(key, came_ms, pace_ms);
        let until_ms = until_ms.clamp(self.next_ms, self.next_ms.max(now_ms) + SLOTS as u64 - 1);
        self.slots[until_ms as usize % SLOTS].push((key, generation));
        self.ring_for(until_ms);
    }

    /// Sees to it that the timer wakes at a moment, or before.
    pub(super) fn ring_for(&mut self, moment_ms: u64) {
        if self.timer_ms.is_none_or(|timer_ms| timer_ms > moment_ms) {
            self.bell.notify_one();
        }
    }

    /// Takes a connection whose moment has come.
    fn release(&mut self, now_ms: u64) -> Option<(usize, u32)> {
        while self.count > 0 && self.next_ms <= now_ms {
            if let Some(connection) = self.slots[self.next_ms as usize % SLOTS].pop() {
                self.count -= 1;
                return Some(connection);
            }
            self.next_ms += 1;
        }
        None
    }

    /// The next moment at which a connection is to be written to, in milliseconds of the worker's clock.
    fn due_ms(&self) -> Option<u64> {
        if self.count == 0 {
            return None;
        }
        let mut slots = self.next_ms..self.next_ms + SLOTS as u64;
        slots.find(|ms| !self.slots[*ms as usize % SLOTS].is_empty())
    }
}

/// The first moment of a connection after `now_ms`: one in each pace, evenly spread over connections.
fn moment(key: usize, now_ms: u64, pace_ms: u64) -> u64 {
    let spread = (key as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    moment_of_group(spread % GROUPS, now_ms, pace_ms)
}

/// The first moment of any connection after `now_ms`.
pub(super) fn next_moment(now_ms: u64, pace_ms: u64) -> u64 {
    let moments = (0..GROUPS).map(|group| moment_of_group(group, now_ms, pace_ms));
    moments.min().expect("invariant: there are groups")
}

fn moment_of_group(group: u64, now_ms: u64, pace_ms: u64) -> u64 {
    let phase = group * pace_ms / GROUPS;
    let into = (now_ms + pace_ms - phase) % pace_ms;
    now_ms + pace_ms - into
}

impl Worker {
    /// Writes what the sessions in the list of those with something new are owed, now or at their
    /// connections' next moment. `came` is when that came, on the worker's clock, where it was before now.
    pub(super) fn flush_dirty(&mut self, came: Option<Duration>) {
        if self.after.dirty.is_empty() {
            return;
        }
        let mut round = Round::begin();
        let came = came.unwrap_or_else(|| round.started.duration_since(self.started));
        let pace = self.held.pace.get();
        let mut dirty = std::mem::take(&mut self.after.dirty);
        for key in dirty.drain(..) {
            let Some(session) = self.sessions.get_mut(key) else {
                continue;
            };
            session.dirty = false;
            if let Some(connection) = session.connection() {
                self.write_or_hold(connection, (came, pace), &mut round);
            }
        }
        self.after.dirty = dirty;
        self.note_writes(&round);
    }

    fn write_or_hold(&mut self, key: usize, (came, pace): (Duration, Duration), round: &mut Round) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.held {
            return;
        }
        if pace.is_zero() || came >= connection.written_at + pace {
            self.write(key, round);
            return;
        }
        connection.held = true;
        let now = round.started.duration_since(self.started);
        let times_ms = (came.as_millis() as u64, now.as_millis() as u64);
        let pace_ms = (pace.as_millis() as u64).max(1);
        self.held
            .hold(key, connection.generation, times_ms, pace_ms);
    }

    fn write(&mut self, key: usize, round: &mut Round) {
        let at = round.started.duration_since(self.started);
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        round.connections += u64::from(connection.written_at <= self.held.pace.window_began());
        connection.written_at = at;
        let flushed = self.flush(key);
        round.events += flushed.events as u64;
        round.writes += flushed.writes as u64;
    }

    /// Writes to connections whose moment has come; whether more of them wait.
    pub(super) fn flush_held(&mut self) -> bool {
        let mut round = Round::begin();
        let now_ms = round.started.duration_since(self.started).as_millis() as u64;
        let mut left = SLICE;
        while left > 0
            && let Some((key, generation)) = self.held.release(now_ms)
        {
            left -= 1;
            if let Some(connection) = self.connections.get_mut(key)
                && connection.generation == generation
            {
                connection.held = false;
                self.counters.held_writes += 1;
                self.write(key, &mut round);
            }
        }
        self.note_writes(&round);
        left == 0
    }

    fn note_writes(&mut self, round: &Round) {
        let now = clock::now();
        let busy = now.duration_since(round.started);
        let pace = &mut self.held.pace;
        pace.wrote(round.events, round.writes, round.connections, busy);
        pace.tick(now.duration_since(self.started));
    }

    /// Sets the timer; answers for when.
    fn set_timer(&mut self) -> Option<Instant> {
        let due_ms = [self.held.due_ms(), self.gathered.due_ms()];
        let due_ms = due_ms.into_iter().flatten().min();
        self.held.timer_ms = due_ms;
        due_ms.map(|due_ms| self.started + Duration::from_millis(due_ms))
    }

    /// What wakes the timer.
    pub fn bell(&self) -> Rc<Notify> {
        Rc::clone(&self.held.bell)
    }
}

/// The timer of a worker: ends with it.
pub async fn keep_pace(worker: Weak<RefCell<Worker>>, bell: Rc<Notify>) {
    loop {
        let due = {
            let Some(worker) = worker.upgrade() else {
                return;
            };
            worker.borrow_mut().set_timer()
        };
        let Some(due) = due else {
            bell.notified().await;
            continue;
        };
        // Something that is due earlier may come meanwhile.
        if tokio::time::timeout_at(due.into(), bell.notified())
            .await
            .is_ok()
        {
            continue;
        }
        let hands_out = worker
            .upgrade()
            .is_some_and(|worker| worker.borrow().ask_to_hand_out());
        if hands_out {
            // The hub does it, which is restarted should it panic.
            tokio::task::yield_now().await;
        }
        while worker
            .upgrade()
            .is_some_and(|worker| worker.borrow_mut().flush_held())
        {
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_has_one_moment_in_every_pace() {
        for key in 0..1_000 {
            for pace_ms in [1, 2, 7, 45, 1_000] {
                let mut now_ms = 12_345;
                let first = moment(key, now_ms, pace_ms);
                assert!((now_ms + 1..=now_ms + pace_ms).contains(&first));
                for _ in 0..5 {
                    let next = moment(key, now_ms, pace_ms);
                    // Whenever it is asked before, it is the same.
                    for ms in now_ms..next {
                        assert_eq!(moment(key, ms, pace_ms), next);
                    }
                    assert_eq!(moment(key, next, pace_ms), next + pace_ms);
                    now_ms = next;
                }
            }
        }
    }

    #[test]
    fn moments_are_spread_evenly() {
        let mut counts = std::collections::BTreeMap::new();
        for key in 0..4_000 {
            *counts.entry(moment(key, 0, 45)).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 4);
        let even = |count: &usize| (900..1_100).contains(count);
        assert!(counts.values().all(even), "{counts:?}");
    }

    #[test]
    fn what_is_held_is_released_at_its_moment_and_once() {
        let mut held = Held::new(Duration::from_millis(45));
        assert_eq!(held.due_ms(), None);
        let mut now_ms = 5_000;
        for round in 0..30 {
            for key in 0..100 {
                held.hold(key, round, (now_ms, now_ms), 45);
            }
            let mut released = Vec::new();
            while let Some(due_ms) = held.due_ms() {
                assert!(held.release(due_ms - 1).is_none());
                assert!(due_ms > now_ms && due_ms <= now_ms + 45);
                while let Some((key, generation)) = held.release(due_ms) {
                    assert_eq!(generation, round);
                    assert_eq!(moment(key, now_ms, 45), due_ms);
                    released.push(key);
                }
            }
            released.sort_unstable();
            assert_eq!(released, (0..100).collect::<Vec<_>>());
            now_ms += 17 + u64::from(round) * 50;
        }
        // A timer that comes late releases what has become due meanwhile.
        held.hold(1, 0, (now_ms, now_ms), 1_000);
        held.hold(2, 0, (now_ms, now_ms), 3);
        let late = now_ms + 5_000;
        assert!(held.release(late).is_some() && held.release(late).is_some());
        assert!(held.release(late).is_none());
        // Whose moment has passed since its events came is released at once.
        held.hold(3, 0, (late - 60, late + 1), 45);
        held.hold(4, 0, (late + 1, late + 1), 45);
        assert_eq!(held.release(late + 1), Some((3, 0)));
        assert!(held.release(late + 1).is_none());
    }

    #[test]
    fn the_next_moment_is_the_first_of_any_connection() {
        for pace_ms in [1, 7, 45, 50] {
            for now_ms in 1_000..1_120 {
                let moments = (0..64).map(|key| moment(key, now_ms, pace_ms));
                assert_eq!(moments.min(), Some(next_moment(now_ms, pace_ms)));
            }
        }
    }

    #[test]
    fn the_timer_is_rung_for_what_is_due_before_it() {
        let rings = |held: &Held| futures_util::FutureExt::now_or_never(held.bell.notified());
        let mut held = Held::new(Duration::from_millis(45));
        held.ring_for(100);
        assert!(rings(&held).is_some());
        held.timer_ms = Some(90);
        held.ring_for(90);
        assert!(rings(&held).is_none());
        held.ring_for(89);
        assert!(rings(&held).is_some());
    }
}
