//! Writes that wait for company.
//!
//! A connection that was quiet for a pace is written to at once. One that was not is held for the next
//! round: rounds follow each other at the pace, and write to all that are held. One timer serves the
//! whole worker.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::Worker;
use crate::clock;
use crate::fanout::pace::Pace;

/// What is held back, and when it goes out.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) pace: Pace,
    connections: Vec<(usize, u32)>,
    /// When the last round was, on the worker's clock.
    last_round: Duration,
    /// Wakes the timer.
    bell: Rc<Notify>,
    /// Events and writes so far.
    pub(super) events: u64,
    pub(super) writes: u64,
}

impl Held {
    pub(super) fn new(longest: Duration) -> Self {
        Self {
            pace: Pace::new(longest),
            connections: Vec::new(),
            last_round: Duration::ZERO,
            bell: Rc::default(),
            events: 0,
            writes: 0,
        }
    }
}

impl Worker {
    /// Writes what the sessions in the list of those with something new are owed, now or with the next
    /// round.
    pub(super) fn flush_dirty(&mut self) {
        if self.after.dirty.is_empty() {
            return;
        }
        let started = clock::now();
        let at = started.duration_since(self.started);
        let pace = self.held.pace.get();
        let mut dirty = std::mem::take(&mut self.after.dirty);
        let before = self.tally();
        let mut fresh = 0;
        for key in dirty.drain(..) {
            let Some(session) = self.sessions.get_mut(key) else {
                continue;
            };
            session.dirty = false;
            if let Some(connection) = session.connection() {
                fresh += u64::from(self.write_or_hold(connection, at, pace));
            }
        }
        self.after.dirty = dirty;
        self.note_writes(before, fresh, started);
    }

    /// Whether the connection was written to for the first time in this window.
    fn write_or_hold(&mut self, key: usize, at: Duration, pace: Duration) -> bool {
        let Some(connection) = self.connections.get_mut(key) else {
            return false;
        };
        if connection.held {
            return false;
        }
        if !pace.is_zero() && at < connection.written_at + pace {
            connection.held = true;
            let held = &mut self.held;
            if held.connections.is_empty() {
                held.bell.notify_one();
            }
            held.connections.push((key, connection.generation));
            return false;
        }
        let fresh = connection.written_at <= self.held.pace.window_began();
        connection.written_at = at;
        self.flush(key);
        fresh
    }

    /// When the next round is; `None` where nothing is held.
    fn next_round(&self) -> Option<Instant> {
        let held = &self.held;
        if held.connections.is_empty() {
            return None;
        }
        Some(self.started + held.last_round + held.pace.get())
    }

    /// A round: writes to every connection that is held.
    pub(super) fn flush_held(&mut self) {
        let started = clock::now();
        let at = started.duration_since(self.started);
        self.held.last_round = at;
        let mut connections = std::mem::take(&mut self.held.connections);
        let before = self.tally();
        let mut fresh = 0;
        for (key, generation) in connections.drain(..) {
            let Some(connection) = self.connections.get_mut(key) else {
                continue;
            };
            if connection.generation != generation {
                continue;
            }
            connection.held = false;
            self.counters.held_writes += 1;
            fresh += u64::from(connection.written_at <= self.held.pace.window_began());
            connection.written_at = at;
            self.flush(key);
        }
        self.held.connections = connections;
        self.note_writes(before, fresh, started);
    }

    /// Rounds that the timer has missed.
    pub(super) fn flush_overdue(&mut self) {
        if self.next_round().is_some_and(|due| due <= clock::now()) {
            self.flush_held();
        }
    }

    const fn tally(&self) -> (u64, u64) {
        (self.held.events, self.held.writes)
    }

    fn note_writes(&mut self, before: (u64, u64), fresh: u64, started: Instant) {
        let now = clock::now();
        let (events, writes) = self.tally();
        let pace = &mut self.held.pace;
        pace.wrote(
            events - before.0,
            writes - before.1,
            fresh,
            now.duration_since(started),
        );
        pace.tick(now.duration_since(self.started));
    }

    /// What wakes the timer.
    pub fn bell(&self) -> Rc<Notify> {
        Rc::clone(&self.held.bell)
    }
}

/// The timer of a worker: ends with it.
pub async fn keep_pace(worker: Weak<RefCell<Worker>>, bell: Rc<Notify>) {
    loop {
        bell.notified().await;
        let Some(due) = worker.upgrade().map(|worker| worker.borrow().next_round()) else {
            return;
        };
        if let Some(due) = due {
            tokio::time::sleep_until(due.into()).await;
        }
        let Some(worker) = worker.upgrade() else {
            return;
        };
        worker.borrow_mut().flush_held();
    }
}
