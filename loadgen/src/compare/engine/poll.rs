//! Readiness of sockets, looked at a few thousand times a second.
//!
//! It never blocks on the sockets. Otherwise each write of a server on another core would have to wake this thread, and the
//! server would be charged for it: some microseconds for a delivery that itself takes four, and only while the generator
//! keeps up. Over a network no server pays that. The price is that a reception is noticed up to [`PAUSE`] late.

use std::io;
use std::net::TcpStream;
use std::os::fd::OwnedFd;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::thread::{ClockId, clock_nanosleep_absolute};
use rustix::time::Timespec;

use crate::clock::{self, SECOND};

/// Microseconds between two looks.
const PAUSE: u64 = 250;

/// Events of one look.
const EVENTS: usize = 1_024;

/// An epoll instance.
pub(super) struct Poll {
    epoll: OwnedFd,
    /// When to look next.
    next: u64,
    events: Vec<Event>,
}

/// What happened to a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Readiness {
    /// Which.
    pub(super) wire: usize,
    pub(super) readable: bool,
    pub(super) writable: bool,
}

impl Poll {
    /// With nothing to wait for.
    pub(super) fn new() -> io::Result<Self> {
        // By default the system adds up to 50 µs to each sleep.
        rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1))?;
        Ok(Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            next: 0,
            events: Vec::with_capacity(EVENTS),
        })
    }

    /// Looks at connection number `index` as well.
    pub(super) fn add(&self, stream: &TcpStream, index: usize) -> io::Result<()> {
        let interest = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        let data = EventData::new_u64(index as u64);
        epoll::add(&self.epoll, stream, data, interest)?;
        Ok(())
    }

    /// Waits for the next look, but not beyond `until` (microseconds of [`crate::clock`]), and looks.
    pub(super) fn wait(&mut self, until: u64) -> io::Result<()> {
        // As many as fit: there are more.
        if self.events.len() < EVENTS {
            let at = self.next.min(until);
            if at > clock::now() {
                sleep_until(at);
            }
        }
        self.next = clock::now() + PAUSE;
        self.events.clear();
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let buffer = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(&self.epoll, buffer, Some(&at_once)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Events of the last look.
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// One of them.
    pub(super) fn event(&self, position: usize) -> Readiness {
        let event = self.events[position];
        let ended = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
        let flags = event.flags;
        Readiness {
            wire: event.data.u64() as usize,
            readable: flags.intersects(EventFlags::IN | ended),
            writable: flags.contains(EventFlags::OUT),
        }
    }
}

/// Sleeps; a signal may end it early.
fn sleep_until(at: u64) {
    let at = Timespec {
        tv_sec: (at / SECOND).cast_signed(),
        tv_nsec: (at % SECOND * 1_000).cast_signed(),
    };
    // The loops that wait look at the clock again, so that an early end does no harm.
    let _ = clock_nanosleep_absolute(ClockId::Monotonic, &at);
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_wait_ends_at_its_time_and_with_it_what_is_ready_is_known() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        let mut poll = Poll::new().unwrap();
        poll.add(&near, 7).unwrap();
        let until = clock::now() + 1_500;
        while clock::now() < until {
            poll.wait(until).unwrap();
            assert!((0..poll.len()).all(|position| !poll.event(position).readable));
        }
        far.write_all(b"x").unwrap();
        let event = loop {
            poll.wait(u64::MAX).unwrap();
            if poll.len() > 0 {
                break poll.event(0);
            }
        };
        assert!(event.readable && event.wire == 7);
    }
}
