//! One thread, one epoll loop: all receivers, the publishing connections and the schedule.
//!
//! Made to cost less per delivery than any server: one read buffer for all, edge-triggered readiness, one read for a
//! socket whose bytes fit the buffer, and nothing parsed of a message but its mark.

mod load;
mod poll;
mod wire;

use std::collections::VecDeque;
use std::io;

use anyhow::{Result, bail};
use hdrhistogram::Histogram;

use super::driver::{Driver, Way, Who};
use super::tally::Tally;
use crate::client::tally::histogram;
use crate::clock::{self, SECOND};

pub(super) use load::{Edge, Load, Outcome};
use poll::Poll;
use wire::{Context, News, Wire};

/// Bytes of the read buffer. More than a connection gets between two reads while the loop keeps up.
const SCRATCH: usize = 128 << 10;

/// Connections being opened at a time.
const OPENING: usize = 100;

/// Events handled between two looks at the schedule.
const CHUNK: usize = 64;

/// The engine of one server.
pub(super) struct Engine {
    poll: Poll,
    driver: Box<dyn Driver>,
    /// The receivers in order, then the publishing connections.
    wires: Vec<Wire>,
    receivers: u32,
    scratch: Box<[u8]>,
    tally: Tally,
    /// Connections that are ready.
    ready: usize,
    posts: Posts,
    schedule: Option<load::Schedule>,
    /// When the next receiver has to be heard of, and which.
    beat: (u64, u32),
    reads: u64,
    /// How long the loop's turns took, each counted once per event in it; microseconds.
    turns: Histogram<u64>,
}

/// What became of the messages posted.
#[derive(Debug, Default)]
struct Posts {
    /// The WebSocket that publishes, if that is how it is done.
    socket: Option<usize>,
    /// HTTP connections.
    connections: usize,
    /// Those without a request.
    idle: VecDeque<usize>,
    /// Answers that say that a message was taken.
    acked: u64,
    /// Other answers.
    failed: u64,
    /// The first of those.
    error: Option<String>,
}

impl Engine {
    /// For `receivers` receivers, none connected yet.
    pub(super) fn new(driver: Box<dyn Driver>, receivers: u32) -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            driver,
            wires: Vec::with_capacity(receivers as usize + 1),
            receivers,
            scratch: vec![0; SCRATCH].into(),
            tally: Tally::new(receivers),
            ready: 0,
            posts: Posts::default(),
            schedule: None,
            beat: (u64::MAX, 0),
            reads: 0,
            turns: histogram(),
        })
    }

    /// Connects all receivers and, when they are subscribed, what publishes.
    ///
    /// # Errors
    /// When one of them fails, or not all are ready after `timeout` microseconds.
    pub(super) fn connect(&mut self, timeout: u64) -> Result<()> {
        let deadline = clock::now() + timeout;
        self.connect_receivers(timeout)?;
        self.connect_publishers(deadline.saturating_sub(clock::now()))
    }

    /// Connects all receivers.
    ///
    /// # Errors
    /// As of [`Engine::connect`].
    pub(super) fn connect_receivers(&mut self, timeout: u64) -> Result<()> {
        let deadline = clock::now() + timeout;
        self.open(self.receivers as usize, deadline, |engine, index| {
            let who = Who::Receiver(index as u32);
            Wire::websocket(who, &engine.driver.door(who))
        })?;
        if let Some(every) = self.driver.beat_every() {
            self.beat = (clock::now() + self.beat_gap(every), 0);
        }
        Ok(())
    }

    /// Connects what publishes, when all receivers are subscribed.
    ///
    /// # Errors
    /// As of [`Engine::connect`].
    pub(super) fn connect_publishers(&mut self, timeout: u64) -> Result<()> {
        let deadline = clock::now() + timeout;
        match self.driver.way() {
            Way::Socket => {
                self.posts.socket = Some(self.wires.len());
                self.open(1, deadline, |engine, _| {
                    Wire::websocket(Who::Publisher, &engine.driver.door(Who::Publisher))
                })?;
            }
            Way::Http(endpoint, count) => {
                let first = self.wires.len();
                self.open(count as usize, deadline, |_, _| Wire::http(&endpoint))?;
                self.posts.connections = count as usize;
                self.posts.idle = (first..self.wires.len()).collect();
            }
        }
        Ok(())
    }

    /// Closes what publishes: a server may end connections that it does not hear of.
    pub(super) fn close_publishers(&mut self) {
        self.ready -= self.wires.len() - self.receivers as usize;
        self.wires.truncate(self.receivers as usize);
        self.posts = Posts::default();
    }

    /// Opens `count` more connections and waits until each is ready.
    fn open(
        &mut self,
        count: usize,
        deadline: u64,
        make: impl Fn(&Self, usize) -> io::Result<Wire>,
    ) -> Result<()> {
        let target = self.wires.len() + count;
        while self.ready < target {
            while self.wires.len() < target && self.wires.len() < self.ready + OPENING {
                let index = self.wires.len();
                let wire = make(self, index)?;
                self.poll.add(wire.stream(), index)?;
                self.ready += usize::from(wire.is_ready());
                self.wires.push(wire);
            }
            if clock::now() > deadline {
                bail!("{} of {target} connections were ready in time", self.ready);
            }
            if self.ready < target {
                self.turn(clock::now() + SECOND / 10)?;
            }
        }
        Ok(())
    }

    /// Handles what comes until `time`.
    pub(super) fn run_until(&mut self, time: u64) -> Result<()> {
        while clock::now() < time {
            self.turn(time)?;
        }
        Ok(())
    }

    /// Waits for events, but not beyond `until`, and handles them.
    fn turn(&mut self, until: u64) -> Result<()> {
        self.send_due()?;
        self.beat_due()?;
        let due = self.schedule.as_ref().map_or(u64::MAX, load::Schedule::due);
        self.poll.wait(until.min(due).min(self.beat.0))?;
        let woken = clock::now();
        let events = self.poll.len();
        for position in 0..events {
            let event = self.poll.event(position);
            if event.readable {
                self.read(event.wire)?;
            }
            if event.writable {
                self.wires[event.wire].flush()?;
            }
            if position % CHUNK == CHUNK - 1 {
                self.send_due()?;
            }
        }
        let took = clock::now() - woken;
        self.turns.saturating_record_n(took, events as u64);
        Ok(())
    }

    /// Takes all that a connection has.
    fn read(&mut self, index: usize) -> Result<()> {
        let wire = &mut self.wires[index];
        loop {
            let Some(count) = wire.read(&mut self.scratch)? else {
                return Ok(());
            };
            self.reads += 1;
            self.tally.bytes(count);
            let mut context = Context {
                now: clock::now(),
                driver: &mut *self.driver,
                tally: &mut self.tally,
            };
            match wire.take(&self.scratch[..count], &mut context)? {
                News::None => {}
                News::Ready => self.ready += 1,
                News::Answer(response) => {
                    if (200..300).contains(&response.status) {
                        self.posts.acked += 1;
                    } else {
                        self.posts.failed += 1;
                        self.posts.error.get_or_insert_with(|| {
                            let body = &response.body[..response.body.len().min(200)];
                            format!(
                                "status {}: {}",
                                response.status,
                                String::from_utf8_lossy(body)
                            )
                        });
                    }
                    self.posts.idle.push_back(index);
                }
            }
            // Less than asked for: the socket is empty, and says so when it is not any more.
            if count < self.scratch.len() {
                return Ok(());
            }
        }
    }

    /// How often each receiver is heard of, if it is.
    pub(super) fn beat_every(&self) -> Option<std::time::Duration> {
        self.driver.beat_every()
    }

    fn beat_gap(&self, every: std::time::Duration) -> u64 {
        every.as_micros() as u64 / u64::from(self.receivers.max(1))
    }

    /// Lets the server hear of the receivers whose turn it is.
    fn beat_due(&mut self) -> Result<()> {
        while clock::now() >= self.beat.0 {
            let Some(every) = self.driver.beat_every() else {
                return Ok(());
            };
            let receiver = self.beat.1;
            let wire = &mut self.wires[receiver as usize];
            self.driver.beat(receiver, wire.outgoing());
            wire.flush()?;
            self.beat = (
                self.beat.0 + self.beat_gap(every).max(1),
                (receiver + 1) % self.receivers,
            );
        }
        Ok(())
    }
}
