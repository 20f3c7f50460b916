//! Executors that are one guild's own: started for it, and ended when it has left.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use super::{Executor, ExecutorKind, Executors, NoSeat, Seat};
use crate::protocol::GuildId;

/// Dropped by a thread when it ends.
pub(super) struct Ends(pub(super) Arc<AtomicBool>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Executors {
    /// Most dedicated executors at a time.
    pub fn dedicated_max(&self) -> usize {
        self.inner.dedicated
    }

    /// Starts an executor for this guild alone and takes its only seat; it ends when that is given back.
    ///
    /// Errors: [`NoSeat::NoneLeft`] where as many as there may be have a guild or are stuck,
    /// [`NoSeat::Ending`] where one of them is about to end, and [`NoSeat::NotStarted`].
    pub fn dedicate(&self, guild: GuildId) -> Result<Seat, NoSeat> {
        let starting = self.inner.starting.lock();
        let _starting = starting.unwrap_or_else(PoisonError::into_inner);
        self.forget_ended();
        let mut threads = self.threads();
        threads.retain(|it| !it.is_shared());
        if threads.len() >= self.inner.dedicated {
            let ends = |it: &Arc<Executor>| it.is_ending() && !it.is_stuck();
            return Err(if threads.iter().any(ends) {
                NoSeat::Ending
            } else {
                NoSeat::NoneLeft(self.inner.dedicated)
            });
        }
        let executor = self.add(ExecutorKind::Dedicated(guild));
        let executor = executor.map_err(|error| NoSeat::NotStarted(error.to_string()))?;
        Ok(Seat::on(&executor))
    }

    /// Threads that have ended are not looked at any more. One that was stuck gave a sign of life before
    /// it ended, and stays until the watchdog has seen that.
    pub(super) fn forget_ended(&self) {
        let is_over = |it: &Arc<Executor>| it.has_ended() && !it.is_stuck();
        if !self.threads().iter().any(is_over) {
            return;
        }
        let threads = self.inner.threads.write();
        let mut threads = threads.unwrap_or_else(PoisonError::into_inner);
        threads.retain(|it| !is_over(it));
    }
}

impl Executor {
    /// Has the thread end as soon as it is free to.
    pub(super) fn end(&self) {
        self.ending.store(true, Ordering::Release);
        self.arbiter.stop();
    }

    pub(super) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guild(id: u64) -> GuildId {
        GuildId::new(id)
    }

    /// The names of the process's threads that belong to an arbiter.
    fn arbiters() -> usize {
        std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
    }

    #[test]
    fn a_dedicated_executor_is_one_guilds_own_and_its_thread_ends_with_its_seat() {
        actix::System::new().block_on(async {
            let executors = Executors::start_with(2, 2);
            let threads = arbiters();
            let seat = executors.dedicate(guild(1)).unwrap();
            assert_eq!((seat.id(), arbiters()), (2, threads + 1));
            let kinds = |executors: &Executors| -> Vec<ExecutorKind> {
                executors.states().iter().map(|it| it.kind).collect()
            };
            let shared = ExecutorKind::Shared;
            let own = |id| ExecutorKind::Dedicated(guild(id));
            assert_eq!(kinds(&executors), [shared, shared, own(1)]);
            let others: Vec<Seat> = (0..20).map(|_| executors.take_seat()).collect();
            assert!(others.iter().all(|seat| seat.id() < 2));
            assert_eq!(executors.seat_on(2).err(), Some(NoSeat::NotShared(2)));
            assert_eq!(executors.seat_on(3).err(), Some(NoSeat::Unknown(3)));
            assert_eq!(executors.seat_elsewhere(0).map(|it| it.id()), Ok(1));

            let second = executors.dedicate(guild(2)).unwrap();
            assert_eq!(second.id(), 3);
            assert_eq!(
                executors.dedicate(guild(3)).err(),
                Some(NoSeat::NoneLeft(2))
            );
            drop(seat);
            assert_eq!(kinds(&executors), [shared, shared, own(2)]);
            let third = loop {
                match executors.dedicate(guild(3)) {
                    Err(NoSeat::Ending) => tokio::task::yield_now().await,
                    seat => break seat.unwrap(),
                }
            };
            assert_eq!(third.id(), 2, "numbers are used again");
            drop((second, third));
            while arbiters() > threads {
                tokio::task::yield_now().await;
            }
            assert_eq!(kinds(&executors), [shared, shared]);
        });
    }
}
