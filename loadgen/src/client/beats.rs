//! The heartbeats of one worker's sessions: one queue and one timer for all of them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;

use super::frames::Opcode;
use super::worker::Worker;
use crate::clock::{self, Alarm};

/// How often the queue is looked at, in microseconds.
const TICK: u64 = 100_000;

/// A heartbeat to be sent: when, to which slot, on which of its connections.
type Beat = Reverse<(u64, u32, u32)>;

/// At most one heartbeat for each connection, plus those of connections that ended since.
#[derive(Debug, Default)]
pub(super) struct Beats {
    queue: BinaryHeap<Beat>,
}

/// Arms the heartbeat of slot `index`'s new connection: the first after a random part of the interval.
pub(super) fn start(worker: &Worker, index: usize) {
    let interval = worker.slots[index].session.borrow().interval() * 1_000;
    let jitter = worker.random.borrow_mut().u64(..interval);
    schedule(worker, index, clock::now() + jitter);
}

fn schedule(worker: &Worker, index: usize, at: u64) {
    let generation = worker.slots[index].generation.get();
    let beat = Reverse((at, index as u32, generation));
    worker.beats.borrow_mut().queue.push(beat);
}

/// Sends what is due, for ever.
pub(super) async fn run(worker: &Worker) -> io::Result<()> {
    let alarm = Alarm::new()?;
    loop {
        let now = clock::now();
        while let Some(index) = next(worker, now) {
            beat(worker, index, now);
        }
        alarm.until(now + TICK).await?;
    }
}

/// The slot of the next heartbeat that is due.
fn next(worker: &Worker, now: u64) -> Option<usize> {
    let queue = &mut worker.beats.borrow_mut().queue;
    loop {
        let Reverse((at, index, generation)) = *queue.peek()?;
        if at > now {
            return None;
        }
        queue.pop();
        if worker.slots[index as usize].generation.get() == generation {
            return Some(index as usize);
        }
    }
}

fn beat(worker: &Worker, index: usize, now: u64) {
    let slot = &worker.slots[index];
    let interval = slot.session.borrow().interval();
    let beat = slot.session.borrow_mut().scheduled_beat();
    if let Some(beat) = beat {
        worker.send(index, Opcode::Text, beat.as_bytes());
        schedule(worker, index, now + interval * 1_000);
    } else if let Some(writer) = slot.writer.borrow().as_ref() {
        worker.cut(writer);
    }
}
