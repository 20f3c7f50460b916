//! What waits in a room, parted into what sessions are handed in one go.

use smallvec::SmallVec;

use super::{Deliver, Ready, Subscriber};
use crate::fanout::frame::{Frame, Run};
use crate::protocol::Position;

/// Most events of a run. A session keeps all of them in memory until the last one is acknowledged.
const MOST_EVENTS: usize = 128;
/// Most bytes of a run's events.
const MOST_BYTES: usize = 128 << 10;
const _: () = assert!(MOST_EVENTS <= Run::MOST);

/// An event, or some that most sessions are owed all of.
#[derive(Debug)]
pub(super) struct Portion<'a> {
    /// What is in it.
    ready: &'a [Ready],
    /// The same as a run, with the first position, where it is more than one event.
    run: Option<(Run, Position)>,
}

impl Portion<'_> {
    /// Hands a subscriber what of it is for them.
    pub(super) fn hand_to(&self, subscriber: &Subscriber, sink: &mut impl Deliver) {
        match &self.run {
            Some((run, first)) if self.ready.iter().all(|it| subscriber.gets(it)) => {
                sink.deliver_run(subscriber.session, run, *first);
            }
            _ => {
                for ready in self.ready.iter().filter(|it| subscriber.gets(it)) {
                    sink.deliver(subscriber.session, &ready.frame, ready.position);
                }
            }
        }
    }
}

/// Parts what waits: events of the guild's journal that have consecutive positions are together, others alone.
pub(super) fn portions(mut waiting: &[Ready]) -> SmallVec<[Portion<'_>; 2]> {
    let mut portions = SmallVec::new();
    while !waiting.is_empty() {
        let (ready, rest) = waiting.split_at(length_of_first(waiting));
        let run = match ready {
            [first, _, ..] => first.position.map(|position| (run_of(ready), position)),
            _ => None,
        };
        portions.push(Portion { ready, run });
        waiting = rest;
    }
    portions
}

fn length_of_first(waiting: &[Ready]) -> usize {
    let mut bytes = 0;
    let fits = waiting.iter().take(MOST_EVENTS).take_while(|ready| {
        bytes += ready.frame.size();
        bytes <= MOST_BYTES
    });
    let mut next = waiting.first().and_then(|first| first.position);
    let in_row = fits.take_while(|ready| {
        let is_next = next.is_some() && ready.position == next;
        next = next.map(|position| position + 1);
        is_next
    });
    in_row.count().max(1)
}

fn run_of(ready: &[Ready]) -> Run {
    Run::new(ready.iter().map(|ready| Frame::clone(&ready.frame)))
}
