//! The end of a run: waits for what is still on its way.

use std::time::Duration;

use tokio::time::sleep;

use super::fleet::Workers;
use crate::check::Outcome;
use crate::clock::{self, SECOND};
use crate::publish::Ledger;

/// How often it is looked at.
const TICK: Duration = Duration::from_millis(5);

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
    members: &[Vec<u32>],
    seconds: f64,
) -> Drained {
    let expected = expected(&ledger.outcomes, members);
    // Deliveries of messages without an answer cannot be told from the others by counting.
    let exact = ledger.counters.unknown == 0;
    let began = clock::now();
    let deadline = began + (seconds * SECOND as f64) as u64;
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
        sleep(TICK).await;
    }
    sleep(AFTERWARDS).await;
    Drained {
        expected,
        after: last - began,
    }
}

fn expected(outcomes: &[Vec<Outcome>], members: &[Vec<u32>]) -> u64 {
    let guilds = outcomes.iter().zip(members);
    guilds
        .map(|(outcomes, members)| {
            let acked = outcomes
                .iter()
                .filter(|outcome| matches!(outcome, Outcome::Acked(_)));
            acked.count() as u64 * members.len() as u64
        })
        .sum()
}
