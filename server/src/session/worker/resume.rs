//! Resume: a session goes on over a new connection: on this worker, from another, or from before a
//! restart.
//!
//! *Invariant I10*: what the client missed is replayed whole, or the session is refused by op 9.
//! RESUMED comes once nothing is owed any more; one that got lost with its connection is replayed in its place.

use std::collections::HashMap;

use super::Worker;
use crate::clock;
use crate::counters::ResumeOutcome;
use crate::protocol::{CloseCode, UserId};
use crate::session::elsewhere::{Waiting, Waits};
use crate::session::greetings;
use crate::session::id::SessionId;
use crate::session::links::{Caller, HubMail, NotYielded, WantedSession};
use crate::session::payload::Resume;
use crate::session::refusal::Refusal;
use crate::session::state::{Link, Resuming, Session, SessionParts};
#[cfg(any(test, feature = "fault-points"))]
use crate::supervision::faults;

impl Worker {
    pub(super) fn resume(&mut self, key: usize, resume: &Resume) {
        let Some(user) = self.authenticate(key, &resume.token) else {
            return;
        };
        let seq = resume.seq.unwrap_or(0);
        let found = resume.session_id.parse::<SessionId>().ok();
        if self.shared.links.is_draining() {
            // The session waits for the next start, or at another node.
            self.turn_away(key);
            return;
        }
        let Some(id) = found else {
            self.refuse_session(key, Refusal::Unknown);
            return;
        };
        let connection = &self.connections[key];
        let wanted = WantedSession {
            session: id,
            user: user.id,
            seq,
            to: Caller {
                hub: self.hub,
                connection: key,
                generation: connection.generation,
                number: connection.number,
            },
        };
        if let Some(elsewhere) = &self.shared.elsewhere
            && self.shared.links.was_away()
            && self.shared.links.find(id).is_some()
        {
            elsewhere.check(wanted, wait_at(&mut self.searches, key));
            return;
        }
        if self.resume_on_this_node(wanted) {
            return;
        }
        match &self.shared.elsewhere {
            Some(elsewhere) => elsewhere.fetch(wanted, wait_at(&mut self.searches, key)),
            None => self.resume_parked(key, id, user.id, seq),
        }
    }

    /// Whether a worker of this node has the session, which then goes on or is refused.
    fn resume_on_this_node(&mut self, wanted: WantedSession) -> bool {
        let (id, key) = (wanted.session, wanted.to.connection);
        let Some(hub) = self.shared.links.find(id) else {
            return false;
        };
        if hub == self.hub && self.by_id.contains_key(&id) {
            self.resume_here(key, id, wanted.user, wanted.seq);
            return true;
        }
        // Also to this one: the session is in its mailbox then.
        if !self.shared.links.post(hub, HubMail::Yield(wanted)) {
            self.refuse_session(key, Refusal::Stopping);
        }
        true
    }

    /// A session that this node did not have was looked for on the others.
    pub(super) fn fetched(
        &mut self,
        wanted: WantedSession,
        parts: Result<Box<SessionParts>, NotYielded>,
    ) {
        if self.waits(wanted.to) {
            self.searches.remove(&wanted.to.connection);
        }
        if !matches!(parts, Err(NotYielded::Here)) {
            self.adopt(wanted, None, parts);
        } else if self.waits(wanted.to) && !self.resume_on_this_node(wanted) {
            self.refuse_session(wanted.to.connection, Refusal::Unknown);
        }
    }

    pub(super) fn resume_here(&mut self, key: usize, id: SessionId, user: UserId, seq: u64) {
        if self.is_overtaken(self.connections[key].number, id) {
            self.close(key, CloseCode::UnknownError);
            return;
        }
        let session = match self.rewound(id, user, seq) {
            Ok(session) => session,
            Err(why) => {
                self.refuse_session(key, why);
                return;
            }
        };
        self.drop_old_connection(session);
        self.go_on(key, session);
    }

    /// Whether a session goes on over a connection that is later than this one: what was sent over two
    /// connections may come in either order.
    pub(super) fn is_overtaken(&self, number: u64, id: SessionId) -> bool {
        let session = self.by_id.get(&id).map(|key| &self.sessions[*key]);
        let current = session.and_then(Session::connection);
        let current = current.and_then(|key| self.connections.get(key));
        current.is_some_and(|current| !current.dead && current.number > number)
    }

    /// The session may be from before a restart.
    fn resume_parked(&mut self, key: usize, id: SessionId, user: UserId, seq: u64) {
        let window_ms = self.shared.settings.resume_window.as_millis() as u64;
        let parked = &self.shared.links.parked;
        let claimed = match parked.claim(id, user, seq, clock::unix_ms(), window_ms) {
            Ok(claimed) => claimed,
            Err(why) => {
                self.refuse_session(key, why);
                return;
            }
        };
        let scope = self.scope_of(key);
        let session = self.move_in(claimed.parts, None, scope);
        self.go_on_after(key, session, seq);
    }

    /// A session that can be resumed after `seq`, rewound; one that cannot is ended.
    pub(super) fn rewound(
        &mut self,
        id: SessionId,
        user: UserId,
        seq: u64,
    ) -> Result<usize, Refusal> {
        let key = *self.by_id.get(&id).ok_or(Refusal::Unknown)?;
        let session = &mut self.sessions[key];
        if session.user.id != user {
            return Err(Refusal::Unknown);
        }
        if !session.outbox.rewind(seq) {
            self.drop_old_connection(key);
            self.end_session(key);
            return Err(Refusal::NotKept);
        }
        Ok(key)
    }

    /// The session's former connection, if it is still there, is closed: the client has a new one.
    pub(super) fn drop_old_connection(&mut self, session: usize) {
        if let Some(old) = self.sessions[session].connection() {
            if let Some(connection) = self.connections.get_mut(old) {
                connection.session = None;
            }
            self.close(old, CloseCode::UnknownError);
        }
    }

    /// As [`Self::go_on`], for a session that was just moved in and may not reach `seq`.
    pub(super) fn go_on_after(&mut self, connection: usize, session: usize, seq: u64) {
        if self.sessions[session].outbox.rewind(seq) {
            self.go_on(connection, session);
        } else {
            self.end_session(session);
            self.refuse_session(connection, Refusal::NotKept);
        }
    }

    /// Replays what the client missed, then tells it so.
    fn go_on(&mut self, connection: usize, session: usize) {
        if !self.takes_scope(connection, session) {
            // Its replay may tell of guilds that this token is not good for.
            self.end_session(session);
            self.refuse_session(connection, Refusal::OtherGuilds);
            return;
        }
        #[cfg(any(test, feature = "fault-points"))]
        leave_out_of_replay(&mut self.sessions[session]);
        let now_ms = self.now_ms();
        self.sessions[session].link = Link::Connected(connection);
        let owed = &mut self.sessions[session];
        owed.resuming = Some(Resuming {
            since_ms: now_ms,
            has_resumed: owed.outbox.owes(&greetings::resumed()),
        });
        self.activate(connection, session);
        self.flush(connection);
        self.tell_resumed(session);
    }

    /// RESUMED, once every guild has said what the session missed on its way here.
    pub(super) fn tell_resumed(&mut self, key: usize) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        let Some(resuming) = session.resuming.filter(|_| !session.awaits_guilds()) else {
            return;
        };
        session.resuming = None;
        self.shared.counters.resumes.of(ResumeOutcome::Whole).inc();
        // A client gets it once, also where what an earlier connection was to get is replayed: it has its number already, and what
        // came since then is as good after it as before.
        if !resuming.has_resumed {
            self.deliver_passing(key, greetings::resumed());
            self.settle();
        }
    }

    /// Op 9: the client starts anew, on the same connection if it likes.
    pub(super) fn refuse_session(&mut self, key: usize, why: Refusal) {
        let now_ms = self.now_ms();
        if let Some(connection) = self.connections.get(key) {
            tracing::debug!(connection = connection.number, %why, "a session is refused");
        }
        self.shared
            .counters
            .resumes
            .of(ResumeOutcome::Refused)
            .inc();
        if let Some(connection) = self.connections.get_mut(key) {
            connection.session = None;
            connection.core.on_invalid_session(now_ms);
        }
        self.send_control(key, greetings::INVALID_SESSION);
        self.watch(key);
    }

    /// Asks guilds that a session's user joined while no worker had the session to tell.
    pub(super) fn ask_unknown_guilds(&mut self, key: usize) {
        let session = &self.sessions[key];
        let (user, (shard, shards)) = (session.user.id, session.shard);
        let mut guilds = self.shared.directory.guilds_of(user);
        guilds.retain(|guild| guild.shard(shards) == shard);
        guilds.extend(self.direct_guilds_of(user, shard));
        for guild in guilds {
            let session = &mut self.sessions[key];
            if session.allows(guild) && session.membership(guild).is_none() {
                self.ask_guild(key, guild, true);
            }
        }
    }
}

/// A session is looked for that this connection is to go on with: tells for how long it waits.
fn wait_at(searches: &mut HashMap<usize, Waits>, connection: usize) -> Waiting {
    let (waits, waiting) = Waits::new();
    searches.insert(connection, waits);
    waiting
}

/// Leaves two events out of what will be replayed, if a fault wants it.
#[cfg(any(test, feature = "fault-points"))]
fn leave_out_of_replay(session: &mut Session) {
    let strikes = |guild| faults::strikes(faults::Point::PartialReplay, guild);
    let mut guilds = session.guilds.iter().map(|membership| membership.guild);
    if session.outbox.pending() > 2 && guilds.any(strikes) {
        session.outbox.send_next();
        session.outbox.send_next();
    }
}
