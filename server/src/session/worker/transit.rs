//! Sessions that go from one worker to another, where their client has connected.

use std::sync::Arc;

use smallvec::SmallVec;

use super::Worker;
use super::identify::attach_of;
use crate::fanout::HubId;
use crate::fanout::outbox::Outbox;
use crate::guild::actor::GuildMail;
use crate::protocol::{CloseCode, GuildId};
use crate::session::links::{Caller, HubMail, NotYielded, WantedSession};
use crate::session::refusal::Refusal;
use crate::session::state::{Link, Membership, MembershipState, Session, SessionParts};

impl Worker {
    /// A connection that may be another worker's wants a session: hands it over. Where the session has gone
    /// on to another worker, the question follows it.
    pub(super) fn yield_session(&mut self, wanted: WantedSession) {
        let WantedSession {
            session: id, to, ..
        } = wanted;
        if !self.by_id.contains_key(&id) {
            let place = self.shared.links.find(id);
            if let Some(hub) = place.filter(|hub| *hub != self.hub)
                && self.shared.links.post(hub, HubMail::Yield(wanted))
            {
                return;
            }
        }
        if to.hub == self.hub {
            if self.waits(to) {
                self.resume_here(to.connection, id, wanted.user, wanted.seq);
            }
            return;
        }
        let mut name = 0;
        let parts = if self.is_overtaken(to.number, id) {
            Err(NotYielded::Overtaken)
        } else {
            let found = self.rewound(id, wanted.user, wanted.seq);
            found.map_err(NotYielded::Gone).map(|key| {
                self.drop_old_connection(key);
                name = self.sessions[key].name(key);
                Box::new(self.take_apart(key))
            })
        };
        let goes = parts.is_ok();
        let links = &self.shared.links;
        let mail = HubMail::Yielded {
            wanted,
            from: self.hub,
            name,
            parts,
        };
        // Where the connection's worker is gone, so is the connection.
        if goes {
            if !links.send(id, to.hub, mail) {
                links.forget(id);
            }
        } else {
            links.post(to.hub, mail);
        }
        self.settle();
    }

    /// Whether a connection of this worker still waits for a session.
    pub(super) fn waits(&self, caller: Caller) -> bool {
        let connection = self.connections.get(caller.connection);
        connection.is_some_and(|waiting| {
            waiting.generation == caller.generation && !waiting.core.is_closing() && !waiting.dead
        })
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

    /// A session came from another worker or node, or cannot come.
    pub(super) fn adopt(
        &mut self,
        wanted: WantedSession,
        from: Option<(HubId, u64)>,
        parts: Result<Box<SessionParts>, NotYielded>,
    ) {
        let connection = wanted.to.connection;
        let waits = self.waits(wanted.to);
        match parts {
            // After the handover a session would be lost at the stop, unseen by its client: rather now.
            Ok(parts) if self.handed_over => {
                self.shared.links.forget(parts.id);
                if waits {
                    self.refuse_session(connection, Refusal::Stopping);
                }
            }
            Ok(parts) => {
                let scope = waits.then(|| self.scope_of(connection)).flatten();
                let key = self.move_in(*parts, from, scope);
                if waits {
                    self.go_on_after(connection, key, wanted.seq);
                } else {
                    // The client is gone already; it may come again.
                    self.detach_link(key);
                }
            }
            Err(NotYielded::Gone(why)) if waits => self.refuse_session(connection, why),
            Err(NotYielded::Overtaken | NotYielded::Unknown) if waits => {
                self.close(connection, CloseCode::UnknownError);
            }
            Err(_) => {}
        }
    }

    /// Settles a session here that comes from another hub, where guilds knew it by a name, or from
    /// before a restart: its guilds are asked for what it misses.
    pub(super) fn move_in(
        &mut self,
        parts: SessionParts,
        from: Option<(HubId, u64)>,
        scope: Option<Arc<Vec<GuildId>>>,
    ) -> usize {
        let now_ms = self.now_ms();
        let generation = self.generation();
        let (id, user_id) = (parts.id, parts.user.id);
        let key = self.settle_in(Session {
            id,
            generation,
            user: parts.user,
            intents: parts.intents,
            scope,
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
}
