//! Whether the servers' core and the generator's share a cache: looked at ten times a second, with a word that goes there and back.
//!
//! All that a server sends to the generator passes between the two cores. On cores that share no cache each byte takes several times as
//! long, and on a virtual machine the host may move them apart and together again at any moment. A run says how often they were apart, so
//! that runs on equal terms can be told from others.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{Cores, pinned};

/// Between two looks.
const EVERY: Duration = Duration::from_millis(100);
/// A look that takes longer is given up: one of the cores is busy with something else.
const LIMIT: Duration = Duration::from_micros(300);
/// Times that the word goes there and back in a row; the fastest of some rows counts.
const ROW: u64 = 8;
const ROWS: u64 = 5;
/// There and back takes 50 to 120 ns on cores that share a cache, and 200 or more on others.
const APART: Duration = Duration::from_nanos(150);

/// Looks so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Looks {
    total: u64,
    apart: u64,
}

impl Looks {
    /// Those after `before`.
    pub(super) const fn since(self, before: Self) -> Self {
        Self {
            total: self.total - before.total,
            apart: self.apart - before.apart,
        }
    }

    /// The share of them at which the cores shared no cache; `None` without a look.
    pub(super) fn apart(self) -> Option<f64> {
        (self.total > 0).then(|| self.apart as f64 / self.total as f64)
    }
}

/// Looks for as long as it exists.
#[derive(Debug)]
pub(super) struct Watch {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    ball: Ball,
    total: AtomicU64,
    apart: AtomicU64,
    ended: AtomicBool,
}

/// The word, in a cache line of its own. Odd numbers go there, the next even one comes back; higher ones with each look.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Ball(AtomicU64);

impl Watch {
    /// Watches the two cores; `None` unless there are two.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub(super) fn start(cores: Cores) -> io::Result<Option<Self>> {
        let (Some(server), Some(load)) = (cores.server, cores.load) else {
            return Ok(None);
        };
        if server == load {
            return Ok(None);
        }
        let shared = Arc::new(Shared::default());
        let begun = Instant::now();
        let watch = |name: &str, core: usize, look: fn(&Shared, u64)| {
            let shared = Arc::clone(&shared);
            let builder = thread::Builder::new().name(name.to_owned());
            builder.spawn(move || watch(&shared, core, begun, look))
        };
        let threads = vec![
            watch("there", server, Shared::answer)?,
            watch("back", load, Shared::ask)?,
        ];
        Ok(Some(Self { shared, threads }))
    }

    /// Looks so far.
    pub(super) fn looks(&self) -> Looks {
        Looks {
            total: self.shared.total.load(Ordering::Relaxed),
            apart: self.shared.apart.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // What a panic would have said it has said.
            let _ = thread.join();
        }
    }
}

/// Has both threads look at the same moments.
fn watch(shared: &Shared, core: usize, begun: Instant, look: fn(&Shared, u64)) {
    // Not on its core it would say nothing about it.
    if pinned::pin(core).is_err() {
        return;
    }
    while !shared.ended.load(Ordering::Relaxed) {
        let number = begun.elapsed().div_duration_f64(EVERY) as u64 + 1;
        let at = EVERY * u32::try_from(number).unwrap_or(u32::MAX);
        thread::sleep(at.saturating_sub(begun.elapsed()));
        look(shared, number);
    }
}

impl Shared {
    /// Sends the word out, and notes how long it takes to come back.
    fn ask(&self, number: u64) {
        let deadline = Instant::now() + LIMIT;
        let mut word = number * 2 * (ROW * ROWS + 1);
        let mut fastest = Duration::MAX;
        for _ in 0..ROWS {
            let began = Instant::now();
            for _ in 0..ROW {
                self.ball.0.store(word + 1, Ordering::Release);
                word += 2;
                if self.ball.wait_for(deadline, |now| now == word).is_none() {
                    return;
                }
            }
            fastest = fastest.min(began.elapsed());
        }
        let is_apart = fastest / ROW as u32 > APART;
        self.apart.fetch_add(is_apart.into(), Ordering::Relaxed);
        self.total.fetch_add(1, Ordering::Relaxed);
    }

    /// Sends the word back, as often as it comes in this look.
    fn answer(&self, number: u64) {
        let deadline = Instant::now() + LIMIT;
        let last = (number * (ROW * ROWS + 1) + ROW * ROWS) * 2;
        while let Some(word) = self.ball.wait_for(deadline, |now| now % 2 == 1) {
            self.ball.0.store(word + 1, Ordering::Release);
            if word + 1 >= last {
                return;
            }
        }
    }
}

impl Ball {
    /// Its value when it is as wanted; `None` if it is not until the deadline.
    fn wait_for(&self, deadline: Instant, is_wanted: impl Fn(u64) -> bool) -> Option<u64> {
        loop {
            // To look at the clock each time would take as long as the word does. Nor is there a pause: it is a matter of nanoseconds.
            for _ in 0..64 {
                let now = self.0.load(Ordering::Acquire);
                if is_wanted(now) {
                    return Some(now);
                }
            }
            if Instant::now() > deadline {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_cores_are_looked_at_and_fewer_are_not() {
        let cores = pinned::allowed().unwrap();
        let [server, load, ..] = cores[..] else {
            return;
        };
        let pair = |server, load| Cores { server, load };
        assert!(Watch::start(pair(Some(server), None)).unwrap().is_none());
        let alone = Watch::start(pair(Some(server), Some(server))).unwrap();
        assert!(alone.is_none());
        let watch = Watch::start(pair(Some(server), Some(load)))
            .unwrap()
            .unwrap();
        let before = watch.looks();
        let looks = loop {
            let looks = watch.looks().since(before);
            if looks.total > 2 {
                break looks;
            }
            thread::yield_now();
        };
        assert!((0.0..=1.0).contains(&looks.apart().unwrap()));
        assert_eq!(before.since(before).apart(), None);
    }

    /// The word is passed as often as is asked, however the two come to it.
    #[test]
    fn a_look_ends_with_its_last_answer() {
        let shared = Shared::default();
        for number in 1..20 {
            thread::scope(|scope| {
                scope.spawn(|| shared.answer(number));
                shared.ask(number);
            });
        }
        let total = shared.total.load(Ordering::Relaxed);
        assert!(shared.apart.load(Ordering::Relaxed) <= total);
    }
}
