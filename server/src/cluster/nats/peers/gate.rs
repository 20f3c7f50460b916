//! Whether a node is asked at all: a circuit breaker, and a bound on what is under way to it.
//!
//! A node that does not answer several requests in a row is asked nothing any more until it answers a probe: its guilds'
//! requests fail at once, instead of each after its time. Whatever becomes of one node, no more than so much waits
//! for it, so that requests to others go on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Requests without an answer, one after the other, from which on a node counts as one that does not answer.
pub(super) const FAILURES: u32 = 5;
/// Requests that may be under way to one node.
const MOST: usize = 1_024;
/// Bytes of them; a larger request goes alone.
const MOST_BYTES: usize = 16 << 20;
/// The first pause before a node that does not answer is probed, and the longest.
pub(super) const PROBES: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_secs(2));

/// Why a request is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shut {
    /// The node does not answer.
    Breaker,
    /// Too much is under way to it.
    Full,
}

/// The gate of one process.
#[derive(Default)]
pub(super) struct Gate(Mutex<State>);

#[derive(Default)]
struct State {
    /// Requests in a row that were not answered.
    failures: u32,
    open: bool,
    count: usize,
    bytes: usize,
}

/// A request that is under way, as long as this is kept.
pub(super) struct Pass {
    gate: Arc<Gate>,
    bytes: usize,
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a request of so many bytes through, or says why not.
    pub(super) fn enter(self: &Arc<Self>, bytes: usize) -> Result<Pass, Shut> {
        let mut state = self.state();
        if state.open {
            return Err(Shut::Breaker);
        }
        let alone = state.count == 0;
        if state.count >= MOST || state.bytes + bytes > MOST_BYTES && !alone {
            return Err(Shut::Full);
        }
        state.count += 1;
        state.bytes += bytes;
        drop(state);
        let gate = Arc::clone(self);
        Ok(Pass { gate, bytes })
    }

    /// The node has answered something. Whether it was asked nothing until now.
    pub(super) fn answered(&self) -> bool {
        let mut state = self.state();
        state.failures = 0;
        std::mem::take(&mut state.open)
    }

    /// The node has not answered a request in time. Whether from now on it is asked nothing: then it is to be
    /// probed.
    pub(super) fn unanswered(&self) -> bool {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        let opens = !state.open && state.failures >= FAILURES;
        state.open |= opens;
        opens
    }

    /// Whether it is asked nothing.
    pub(super) fn is_open(&self) -> bool {
        self.state().open
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        state.count -= 1;
        state.bytes -= self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_does_not_answer_several_times_in_a_row_is_asked_nothing_until_it_does() {
        let gate = Arc::new(Gate::default());
        for _ in 1..FAILURES {
            assert!(!gate.unanswered());
        }
        assert!(!gate.answered());
        for _ in 1..FAILURES {
            assert!(!gate.unanswered());
            assert!(gate.enter(1).is_ok());
        }
        assert!(gate.unanswered(), "in a row now");
        assert!(!gate.unanswered(), "one probe is enough");
        assert_eq!(gate.enter(1).err(), Some(Shut::Breaker));
        assert!(gate.is_open());
        assert!(gate.answered(), "again");
        assert!(!gate.answered(), "once");
        assert!(!gate.is_open() && gate.enter(1).is_ok());
    }

    #[test]
    fn i7_what_is_under_way_to_a_node_is_bounded_in_count_and_bytes() {
        let gate = Arc::new(Gate::default());
        let passes: Vec<Pass> = (0..MOST).map_while(|_| gate.enter(1).ok()).collect();
        assert_eq!(passes.len(), MOST);
        assert_eq!(gate.enter(1).err(), Some(Shut::Full));
        drop(passes);
        let large = gate.enter(MOST_BYTES * 2).ok().unwrap();
        assert_eq!(gate.enter(1).err(), Some(Shut::Full));
        drop(large);
        let half = gate.enter(MOST_BYTES / 2).ok().unwrap();
        let other = gate.enter(MOST_BYTES / 2).ok().unwrap();
        assert_eq!(gate.enter(1).err(), Some(Shut::Full));
        drop((half, other));
        assert!(gate.enter(1).is_ok());
    }
}
