//! The handover of sessions at a stop.

use super::Worker;
use crate::clock;
use crate::session::parked::Parked;
use crate::session::state::Link;

impl Worker {
    /// Takes every session out, with exactly the events that its positions say.
    ///
    /// It is done in one go on the worker's own thread: nothing is delivered between an outbox and
    /// the positions that go with it. What guilds hand out later is in their logs.
    pub(super) fn checkpoint(&mut self) -> Vec<Parked> {
        self.handed_over = true;
        let (now_ms, unix_ms) = (self.now_ms(), clock::unix_ms());
        let keys: Vec<usize> = self.sessions.iter().map(|(key, _)| key).collect();
        let mut all = Vec::with_capacity(keys.len());
        for key in keys {
            let detached_ms = match self.sessions[key].link {
                Link::Detached(since_ms) => unix_ms - now_ms.saturating_sub(since_ms).min(unix_ms),
                Link::Connected(connection) => {
                    if let Some(connection) = self.connections.get_mut(connection) {
                        connection.session = None;
                    }
                    unix_ms
                }
            };
            if self.shared.elsewhere.is_some() {
                // Before it is nowhere: it is about to be kept.
                self.shared.links.set_leaving(self.sessions[key].id);
            }
            let parts = self.take_apart(key);
            let claim = self.shared.links.claim_of(parts.id);
            self.shared.links.forget(parts.id);
            all.push(Parked {
                parts,
                detached_ms,
                claim,
            });
        }
        all
    }
}
