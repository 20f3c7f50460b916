//! What is counted, and how long the server was away.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// Figures of a run. Counters only rise.
#[derive(Debug, Default)]
pub struct Figures {
    /// Acknowledged posts, each once.
    pub posts: AtomicUsize,
    /// Acknowledged edits.
    pub edits: AtomicUsize,
    /// Acknowledged deletes.
    pub deletes: AtomicUsize,
    /// Acknowledged reactions.
    pub reactions: AtomicUsize,
    /// Acknowledged posts that were sent again with their nonce.
    pub repeats: AtomicUsize,
    /// Requests that were sent again because there was no answer or a 5xx.
    pub retries: AtomicUsize,
    /// Resumes that went through.
    pub resumed: AtomicUsize,
    /// Resumes that were answered with op 9.
    pub refused: AtomicUsize,
    /// What came over the gateway.
    pub dispatches: AtomicUsize,
    awaited: Mutex<Awaited>,
    first: Notify,
}

#[derive(Debug, Default)]
struct Awaited {
    /// When the server was killed and when it was gone, until something is acknowledged after that.
    kill: Option<(Instant, Instant)>,
    /// From each kill to the first acknowledgement.
    away: Vec<Duration>,
}

/// Adds one.
pub fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Reads a counter.
pub fn read(counter: &AtomicUsize) -> usize {
    counter.load(Ordering::Relaxed)
}

impl Figures {
    /// The server was killed at `at` and is gone now.
    pub fn killed(&self, at: Instant) {
        let mut awaited = self.awaited.lock().expect("nobody panics with the lock");
        awaited.kill = Some((at, Instant::now()));
    }

    /// A request that was sent at `began` was acknowledged.
    pub fn acknowledged(&self, began: Instant) {
        let mut awaited = self.awaited.lock().expect("nobody panics with the lock");
        // An answer of the killed process may be read after its end.
        if let Some((at, gone)) = awaited.kill
            && began >= gone
        {
            awaited.kill = None;
            awaited.away.push(at.elapsed());
            self.first.notify_one();
        }
    }

    /// Waits for the first acknowledgement since the kill.
    pub async fn first_acknowledgement(&self) {
        while self.is_awaited() {
            self.first.notified().await;
        }
    }

    fn is_awaited(&self) -> bool {
        let awaited = self.awaited.lock().expect("nobody panics with the lock");
        awaited.kill.is_some()
    }

    /// Prints what was counted.
    pub fn print(&self) {
        println!(
            "acknowledged: {} messages, {} edits, {} deletes, {} reactions; {} posts sent again with \
             their nonce; {} retries",
            read(&self.posts),
            read(&self.edits),
            read(&self.deletes),
            read(&self.reactions),
            read(&self.repeats),
            read(&self.retries),
        );
        println!(
            "sessions: {} resumed, {} refused; {} dispatches",
            read(&self.resumed),
            read(&self.refused),
            read(&self.dispatches),
        );
        let mut away = self.awaited.lock().expect("nobody panics with the lock");
        away.away.sort();
        if let Some(longest) = away.away.last() {
            let part = |part: usize| away.away[(away.away.len() - 1) * part / 100];
            println!(
                "from the kill to the first acknowledged request: p50 {:?}, p99 {:?}, max {longest:?} \
                 ({} kills)",
                part(50),
                part(99),
                away.away.len()
            );
        }
    }
}
