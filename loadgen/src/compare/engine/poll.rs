//! Readiness of sockets, and a timer that is more exact than epoll's own timeout.

use std::io;
use std::net::TcpStream;
use std::os::fd::OwnedFd;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::clock::SECOND;

/// Events of one wait.
const EVENTS: usize = 1_024;

/// What stands for the timer among the connections' numbers.
const TIMER: u64 = u64::MAX;

/// An epoll instance and its timer.
pub(super) struct Poll {
    epoll: OwnedFd,
    timer: OwnedFd,
    /// What the timer is set to.
    set_to: u64,
    events: Vec<Event>,
}

/// What happened to a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Readiness {
    /// Which; `None` for the timer.
    pub(super) wire: Option<usize>,
    pub(super) readable: bool,
    pub(super) writable: bool,
}

impl Poll {
    /// With nothing to wait for.
    pub(super) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        // Edge-triggered: a timer that is set again needs no read.
        let interest = EventFlags::IN | EventFlags::ET;
        epoll::add(&epoll, &timer, EventData::new_u64(TIMER), interest)?;
        Ok(Self {
            epoll,
            timer,
            set_to: u64::MAX,
            events: Vec::with_capacity(EVENTS),
        })
    }

    /// Waits for connection number `index` as well.
    pub(super) fn add(&self, stream: &TcpStream, index: usize) -> io::Result<()> {
        let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(
            &self.epoll,
            stream,
            EventData::new_u64(index as u64),
            interest,
        )?;
        Ok(())
    }

    /// Waits for events, but not beyond `until` (microseconds of [`crate::clock`]).
    pub(super) fn wait(&mut self, until: u64) -> io::Result<()> {
        if until != self.set_to {
            let at = |micros: u64| Timespec {
                tv_sec: (micros / SECOND).cast_signed(),
                tv_nsec: (micros % SECOND * 1_000).cast_signed(),
            };
            // Times long past still fire; zero would disarm.
            let spec = Itimerspec {
                it_interval: at(0),
                it_value: at(until.clamp(1, u64::MAX >> 12)),
            };
            timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &spec)?;
            self.set_to = until;
        }
        self.events.clear();
        match epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(&mut self.events),
            None,
        ) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if self.events.iter().any(|event| event.data.u64() == TIMER) {
            // It has fired and does not again, even for the same time.
            self.set_to = u64::MAX;
        }
        Ok(())
    }

    /// Events of the last wait.
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// One of them.
    pub(super) fn event(&self, position: usize) -> Readiness {
        let event = self.events[position];
        let ended = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
        let data = event.data.u64();
        let flags = event.flags;
        Readiness {
            wire: (data != TIMER).then_some(data as usize),
            readable: flags.intersects(EventFlags::IN | ended),
            writable: flags.contains(EventFlags::OUT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn the_timer_ends_each_wait_and_never_early() {
        let mut poll = Poll::new().unwrap();
        for _ in 0..3 {
            let until = clock::now() + 1_500;
            while clock::now() < until {
                poll.wait(until).unwrap();
            }
            assert!(clock::now() >= until);
        }
        // Of a time that is past, and twice the same.
        let past = clock::now() - 1;
        poll.wait(past).unwrap();
        poll.wait(past).unwrap();
        assert_eq!(poll.event(0).wire, None);
    }
}
