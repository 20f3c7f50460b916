//! The end of a run: waits for what is still on its way.

use std::time::Duration;

use tokio::time::sleep;

use super::Run;
use super::fleet::Workers;
use super::progress::Progress;
use crate::check::Outcome;
use crate::clock::{self, SECOND};
use crate::plan::Plan;
use crate::publish::Ledger;

/// After this time in microseconds without any delivery nothing more is expected of connected sessions.
const QUIET: u64 = 3 * SECOND;

/// Kept listening after the last delivery that was missing, for what should not come.
const AFTERWARDS: Duration = Duration::from_millis(300);

/// How the waiting ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drained {
    /// Deliveries of the acknowledged messages that were due.
    pub(super) expected: u64,
    /// Microseconds from the last acknowledgement to the last delivery.
    pub(super) after: u64,
}

/// Waits until all acknowledged messages have arrived everywhere, `seconds` at most.
pub(super) async fn drain(
    workers: &Workers,
    ledger: &Ledger,
    run: &Run<'_>,
    seconds: f64,
    progress: &mut Progress<'_>,
) -> Drained {
    let expected = expected(&ledger.outcomes, &run.plan);
    // Deliveries of messages without an answer cannot be told from the others by counting, and neither can those that
    // members missed while they were away.
    let exact = ledger.counters.unknown == 0 && !run.plan.has_absences();
    let began = clock::now();
    let deadline = began + clock::from_seconds(seconds);
    let (mut delivered, mut last) = (workers.delivered(), began);
    loop {
        let now = clock::now();
        let current = workers.delivered();
        if current != delivered {
            (delivered, last) = (current, now);
        }
        let is_complete = exact && delivered >= expected;
        let is_quiet = now > last + QUIET && workers.detached() == 0;
        if is_complete || is_quiet || now > deadline {
            break;
        }
        progress.tick().await;
    }
    sleep(AFTERWARDS).await;
    Drained {
        expected,
        after: last - began,
    }
}

/// Sessions without messages get none; those that read slowly are expected to get all of them, if not in time.
fn expected(outcomes: &[Vec<Outcome>], plan: &Plan) -> u64 {
    let gets: Vec<bool> = {
        let mut gets = vec![false; plan.users as usize];
        for client in &plan.sessions {
            gets[client.user as usize] |= client.gets_messages();
        }
        gets
    };
    let rooms = outcomes.iter().zip(&plan.rooms);
    rooms
        .map(|(outcomes, room)| {
            let receivers = room.seen_by.iter().filter(|user| gets[**user as usize]);
            let acked = outcomes
                .iter()
                .filter(|outcome| matches!(outcome, Outcome::Acked(_)));
            acked.count() as u64 * receivers.count() as u64
        })
        .sum()
}
