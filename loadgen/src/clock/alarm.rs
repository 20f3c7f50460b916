//! A precise timer for tokio.
//!
//! The only file with unsafe code: tokio has no safe way to wait for a descriptor of one's own.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::OwnedFd;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use super::{SECOND, now};

/// A timer that fires within some ten microseconds of its time.
///
/// Tokio's own timer rounds up to the next millisecond, which would be charged to the server's latency.
#[derive(Debug)]
pub struct Alarm {
    timer: AsyncFd<OwnedFd>,
}

impl Alarm {
    /// A timer of the runtime that this is called in.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        // SAFETY: an `OwnedFd` gives the same descriptor all its life, and `AsyncFd` keeps it until it is deregistered.
        let timer = unsafe { AsyncFd::register(fd) }?;
        Ok(Self { timer })
    }

    /// Waits until `at` (microseconds of [`now`]); returns at once if that is past.
    pub async fn until(&self, at: u64) -> io::Result<()> {
        if now() >= at {
            return Ok(());
        }
        let value = Timespec {
            tv_sec: (at / SECOND).cast_signed(),
            tv_nsec: (at % SECOND * 1_000).cast_signed(),
        };
        let interval = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let spec = Itimerspec {
            it_interval: interval,
            it_value: value,
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &spec)?;
        loop {
            let mut ready = self.timer.readable().await?;
            let mut expirations = [0_u8; 8];
            let read = ready.try_io(|fd| Ok(rustix::io::read(fd, &mut expirations)?));
            match read {
                Ok(result) => return result.map(drop),
                Err(_would_block) => {}
            }
        }
    }
}
