//! A plain thread that looks at others from time to time: no runtime of theirs can hold it up.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::guarded;
use crate::clock;

/// A thread that looks until it is dropped.
pub struct Watchdog {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Calls `look` about every `period` with the time since the last call; never with more than two
    /// periods, so that time in which this thread was held up as well counts for nobody.
    pub fn start(
        period: Duration,
        mut look: impl FnMut(Duration) + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopped) = channel::<()>();
        let work = move || {
            let mut last = clock::now();
            while stopped.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
                let passed = last.elapsed().min(2 * period);
                last = clock::now();
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| look(passed))) {
                    let panic = guarded::message(&*panic);
                    tracing::error!(panic, "the watchdog panicked, and goes on");
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(work)?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It cannot panic outside of its guard.
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_again_after_a_panic_and_ends_when_dropped() {
        let (looked, looks) = channel();
        let mut count = 0;
        let watchdog = Watchdog::start(Duration::from_millis(1), move |passed| {
            count += 1;
            assert!(passed <= Duration::from_millis(2));
            assert_ne!(count, 2, "asked to panic");
            // The test may have seen enough.
            let _ = looked.send(count);
        });
        let watchdog = watchdog.unwrap();
        assert_eq!(looks.recv(), Ok(1));
        assert_eq!(looks.recv(), Ok(3));
        drop(watchdog);
        assert!(looks.iter().all(|count| count > 3), "and then no more");
    }
}
