//! Resume: a session goes on over a new connection: on this worker, from another, or from before a
//! restart.
//!
//! *Invariant I10*: what the client missed is replayed whole, or the session is refused by op 9.
//! RESUMED comes once nothing is owed any more.

use smallvec::SmallVec;

use super::Worker;
use super::identify::attach_of;
use crate::clock;
use crate::counters::ResumeOutcome;
use crate::fanout::HubId;
use crate::fanout::outbox::Outbox;
use crate::guild::actor::GuildMail;
use crate::protocol::{CloseCode, UserId};
use crate::session::greetings;
use crate::session::id::SessionId;
use crate::session::links::{Caller, HubMail};
use crate::session::payload::Resume;
use crate::session::state::{Link, Membership, MembershipState, Session, SessionParts};
#[cfg(any(test, feature = "fault-points"))]
use crate::supervision::faults;

impl Worker {
    pub(super) fn resume(&mut self, key: usize, resume: &Resume) {
        let Some(user) = self.authenticate(&resume.token) else {
            self.close(key, CloseCode::AuthenticationFailed);
            return;
        };
        let seq = resume.seq.unwrap_or(0);
        let found = resume.session_id.parse::<SessionId>().ok();
        if self.shared.links.is_draining() {
            // The connection is closed in a moment; the session waits for the next start.
            return;
        }
        let place = found.and_then(|id| self.shared.links.find(id).map(|hub| (id, hub)));
        let Some((id, hub)) = place else {
            self.resume_parked(key, found, user.id, seq);
            return;
        };
        if hub == self.hub {
            self.resume_here(key, id, user.id, seq);
        } else {
            let generation = self.connections[key].generation;
            let to = Caller {
                hub: self.hub,
                connection: key,
                generation,
            };
            let mail = HubMail::Yield {
                session: id,
                user: user.id,
                seq,
                to,
            };
            if !self.shared.links.post(hub, mail) {
                self.refuse_session(key);
            }
        }
    }

    fn resume_here(&mut self, key: usize, id: SessionId, user: UserId, seq: u64) {
        let Some(session) = self.rewound(id, user, seq) else {
            self.refuse_session(key);
            return;
        };
        self.drop_old_connection(session);
        self.go_on(key, session);
    }

    /// The session may be from before a restart.
    fn resume_parked(&mut self, key: usize, id: Option<SessionId>, user: UserId, seq: u64) {
        let window_ms = self.shared.settings.resume_window.as_millis() as u64;
        let parked = &self.shared.links.parked;
        let parts = id.and_then(|id| parked.claim(id, user, seq, clock::unix_ms(), window_ms));
        let Some(parts) = parts else {
            self.refuse_session(key);
            return;
        };
        let session = self.move_in(parts, None);
        self.go_on_after(key, session, seq);
    }

    /// A session that can be resumed after `seq`, rewound; one that cannot is ended.
    fn rewound(&mut self, id: SessionId, user: UserId, seq: u64) -> Option<usize> {
        let key = *self.by_id.get(&id)?;
        let session = &mut self.sessions[key];
        if session.user.id != user {
            return None;
        }
        if !session.outbox.rewind(seq) {
            self.drop_old_connection(key);
            self.end_session(key);
            return None;
        }
        Some(key)
    }

    /// The session's former connection, if it is still there, is closed: the client has a new one.
    fn drop_old_connection(&mut self, session: usize) {
        if let Some(old) = self.sessions[session].connection() {
            if let Some(connection) = self.connections.get_mut(old) {
                connection.session = None;
            }
            self.close(old, CloseCode::UnknownError);
        }
    }

    /// As [`Self::go_on`], for a session that was just moved in and may not reach `seq`.
    fn go_on_after(&mut self, connection: usize, session: usize, seq: u64) {
        if self.sessions[session].outbox.rewind(seq) {
            self.go_on(connection, session);
        } else {
            self.end_session(session);
            self.refuse_session(connection);
        }
    }

    /// Replays what the client missed, then tells it so.
    fn go_on(&mut self, connection: usize, session: usize) {
        #[cfg(any(test, feature = "fault-points"))]
        leave_out_of_replay(&mut self.sessions[session]);
        let now_ms = self.now_ms();
        self.sessions[session].link = Link::Connected(connection);
        self.sessions[session].resuming = Some(now_ms);
        self.activate(connection, session);
        self.flush(connection);
        self.tell_resumed(session);
    }

    /// RESUMED, once every guild has said what the session missed on its way here.
    pub(super) fn tell_resumed(&mut self, key: usize) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        if session.resuming.is_none() || session.awaits_guilds() {
            return;
        }
        session.resuming = None;
        self.shared.counters.resumes.of(ResumeOutcome::Whole).inc();
        self.deliver_passing(key, greetings::resumed());
        self.settle();
    }

    /// Op 9: the client starts anew, on the same connection if it likes.
    pub(super) fn refuse_session(&mut self, key: usize) {
        let now_ms = self.now_ms();
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

    /// Another worker has the client: hand the session over.
    pub(super) fn yield_session(&mut self, id: SessionId, user: UserId, seq: u64, to: Caller) {
        let mut name = 0;
        let parts = self.rewound(id, user, seq).map(|key| {
            self.drop_old_connection(key);
            name = self.sessions[key].name(key);
            Box::new(self.take_apart(key))
        });
        let mail = HubMail::Yielded {
            connection: to.connection,
            generation: to.generation,
            from: self.hub,
            name,
            parts,
            seq,
        };
        self.shared.links.post(to.hub, mail);
        self.settle();
    }

    pub(super) fn take_apart(&mut self, key: usize) -> SessionParts {
        let session = self.sessions.remove(key);
        self.trail.moved(session.trail);
        self.forget_keys(key, session.id, session.user.id);
        let mut parts = SessionParts {
            id: session.id,
            user: session.user,
            intents: session.intents,
            shard: session.shard,
            large_threshold: session.large_threshold,
            presence: session.presence,
            outbox: session.outbox.into_parts(),
            present: Vec::new(),
            asked: Vec::new(),
        };
        for membership in session.guilds {
            match membership.state {
                MembershipState::Asked { joined, .. } => {
                    parts.asked.push((membership.guild, joined));
                }
                MembershipState::Returning { parts: past, .. } => parts.present.push(*past),
                MembershipState::Present(place) => {
                    if let Some(room) = self.rooms.get_mut(&membership.guild)
                        && let Some(past) = room.take(place)
                    {
                        parts.present.push(past);
                    }
                    self.drop_empty_room(membership.guild);
                }
            }
        }
        parts
    }

    /// A session came from another worker, or cannot come.
    pub(super) fn adopt(
        &mut self,
        (connection, generation): (usize, u32),
        (from, old_name): (HubId, u64),
        parts: Option<Box<SessionParts>>,
        seq: u64,
    ) {
        let waits = self.connections.get(connection).is_some_and(|waiting| {
            waiting.generation == generation && !waiting.core.is_closing() && !waiting.dead
        });
        // After the handover a session would be lost at the stop, unseen by its client: rather now.
        let Some(parts) = parts.filter(|_| !self.handed_over) else {
            if waits {
                self.refuse_session(connection);
            }
            return;
        };
        let key = self.move_in(*parts, Some((from, old_name)));
        if waits {
            self.go_on_after(connection, key, seq);
        } else {
            // The client is gone already; it may come again.
            self.detach_link(key);
        }
    }

    /// Settles a session here that comes from another hub, where guilds knew it by a name, or from
    /// before a restart: its guilds are asked for what it misses.
    fn move_in(&mut self, parts: SessionParts, from: Option<(HubId, u64)>) -> usize {
        let now_ms = self.now_ms();
        let generation = self.generation();
        let (id, user_id) = (parts.id, parts.user.id);
        let key = self.sessions.insert(Session {
            id,
            generation,
            user: parts.user,
            intents: parts.intents,
            shard: parts.shard,
            large_threshold: parts.large_threshold,
            presence: parts.presence,
            outbox: Outbox::from(parts.outbox),
            link: Link::Detached(now_ms),
            guilds: SmallVec::new(),
            resuming: None,
            trail: 0,
            dirty: false,
            waits: false,
        });
        self.by_id.insert(id, key);
        self.by_user.entry(user_id).or_default().push(key);
        self.shared.links.place(id, self.hub);
        for past in parts.present {
            let guild = past.guild;
            let session = &mut self.sessions[key];
            let attach = attach_of(self.hub, key, session);
            let mail = GuildMail::Reattach(attach, past.position);
            let state = MembershipState::Returning {
                at_ms: now_ms,
                parts: Box::new(past),
            };
            session.guilds.push(Membership { guild, state });
            self.shared.post(guild, mail);
            // The former hub's part ends after the new one's begins: the user stays present.
            if let Some((from, old_name)) = from {
                self.tell_detached_from(from, guild, old_name, user_id);
            }
        }
        self.sessions[key].waits = true;
        self.waiting.push((key, generation));
        self.note_session(key);
        for (guild, joined) in parts.asked {
            self.ask_guild(key, guild, joined);
            // The guild may have the former hub's question already.
            if let Some((from, old_name)) = from {
                self.tell_detached_from(from, guild, old_name, user_id);
            }
        }
        self.ask_unknown_guilds(key);
        key
    }

    /// Asks guilds that a session's user joined while no worker had the session to tell.
    fn ask_unknown_guilds(&mut self, key: usize) {
        let session = &self.sessions[key];
        let (user, (shard, shards)) = (session.user.id, session.shard);
        let mut guilds = self.shared.directory.guilds_of(user);
        guilds.retain(|guild| guild.shard(shards) == shard);
        guilds.extend(self.direct_guilds_of(user, shard));
        for guild in guilds {
            if self.sessions[key].membership(guild).is_none() {
                self.ask_guild(key, guild, true);
            }
        }
    }
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
