//! Sessions that go to other nodes.

use super::Worker;
use crate::clock;
use crate::protocol::{GuildId, UserId};
use crate::session::elsewhere::Leaving;
use crate::session::greetings;
use crate::session::id::SessionId;
use crate::session::parked::Parked;
use crate::session::state::Link;

/// How long a guild goes on believing that a session is here that was let go. Its client has come back elsewhere by then
/// as a rule: others do not see it leave and come.
const STAYS_PRESENT_MS: u64 = 5_000;

/// What a guild is to hear of a session that is here no more.
#[derive(Debug)]
pub(super) struct Goodbye {
    at_ms: u64,
    guild: GuildId,
    name: u64,
    user: UserId,
}

impl Worker {
    /// Takes a session out that a client wants to resume at another node, with all that it missed; `None` where there is no
    /// such session. One that is not whole ends.
    pub(super) fn let_one_go(&mut self, id: SessionId, user: UserId, seq: u64) -> Option<Parked> {
        if self.handed_over {
            return None;
        }
        let is_overtaken = self.by_id.get(&id).is_some_and(|key| {
            let session = &self.sessions[*key];
            session.connection().is_some() && !session.outbox.reaches(seq)
        });
        if is_overtaken {
            // Asked for a connection that this one came after, perhaps: it does the session no harm.
            return None;
        }
        let key = self.rewound(id, user, seq).ok()?;
        self.drop_old_connection(key);
        Some(self.take_away(key))
    }

    /// Sessions were let go, and nobody waited for them any more: their clients may come back here, or try elsewhere.
    pub(super) fn take_back(&mut self, leaving: Vec<Leaving>) {
        let connections: Vec<_> = leaving.iter().filter_map(|it| it.connection).collect();
        let sessions = leaving.into_iter().map(|it| it.session);
        self.shared.links.take_back(sessions);
        self.ask_some_to_reconnect(&connections);
    }

    /// Takes the sessions out whose moment is in this share of the time.
    pub(super) fn let_go(&mut self, share: f64) -> Vec<Leaving> {
        let sessions = self.sessions.iter();
        let due = sessions.filter(|(_, session)| share >= 1.0 || session.id.moment() < share);
        let due: Vec<usize> = due.map(|(key, _)| key).collect();
        let mut all = Vec::with_capacity(due.len());
        for key in due {
            let connection = self.sessions[key].connection();
            if let Some(connection) = connection {
                // What waits for company is not to be replayed elsewhere.
                self.flush(connection);
            }
            let connection = connection.and_then(|key| {
                let connection = self.connections.get_mut(key)?;
                connection.session = None;
                Some((key, connection.generation))
            });
            let session = self.take_away(key);
            all.push(Leaving {
                session,
                connection,
            });
        }
        all
    }

    fn take_away(&mut self, key: usize) -> Parked {
        let (now_ms, unix_ms) = (self.now_ms(), clock::unix_ms());
        let session = &self.sessions[key];
        let detached_ms = match session.link {
            Link::Detached(since_ms) => unix_ms - now_ms.saturating_sub(since_ms).min(unix_ms),
            Link::Connected(_) => unix_ms,
        };
        let (name, user) = (session.name(key), session.user.id);
        let guilds = session.guilds.iter().map(|membership| Goodbye {
            at_ms: now_ms + STAYS_PRESENT_MS,
            guild: membership.guild,
            name,
            user,
        });
        self.goodbyes.extend(guilds);
        // Before it is nowhere.
        self.shared.links.set_leaving(self.sessions[key].id);
        let parts = self.take_apart(key);
        let claim = self.shared.links.claim_of(parts.id);
        self.shared.links.forget(parts.id);
        Parked {
            parts,
            detached_ms,
            claim,
        }
    }

    /// Tells guilds of sessions that have been gone for a while.
    pub(super) fn say_goodbyes(&mut self, now_ms: u64) {
        while let Some(goodbye) = self.goodbyes.front()
            && goodbye.at_ms <= now_ms
        {
            self.tell_detached(goodbye.guild, goodbye.name, goodbye.user);
            self.goodbyes.pop_front();
        }
    }

    /// Clients whose sessions are kept are asked to resume elsewhere.
    pub(super) fn ask_some_to_reconnect(&mut self, connections: &[(usize, u32)]) {
        for (key, generation) in connections {
            let connection = self.connections.get(*key);
            if connection.is_some_and(|connection| connection.generation == *generation) {
                self.send_control(*key, greetings::RECONNECT);
            }
        }
    }

    /// A client has come to a node that goes down. Where there are others it is asked to go there with the next tick: not at
    /// once, since it may be sent here again. A node alone leaves it waiting, until its connection is closed.
    pub(super) fn turn_away(&mut self, key: usize) {
        if self.shared.elsewhere.is_some()
            && let Some(connection) = self.connections.get(key)
        {
            self.turned_away.push((key, connection.generation));
        }
    }

    pub(super) fn send_away_turned_away(&mut self) {
        let connections = std::mem::take(&mut self.turned_away);
        self.ask_some_to_reconnect(&connections);
    }
}
