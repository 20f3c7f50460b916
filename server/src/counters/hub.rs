//! What a hub counts on its own thread, without atomics, until it is flushed.

use super::Counters;
use super::labels::{EphemeralKind, Label, SessionState};

/// Counts of one hub since its last flush. A hub counts here while it works through a batch and
/// flushes about once a second and when it stops; several hubs counting each delivery into shared
/// atomics would pass a cache line to and fro.
#[derive(Debug, Default)]
pub struct HubCounters {
    /// Dispatch frames handed to lanes.
    pub deliveries: u64,
    /// Writes to sockets.
    pub writes: u64,
    /// Bytes written to sockets.
    pub bytes_out: u64,
    /// Connections that were written to after a wait for company.
    pub held_writes: u64,
    /// Mail of guilds that waited to go into outboxes together.
    pub gathered: u64,
    /// Frames read from sockets.
    pub frames_in: u64,
    /// Bytes read from sockets.
    pub bytes_in: u64,
    /// Ephemeral events that sessions were not sent, by kind.
    pub ephemeral_dropped: [u64; 2],
    /// Connections closed because their lane was full.
    pub lane_overflows: u64,
    /// Change of the number of sessions in each state.
    sessions: [i64; 3],
}

impl HubCounters {
    /// A session went from one state to another; `None` is before the first and after the last.
    pub fn session_moved(&mut self, from: Option<SessionState>, to: Option<SessionState>) {
        if let Some(from) = from {
            self.sessions[from as usize] -= 1;
        }
        if let Some(to) = to {
            self.sessions[to as usize] += 1;
        }
    }

    /// Adds everything to the node's figures and starts again at zero.
    pub fn flush_into(&mut self, counters: &Counters) {
        let taken = std::mem::take(self);
        for (counter, count) in [
            (&counters.deliveries, taken.deliveries),
            (&counters.writes, taken.writes),
            (&counters.bytes_out, taken.bytes_out),
            (&counters.held_writes, taken.held_writes),
            (&counters.gathered, taken.gathered),
            (&counters.frames_in, taken.frames_in),
            (&counters.bytes_in, taken.bytes_in),
            (&counters.lane_overflows, taken.lane_overflows),
        ] {
            if count > 0 {
                counter.inc_by(count);
            }
        }
        for (kind, count) in EphemeralKind::ALL.iter().zip(taken.ephemeral_dropped) {
            if count > 0 {
                counters.ephemeral_dropped.of(*kind).inc_by(count);
            }
        }
        for state in [
            SessionState::Connected,
            SessionState::Active,
            SessionState::Detached,
        ] {
            let change = taken.sessions[state as usize];
            if change != 0 {
                counters.sessions.of(state).inc_by(change);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_moves_everything_once() {
        let counters = Counters::default();
        let mut one = HubCounters::default();
        let mut other = HubCounters::default();
        one.deliveries = 5;
        one.bytes_out = 100;
        one.session_moved(None, Some(SessionState::Connected));
        one.session_moved(Some(SessionState::Connected), Some(SessionState::Active));
        one.flush_into(&counters);
        one.flush_into(&counters);
        // The session is resumed on another hub.
        one.session_moved(Some(SessionState::Active), None);
        other.session_moved(None, Some(SessionState::Active));
        other.session_moved(Some(SessionState::Active), Some(SessionState::Detached));
        other.flush_into(&counters);
        one.flush_into(&counters);
        assert_eq!(counters.deliveries.get(), 5);
        assert_eq!(counters.bytes_out.get(), 100);
        assert_eq!(counters.sessions.of(SessionState::Connected).get(), 0);
        assert_eq!(counters.sessions.of(SessionState::Active).get(), 0);
        assert_eq!(counters.sessions.of(SessionState::Detached).get(), 1);
    }
}
