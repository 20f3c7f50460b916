//! Signs of life of threads, and what it takes to call one stuck.
//!
//! A thread counts beats; the watchdog, on a thread of its own, sees whether the count moves. Time in
//! which the watchdog itself did not run does not count: where the whole process was held up, nobody
//! is blamed for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use crate::clock;

/// How often a thread gives a sign of life that has nothing else to do.
pub const BEAT: Duration = Duration::from_millis(250);

/// One watched thread.
#[derive(Debug)]
pub struct Lifeline {
    name: String,
    /// Whether it may be silent while it has nothing to do.
    rests: bool,
    beats: AtomicU64,
    /// What it is at work on; 0 for nothing.
    work: AtomicU64,
    // What follows is the watchdog's.
    seen: AtomicU64,
    silent_ms: AtomicU64,
    /// Since when it counts as stuck, in milliseconds since the Unix epoch; 0 where it does not.
    stuck_since_ms: AtomicU64,
}

/// What the watchdog finds to be new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The thread is stuck.
    Stuck,
    /// It was, and goes on.
    Recovered,
}

/// A thread that is stuck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stuck {
    /// When that was noticed, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// For how long it has given no sign of life.
    pub silent: Duration,
    /// What it is at work on; 0 for nothing that is known.
    pub work: u64,
}

impl Stuck {
    /// What there is to complain of in a thread of this name.
    pub fn complaint(&self, name: &str) -> String {
        format!("{name} has been stuck for {} s", self.silent.as_secs())
    }
}

impl Lifeline {
    /// A thread that beats all the time.
    pub fn new(name: impl Into<String>) -> Self {
        Self::make(name.into(), false)
    }

    /// A thread that is watched only while it is at work: between [`begin`](Self::begin) and
    /// [`end`](Self::end).
    pub fn at_work(name: impl Into<String>) -> Self {
        Self::make(name.into(), true)
    }

    const fn make(name: String, rests: bool) -> Self {
        Self {
            name,
            rests,
            beats: AtomicU64::new(0),
            work: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            silent_ms: AtomicU64::new(0),
            stuck_since_ms: AtomicU64::new(0),
        }
    }

    /// A sign of life. Only the watched thread may call it.
    pub fn beat(&self) {
        let beats = self.beats.load(Ordering::Relaxed);
        self.beats.store(beats.wrapping_add(1), Ordering::Relaxed);
    }

    /// The thread begins to work on this, which is not 0. Only the watched thread may call it.
    pub fn begin(&self, work: u64) {
        self.work.store(work, Ordering::Relaxed);
    }

    /// The work is done, which is a sign of life. Only the watched thread may call it.
    pub fn end(&self) {
        self.work.store(0, Ordering::Relaxed);
        self.beat();
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is stuck.
    pub fn stuck(&self) -> Option<Stuck> {
        let since_ms = self.stuck_since_ms.load(Ordering::Relaxed);
        (since_ms > 0).then(|| Stuck {
            since_ms,
            silent: Duration::from_millis(self.silent_ms.load(Ordering::Relaxed)),
            work: self.work.load(Ordering::Relaxed),
        })
    }

    /// What there is to complain of.
    pub fn complaint(&self) -> Option<String> {
        Some(self.stuck()?.complaint(&self.name))
    }

    /// The watchdog looks, `passed` after it looked last. Only one thread may call it.
    pub fn look(&self, passed: Duration, limit: Duration) -> Option<Turn> {
        let beats = self.beats.load(Ordering::Relaxed);
        let rests = self.rests && self.work.load(Ordering::Relaxed) == 0;
        if self.seen.swap(beats, Ordering::Relaxed) != beats || rests {
            self.silent_ms.store(0, Ordering::Relaxed);
            let was_stuck = self.stuck_since_ms.swap(0, Ordering::Relaxed) > 0;
            return was_stuck.then_some(Turn::Recovered);
        }
        let passed_ms = passed.as_millis() as u64;
        let silent_ms = self.silent_ms.fetch_add(passed_ms, Ordering::Relaxed) + passed_ms;
        let is_new = self.stuck_since_ms.load(Ordering::Relaxed) == 0;
        if !is_new || u128::from(silent_ms) < limit.as_millis() {
            return None;
        }
        let now_ms = clock::unix_ms().max(1);
        self.stuck_since_ms.store(now_ms, Ordering::Relaxed);
        Some(Turn::Stuck)
    }
}

/// Watched threads that come and go. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Lifelines {
    watched: Arc<Mutex<Vec<Weak<Lifeline>>>>,
}

impl Lifelines {
    /// Watches a thread as long as the line is held.
    pub fn watch(&self, line: Lifeline) -> Arc<Lifeline> {
        let line = Arc::new(line);
        self.add(&line);
        line
    }

    /// Watches a thread as long as somebody else holds the line.
    pub fn add(&self, line: &Arc<Lifeline>) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|line| line.strong_count() > 0);
        watched.push(Arc::downgrade(line));
    }

    /// Those that are watched now.
    pub fn all(&self) -> Vec<Arc<Lifeline>> {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.iter().filter_map(Weak::upgrade).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Duration = Duration::from_millis(400);
    const LIMIT: Duration = Duration::from_secs(1);

    #[test]
    fn who_gives_no_sign_of_life_for_the_limit_is_stuck_until_the_next_one() {
        let line = Lifeline::new("a thread");
        line.beat();
        assert_eq!(line.look(LOOK, LIMIT), None);
        line.begin(7);
        assert_eq!(line.look(LOOK, LIMIT), None);
        assert_eq!(line.look(LOOK, LIMIT), None);
        assert_eq!(line.stuck(), None);
        assert_eq!(line.look(LOOK, LIMIT), Some(Turn::Stuck));
        assert_eq!(line.look(LOOK, LIMIT), None, "said once");
        assert_eq!(line.stuck().map(|stuck| stuck.work), Some(7));
        let complaint = line.complaint();
        assert_eq!(
            complaint.as_deref(),
            Some("a thread has been stuck for 1 s")
        );
        line.end();
        assert_eq!(line.look(LOOK, LIMIT), Some(Turn::Recovered));
        assert_eq!(line.stuck(), None);
    }

    #[test]
    fn who_rests_may_be_silent() {
        let lines = Lifelines::default();
        let line = lines.watch(Lifeline::at_work("a writer"));
        for _ in 0..10 {
            assert_eq!(lines.all()[0].look(LOOK, LIMIT), None);
        }
        line.begin(1);
        let turns: Vec<_> = (0..3).map(|_| line.look(LOOK, LIMIT)).collect();
        assert_eq!(turns, [None, None, Some(Turn::Stuck)]);
        drop(line);
        assert!(lines.all().is_empty());
    }
}
