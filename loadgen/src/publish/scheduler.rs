//! Hands each message, at its time, to the next free connection.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::http::Connection;
use super::post::{Attempt, compose, post_once};
use super::retry::{Answer, Course, Next};
use super::{Gauges, LATE, Ledger, MAX_WAITING, Order};
use crate::check::Outcome;
use crate::clock::{self, Alarm};
use crate::plan::Planned;

/// Messages in a row without giving the connections a turn, when the schedule runs behind.
const BURST: u64 = 32;

/// What the scheduler and its connections share.
struct Shared {
    order: Order,
    gauges: Arc<Gauges>,
    ledger: RefCell<Ledger>,
    /// At most [`MAX_WAITING`].
    waiting: RefCell<VecDeque<Planned>>,
    arrived: Notify,
    idle: Cell<u32>,
    /// Connections so far: they take turns at the nodes.
    turns: Cell<usize>,
    closed: Cell<bool>,
}

/// Runs the whole schedule.
pub(super) async fn run(order: Order, gauges: Arc<Gauges>) -> io::Result<Ledger> {
    let shared = Rc::new(Shared {
        ledger: RefCell::new(Ledger::new(&order.schedule)),
        order,
        gauges,
        waiting: RefCell::default(),
        arrived: Notify::new(),
        idle: Cell::new(0),
        turns: Cell::new(0),
        closed: Cell::new(false),
    });
    let mut senders = JoinSet::new();
    let alarm = Alarm::new()?;
    let mut number = 0;
    while let Some(planned) = shared.order.schedule.get(number) {
        alarm.until(planned.intended).await?;
        if shared.gauges.stop.load(Ordering::Relaxed) {
            break;
        }
        shared.due(planned);
        // Of the idle ones some may already have been woken for what waits.
        let busy = shared.waiting.borrow().len() > shared.idle.get() as usize;
        if busy && senders.len() < shared.order.in_flight as usize {
            senders.spawn_local(send(Rc::clone(&shared)));
        }
        // The connection that was used last is the one whose state is still in the caches.
        shared.arrived.notify_last();
        number += 1;
        if number.is_multiple_of(BURST) {
            tokio::task::yield_now().await;
        }
    }
    shared.closed.set(true);
    shared.arrived.notify_waiters();
    while let Some(sender) = senders.join_next().await {
        sender.map_err(io::Error::other)?;
    }
    let shared = Rc::into_inner(shared).expect("invariant: the senders are gone");
    let mut ledger = shared.ledger.into_inner();
    ledger.counters.unsent += shared.order.schedule.len() - number;
    Ok(ledger)
}

impl Shared {
    /// The time of a message has come.
    fn due(&self, planned: Planned) {
        let late = clock::now().saturating_sub(planned.intended);
        let mut ledger = self.ledger.borrow_mut();
        if self.order.window.contains(planned.intended) {
            ledger.late.saturating_record(late);
            ledger.late_sends += u64::from(late > LATE);
        }
        self.gauges.due.fetch_add(1, Ordering::Relaxed);
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() < MAX_WAITING {
            waiting.push_back(planned);
        } else {
            ledger.counters.unsent += 1;
            ledger.note(format!(
                "more than {MAX_WAITING} messages wait for an answer"
            ));
        }
    }

    /// The next message; `None` once the schedule is over and nothing waits.
    async fn next(&self) -> Option<Planned> {
        loop {
            let next = self.waiting.borrow_mut().pop_front();
            if next.is_some() || self.closed.get() {
                return next;
            }
            self.idle.set(self.idle.get() + 1);
            self.arrived.notified().await;
            self.idle.set(self.idle.get() - 1);
        }
    }

    fn count(&self, attempt: Attempt, next: Next) {
        let mut ledger = self.ledger.borrow_mut();
        match attempt.answer {
            Answer::Limited(_) => ledger.counters.rate_limited += 1,
            Answer::Failed => ledger.counters.failed += 1,
            Answer::Broken | Answer::Unreachable => ledger.counters.broken += 1,
            Answer::Acked(_) | Answer::Refused => {}
        }
        ledger.counters.connections += u64::from(attempt.opened);
        ledger.counters.retries += u64::from(matches!(next, Next::Again(_)));
        if let Some(error) = attempt.error {
            ledger.note(error);
        }
    }

    fn settle(&self, planned: Planned, outcome: Outcome) {
        let mut ledger = self.ledger.borrow_mut();
        ledger.outcomes[planned.room as usize][planned.publish as usize] = outcome;
        match outcome {
            Outcome::Acked(_) => {
                ledger.counters.acked += 1;
                self.gauges.acked.fetch_add(1, Ordering::Relaxed);
                if self.order.window.contains(planned.intended) {
                    ledger.acked_measured += 1;
                    let after = clock::now().saturating_sub(planned.intended);
                    ledger.acked_after.saturating_record(after);
                }
            }
            Outcome::Refused => ledger.counters.refused += 1,
            Outcome::Unknown => ledger.counters.unknown += 1,
            Outcome::Unsent => ledger.counters.unsent += 1,
        }
    }
}

/// One connection: posts one message after the other.
async fn send(shared: Rc<Shared>) {
    let mut connection: Option<Connection> = None;
    let mut turn = shared.turns.get();
    shared.turns.set(turn + 1);
    let mut request = Vec::new();
    while let Some(planned) = shared.next().await {
        let now = clock::now();
        let waited = now.saturating_sub(planned.intended);
        {
            let mut ledger = shared.ledger.borrow_mut();
            // No snapshot from before this time can have it.
            ledger.sent[planned.room as usize][planned.publish as usize] = now;
            if shared.order.window.contains(planned.intended) {
                ledger.waited.saturating_record(waited);
            }
        }
        request.clear();
        compose(&shared.order, planned, waited, &mut request);
        let outcome = deliver(&shared, planned, (&mut connection, &mut turn), &request).await;
        shared.settle(planned, outcome);
    }
}

async fn deliver(
    shared: &Shared,
    planned: Planned,
    (connection, turn): (&mut Option<Connection>, &mut usize),
    request: &[u8],
) -> Outcome {
    let mut course = Course::new(planned.intended);
    loop {
        let attempt = post_once((&shared.order, *turn), connection, request).await;
        let gone = matches!(attempt.answer, Answer::Broken | Answer::Unreachable);
        if !shared.order.more.is_empty() && (gone || attempt.answer == Answer::Failed) {
            // Another node may have an answer.
            *turn += 1;
            *connection = None;
        }
        let now = clock::now();
        let next = course.answer(attempt.answer, now);
        shared.count(attempt, next);
        match next {
            Next::Done(outcome) => return outcome,
            Next::Again(at) => {
                sleep(Duration::from_micros(at - now)).await;
            }
        }
    }
}
