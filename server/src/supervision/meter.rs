//! How much of its thread's time an actor takes, and how long what is posted to it waits.
//!
//! Written by the actor's thread with plain stores, read about once a second. Who was at work since
//! then is on a [`Roster`], so that whoever reads pays nothing for actors at rest.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What one actor, or one thread, used since the start. One thread writes to it; where two do for a
/// moment, a little may be lost.
#[derive(Debug, Default)]
pub struct Meter {
    busy_ns: AtomicU64,
    waits: AtomicU64,
    waited_ns: AtomicU64,
    listed: AtomicBool,
    /// What was read last; the reader's.
    read: [AtomicU64; 3],
}

/// Who is measured.
pub trait Metered: fmt::Debug + Send + Sync {
    /// What it used.
    fn meter(&self) -> &Meter;
}

impl Metered for Meter {
    fn meter(&self) -> &Meter {
        self
    }
}

/// What came on top between two readings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// Time at work.
    pub busy: Duration,
    /// How often something had waited.
    pub waits: u64,
    /// How long all of that had waited.
    pub waited: Duration,
}

/// Actors that were at work since somebody asked. Empty until somebody does for the first time.
#[derive(Debug, Default)]
pub struct Roster {
    watched: AtomicBool,
    active: Mutex<Vec<(u64, Arc<dyn Metered>)>>,
}

/// What is shared by the actors of one thread.
#[derive(Debug, Default)]
pub struct ThreadMeter {
    /// The thread's own: all its actors together, and how late it comes round.
    pub own: Meter,
    /// Where its actors are listed.
    pub roster: Arc<Roster>,
}

fn add(figure: &AtomicU64, value: u64) {
    // One writer: no need to lock the cache line.
    figure.store(figure.load(Ordering::Relaxed) + value, Ordering::Relaxed);
}

impl Meter {
    /// Time at work that is over.
    pub fn worked(&self, time: Duration) {
        add(&self.busy_ns, time.as_nanos() as u64);
    }

    /// Something waited so long for its turn.
    pub fn waited(&self, time: Duration) {
        add(&self.waits, 1);
        add(&self.waited_ns, time.as_nanos() as u64);
    }

    /// Nanoseconds at work since the start.
    pub fn busy_ns(&self) -> u64 {
        self.busy_ns.load(Ordering::Relaxed)
    }

    /// What came on top since this was called last. Only one thread may call it.
    pub fn read(&self) -> Reading {
        let now = [&self.busy_ns, &self.waits, &self.waited_ns];
        let [busy, waits, waited] = std::array::from_fn(|i| {
            let now = now[i].load(Ordering::Relaxed);
            // Where an actor is handed from thread to thread both may write for a moment.
            now.saturating_sub(self.read[i].swap(now, Ordering::Relaxed))
        });
        Reading {
            busy: Duration::from_nanos(busy),
            waits,
            waited: Duration::from_nanos(waited),
        }
    }
}

impl Reading {
    /// How long each waited on average; zero where nothing did.
    pub fn mean_wait(&self) -> Duration {
        let ns = self.waited.as_nanos() as u64;
        Duration::from_nanos(ns.checked_div(self.waits).unwrap_or(0))
    }
}

impl std::ops::AddAssign for Reading {
    fn add_assign(&mut self, other: Self) {
        self.busy += other.busy;
        self.waits += other.waits;
        self.waited += other.waited;
    }
}

impl Roster {
    /// Notes that this actor was at work; by its thread alone.
    fn note(&self, work: u64, actor: &Arc<dyn Metered>) {
        let meter = actor.meter();
        if meter.listed.load(Ordering::Relaxed) || !self.watched.load(Ordering::Relaxed) {
            return;
        }
        meter.listed.store(true, Ordering::Relaxed);
        let active = self.active.lock();
        let mut active = active.unwrap_or_else(PoisonError::into_inner);
        active.push((work, Arc::clone(actor)));
    }

    /// Who was at work since this was called last, and what it used; an actor may be there twice, and
    /// two actors may have one name. Only one thread may call it.
    pub fn read(&self) -> Vec<(u64, Reading)> {
        self.watched.store(true, Ordering::Relaxed);
        let active = self.active.lock();
        let active = std::mem::take(&mut *active.unwrap_or_else(PoisonError::into_inner));
        let read = |(work, actor): (u64, Arc<dyn Metered>)| {
            let meter = actor.meter();
            // First: what it does from here on lists it anew.
            meter.listed.store(false, Ordering::Relaxed);
            (work, meter.read())
        };
        active.into_iter().map(read).collect()
    }
}

impl ThreadMeter {
    /// The meter of a thread whose actors are listed there.
    pub fn new(roster: Arc<Roster>) -> Self {
        Self {
            own: Meter::default(),
            roster,
        }
    }

    /// The actor of this name had the thread for so long. Only the thread may call it.
    pub fn worked(&self, work: u64, actor: &Arc<dyn Metered>, time: Duration) {
        actor.meter().worked(time);
        self.own.worked(time);
        self.roster.note(work, actor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_reading_is_of_the_time_since_the_last_one() {
        let meter = Meter::default();
        meter.worked(3 * MS);
        meter.waited(10 * MS);
        meter.waited(20 * MS);
        let reading = meter.read();
        assert_eq!(reading.busy, 3 * MS);
        assert_eq!(reading.mean_wait(), 15 * MS);
        meter.worked(MS);
        let reading = meter.read();
        assert_eq!((reading.busy, reading.waits), (MS, 0));
        assert_eq!(reading.mean_wait(), Duration::ZERO);
        assert_eq!(meter.busy_ns(), 4_000_000);
    }

    #[test]
    fn who_was_at_work_is_listed_once_for_each_reading_and_nobody_before_the_first() {
        let roster = Arc::new(Roster::default());
        let thread = ThreadMeter::new(Arc::clone(&roster));
        let meters: [Arc<dyn Metered>; 2] = [Arc::<Meter>::default(), Arc::<Meter>::default()];
        thread.worked(1, &meters[0], MS);
        assert_eq!(roster.read(), [], "nobody asked yet");
        for _ in 0..3 {
            thread.worked(1, &meters[0], MS);
        }
        let names = |read: Vec<(u64, Reading)>| {
            let busy = read.into_iter().map(|(work, it)| (work, it.busy));
            busy.collect::<Vec<_>>()
        };
        assert_eq!(names(roster.read()), [(1, 4 * MS)]);
        assert_eq!(names(roster.read()), []);
        thread.worked(2, &meters[1], 2 * MS);
        thread.worked(1, &meters[0], MS);
        assert_eq!(names(roster.read()), [(2, 2 * MS), (1, MS)]);
        assert_eq!(thread.own.read().busy, 7 * MS);
    }
}
