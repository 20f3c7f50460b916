//! The threads that guilds run on, apart from the HTTP workers.
//!
//! The ring chooses a guild's node; load chooses the executor.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix::{Arbiter, ArbiterHandle};

/// Names an executor of this node.
pub type ExecutorId = usize;

/// The executors of a node.
#[derive(Clone)]
pub struct Executors {
    threads: Arc<Vec<Executor>>,
}

struct Executor {
    arbiter: ArbiterHandle,
    guilds: AtomicUsize,
}

/// A guild's place on an executor; given back when dropped.
pub struct Seat {
    executors: Executors,
    id: ExecutorId,
}

impl Executors {
    /// Starts `count` executors (at least one). Call it inside an actix system.
    pub fn start(count: usize) -> Self {
        let threads = (0..count.max(1))
            .map(|_| Executor {
                arbiter: Arbiter::new().handle(),
                guilds: AtomicUsize::new(0),
            })
            .collect();
        Self {
            threads: Arc::new(threads),
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.threads.len()
    }

    /// Guilds that run on an executor.
    pub fn guilds_on(&self, id: ExecutorId) -> usize {
        self.threads
            .get(id)
            .map_or(0, |executor| executor.guilds.load(Ordering::Relaxed))
    }

    /// Takes a seat on the executor with the fewest guilds.
    pub fn take_seat(&self) -> Seat {
        let id = (0..self.threads.len())
            .min_by_key(|id| self.guilds_on(*id))
            .expect("there is at least one executor");
        self.threads[id].guilds.fetch_add(1, Ordering::Relaxed);
        Seat {
            executors: self.clone(),
            id,
        }
    }

    /// Stops the threads once what is running there yields.
    pub fn stop(&self) {
        for executor in self.threads.iter() {
            executor.arbiter.stop();
        }
    }
}

impl Seat {
    /// The executor.
    pub const fn id(&self) -> ExecutorId {
        self.id
    }

    /// The executor's thread.
    pub fn arbiter(&self) -> &ArbiterHandle {
        &self.executors.threads[self.id].arbiter
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.executors.threads[self.id]
            .guilds
            .fetch_sub(1, Ordering::Relaxed);
    }
}
