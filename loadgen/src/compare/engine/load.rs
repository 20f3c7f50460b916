//! A load: messages at their times, what was used meanwhile, and the wait for the last delivery.

use std::collections::VecDeque;

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;

use super::Engine;
use crate::client::tally::histogram;
use crate::clock::{self, SECOND};
use crate::marker::Marker;

/// Messages that may wait for a free connection; beyond, they count as unsent.
const MAX_WAITING: usize = 100_000;

/// Messages sent in a row when the schedule is behind.
const BURST: u32 = 32;

/// A message that leaves the schedule later than this (microseconds) is late by the generator's fault.
const LATE: u64 = 5_000;

/// Microseconds between the start of a load and its first message.
const LEAD: u64 = SECOND / 20;

/// What to send.
#[derive(Debug, Clone, Copy)]
pub(in crate::compare) struct Load {
    /// Messages per second.
    pub(in crate::compare) rate: f64,
    /// Microseconds that are not measured.
    pub(in crate::compare) warmup: u64,
    /// Microseconds that are.
    pub(in crate::compare) measured: u64,
    /// Bytes of a message.
    pub(in crate::compare) payload: usize,
    /// Microseconds after the last message in which deliveries still count.
    pub(in crate::compare) drain: u64,
}

/// The edges of the measured time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::compare) struct Edge {
    /// When, in microseconds of [`crate::clock`].
    pub(in crate::compare) at: u64,
    /// Deliveries so far.
    pub(in crate::compare) delivered: u64,
    /// Bytes received so far.
    pub(in crate::compare) wire: u64,
    /// Reads so far.
    pub(in crate::compare) reads: u64,
}

/// What a load came to.
#[derive(Debug)]
pub(in crate::compare) struct Outcome {
    pub(in crate::compare) planned: u64,
    /// Messages that never left.
    pub(in crate::compare) unsent: u64,
    /// Where answers are given: those that took the message.
    pub(in crate::compare) acked: Option<u64>,
    pub(in crate::compare) failed: u64,
    /// The first answer that did not take its message.
    pub(in crate::compare) error: Option<String>,
    pub(in crate::compare) late: u64,
    pub(in crate::compare) expected: u64,
    pub(in crate::compare) delivered: u64,
    pub(in crate::compare) duplicates: u64,
    pub(in crate::compare) strays: u64,
    /// Microseconds from intended time to reception.
    pub(in crate::compare) latency: Histogram<u64>,
    /// Microseconds of the loop's turns, once per event.
    pub(in crate::compare) turns: Histogram<u64>,
    /// When the first and the last delivery were read.
    pub(in crate::compare) span: Option<(u64, u64)>,
    /// The intended time of the first message.
    pub(in crate::compare) start: u64,
}

impl Outcome {
    /// Fails unless every delivery came, and once.
    pub(in crate::compare) fn whole(self, peer: &str) -> Result<Self> {
        ensure!(
            self.delivered == self.expected && self.duplicates == 0,
            "{peer}: {} of {} deliveries came, {} twice",
            self.delivered,
            self.expected,
            self.duplicates
        );
        Ok(self)
    }
}

/// The schedule under way.
#[derive(Debug)]
pub(super) struct Schedule {
    start: u64,
    gap: f64,
    total: u32,
    /// The next message.
    next: u32,
    /// Messages whose time has come and that wait for a free connection.
    waiting: VecDeque<u32>,
    text: Vec<u8>,
    payload: usize,
    late: u64,
    unsent: u64,
}

impl Schedule {
    fn intended(&self, number: u32) -> u64 {
        self.start + (f64::from(number) * self.gap) as u64
    }

    /// When the next message is due; the end of time if there is none.
    pub(super) fn due(&self) -> u64 {
        if self.next < self.total {
            self.intended(self.next)
        } else {
            u64::MAX
        }
    }
}

impl Engine {
    /// Carries out a load. Calls `edge` when the measured time begins and when it ends.
    ///
    /// # Errors
    /// When a connection fails, or `edge` does.
    pub(in crate::compare) fn load(
        &mut self,
        load: Load,
        mut edge: impl FnMut(Edge) -> Result<()>,
    ) -> Result<Outcome> {
        let start = clock::now() + LEAD;
        let from = start + load.warmup;
        let to = from + load.measured;
        let total = ((to - start) as f64 * load.rate / SECOND as f64).ceil() as u32;
        self.tally.begin(total, (from, to));
        self.turns = histogram();
        self.posts.acked = 0;
        self.posts.failed = 0;
        self.posts.error = None;
        self.schedule = Some(Schedule {
            start,
            gap: SECOND as f64 / load.rate,
            total,
            next: 0,
            waiting: VecDeque::new(),
            text: Vec::with_capacity(load.payload),
            payload: load.payload,
            late: 0,
            unsent: 0,
        });
        self.run_until(from)?;
        self.turns = histogram();
        edge(self.edge())?;
        self.run_until(to)?;
        edge(self.edge())?;
        let expected = u64::from(total) * u64::from(self.receivers);
        let deadline = to + load.drain;
        while clock::now() < deadline && !self.is_done(expected) {
            self.turn(deadline)?;
        }
        let schedule = self
            .schedule
            .take()
            .expect("invariant: the load's schedule is there");
        Ok(Outcome {
            planned: u64::from(total),
            unsent: schedule.unsent
                + schedule.waiting.len() as u64
                + u64::from(total - schedule.next),
            acked: (self.posts.socket.is_none()).then_some(self.posts.acked),
            failed: self.posts.failed,
            error: self.posts.error.take(),
            late: schedule.late,
            expected,
            delivered: self.tally.delivered(),
            duplicates: self.tally.duplicates(),
            strays: self.tally.strays(),
            latency: self.tally.latency().clone(),
            turns: self.turns.clone(),
            span: self.tally.span(),
            start,
        })
    }

    /// Whether all came that can come.
    fn is_done(&self, expected: u64) -> bool {
        let answered = self.posts.idle.len() == self.posts.connections;
        answered && self.tally.delivered() >= expected
    }

    fn edge(&self) -> Edge {
        Edge {
            at: clock::now(),
            delivered: self.tally.delivered(),
            wire: self.tally.wire(),
            reads: self.reads,
        }
    }

    /// Sends the messages whose time has come.
    pub(super) fn send_due(&mut self) -> Result<()> {
        let Some(mut schedule) = self.schedule.take() else {
            return Ok(());
        };
        let sent = self.send_from(&mut schedule);
        self.schedule = Some(schedule);
        sent
    }

    fn send_from(&mut self, schedule: &mut Schedule) -> Result<()> {
        let now = clock::now();
        for _ in 0..BURST {
            if schedule.due() > now {
                break;
            }
            let late = now - schedule.due();
            schedule.late += u64::from(late > LATE);
            if schedule.waiting.len() < MAX_WAITING {
                schedule.waiting.push_back(schedule.next);
            } else {
                schedule.unsent += 1;
            }
            schedule.next += 1;
        }
        while let Some(number) = schedule.waiting.front().copied() {
            let Some(index) = self.carrier() else {
                break;
            };
            schedule.waiting.pop_front();
            schedule.text.clear();
            let marker = Marker {
                room: 0,
                publish: number,
                intended: schedule.intended(number),
                held: 0,
            };
            let codec = self.tally.codec();
            codec.write(marker, schedule.payload, &mut schedule.text);
            let wire = &mut self.wires[index];
            self.driver.publish(number, &schedule.text, wire.outgoing());
            wire.flush()?;
        }
        Ok(())
    }

    /// The connection that can take a message. Those that post take turns: servers
    /// end one that has never sent a request.
    fn carrier(&mut self) -> Option<usize> {
        self.posts.socket.or_else(|| self.posts.idle.pop_front())
    }
}
