//! Writes that wait for company.
//!
//! A connection that was quiet for a pace is written to at once. One that was not is held until the
//! [moment](crate::fanout::moments) of its session's group. One timer serves the whole worker.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::Worker;
use crate::clock;
use crate::fanout::lane::Flushed;
use crate::fanout::moments::{Group, Moments};
use crate::fanout::pace::Pace;

/// Milliseconds ahead that connections may be held for: more than the longest pace.
const SLOTS: usize = 1_024;
/// Writes of held connections before other tasks of the thread get their turn.
const SLICE: usize = 64;

/// What is held back, and until when.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) pace: Pace,
    moments: Moments,
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

/// When something came that is to be written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Came {
    Now,
    /// At this time of the worker's clock, which has passed.
    At(Duration),
    /// It has waited for its moment, which is now.
    Due,
}

/// What the worker has written in one go.
struct Round {
    started: Instant,
    flushed: Flushed,
    /// Connections that were written to for the first time in this window.
    connections: u64,
}

impl Round {
    fn begin() -> Self {
        Self {
            started: clock::now(),
            flushed: Flushed::default(),
            connections: 0,
        }
    }
}

impl Held {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            pace,
            moments: Moments::default(),
            slots: vec![Vec::new(); SLOTS],
            count: 0,
            next_ms: 0,
            timer_ms: None,
            bell: Rc::default(),
        }
    }

    /// When a group is written what came for it at `came_ms`.
    pub(super) fn moment_of(&mut self, group: Group, came_ms: u64) -> u64 {
        self.moments.of(group, came_ms, self.pace.length())
    }

    /// Holds a connection until its group's moment for what came when its events did, or to be written to now where that has
    /// been.
    fn hold(&mut self, connection: (usize, u32), group: Group, (came_ms, now_ms): (u64, u64)) {
        if self.count == 0 {
            self.next_ms = now_ms;
        }
        self.count += 1;
        let until_ms = self.moment_of(group, came_ms);
        let until_ms = until_ms.clamp(self.next_ms, self.next_ms.max(now_ms) + SLOTS as u64 - 1);
        self.slots[until_ms as usize % SLOTS].push(connection);
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

impl Worker {
    /// Writes what the sessions in the list of those with something new are owed, now or at their
    /// connections' next moment after it came.
    pub(super) fn flush_dirty(&mut self, came: Came) {
        if self.after.dirty.is_empty() {
            return;
        }
        let mut round = Round::begin();
        let was_held = matches!(came, Came::Due);
        let pace = self.held.pace.get();
        let (came, pace) = match came {
            Came::Now => (round.started.duration_since(self.started), pace),
            Came::At(time) => (time, pace),
            Came::Due => (Duration::ZERO, Duration::ZERO),
        };
        let mut dirty = std::mem::take(&mut self.after.dirty);
        for key in dirty.drain(..) {
            let Some(session) = self.sessions.get_mut(key) else {
                continue;
            };
            session.dirty = false;
            if let Some(connection) = session.connection() {
                self.counters.held_writes += u64::from(was_held);
                self.write_or_hold(connection, Group::of(key), (came, pace), &mut round);
            }
        }
        self.after.dirty = dirty;
        self.note_writes(&round);
    }

    fn write_or_hold(
        &mut self,
        key: usize,
        group: Group,
        (came, pace): (Duration, Duration),
        round: &mut Round,
    ) {
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
        let connection = (key, connection.generation);
        self.held.hold(connection, group, times_ms);
    }

    fn write(&mut self, key: usize, round: &mut Round) {
        let at = round.started.duration_since(self.started);
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        round.connections += u64::from(connection.written_at <= self.held.pace.window_began());
        connection.written_at = at;
        round.flushed += self.flush(key);
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
        pace.wrote(round.flushed, round.connections, busy);
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
    use crate::fanout::moments::GROUPS;

    /// One that is always the same.
    fn pace(milliseconds: u64) -> Pace {
        let pace = Duration::from_millis(milliseconds);
        Pace::new(pace..=pace)
    }

    #[test]
    fn what_is_held_is_released_at_its_moment_and_once() {
        let mut held = Held::new(pace(45));
        assert_eq!(held.due_ms(), None);
        let mut now_ms = 5_000;
        for round in 0..30 {
            for key in 0..100 {
                held.hold((key, round), Group::of(key), (now_ms, now_ms));
            }
            let mut moments = [None; GROUPS];
            let mut released = Vec::new();
            while let Some(due_ms) = held.due_ms() {
                assert!(held.release(due_ms - 1).is_none());
                assert!(due_ms >= now_ms && due_ms <= now_ms + 45);
                while let Some((key, generation)) = held.release(due_ms) {
                    assert_eq!(generation, round);
                    let moment = moments[Group::of(key).index()].get_or_insert(due_ms);
                    assert_eq!(*moment, due_ms, "a group has one moment");
                    released.push(key);
                }
            }
            released.sort_unstable();
            assert_eq!(released, (0..100).collect::<Vec<_>>());
            now_ms += 17 + u64::from(round) * 50;
        }
        // A timer that comes late releases what has become due meanwhile.
        held.pace = pace(1_000);
        held.hold((1, 0), Group::of(1), (now_ms, now_ms));
        held.pace = pace(3);
        held.hold((2, 0), Group::of(2), (now_ms, now_ms));
        let late = now_ms + 5_000;
        assert!(held.release(late).is_some() && held.release(late).is_some());
        assert!(held.release(late).is_none());
        // Whose moment has passed since its events came is released at once.
        held.pace = pace(45);
        held.hold((3, 0), Group::of(3), (late - 60, late + 1));
        held.hold((3, 1), Group::of(3), (late + 1, late + 1));
        assert_eq!(held.release(late + 1), Some((3, 0)));
        assert!(held.release(late + 1).is_none());
    }

    #[test]
    fn the_timer_is_rung_for_what_is_due_before_it() {
        let rings = |held: &Held| futures_util::FutureExt::now_or_never(held.bell.notified());
        let mut held = Held::new(pace(45));
        held.ring_for(100);
        assert!(rings(&held).is_some());
        held.timer_ms = Some(90);
        held.ring_for(90);
        assert!(rings(&held).is_none());
        held.ring_for(89);
        assert!(rings(&held).is_some());
    }
}
