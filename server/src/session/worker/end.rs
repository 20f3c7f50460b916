//! Sessions that end.

use super::{Deadline, Worker};
use crate::fanout::HubId;
use crate::guild::actor::GuildMail;
use crate::protocol::{GuildId, UserId};
use crate::session::id::SessionId;
use crate::session::refusal::Refusal;
use crate::session::state::MembershipState;

impl Worker {
    /// Ends a session: it leaves its rooms and cannot be resumed.
    pub(super) fn end_session(&mut self, key: usize) {
        let Some(session) = self.sessions.try_remove(key) else {
            return;
        };
        let name = session.name(key);
        self.trail.ended(session.id);
        if let Some(connection) = session.connection()
            && let Some(connection) = self.connections.get_mut(connection)
        {
            connection.session = None;
        }
        self.forget_keys(key, session.id, session.user.id);
        self.shared.links.forget(session.id);
        for membership in session.guilds {
            if let MembershipState::Present(place) = membership.state
                && let Some(room) = self.rooms.get_mut(&membership.guild)
            {
                room.leave(place);
            }
            self.drop_empty_room(membership.guild);
            self.tell_detached(membership.guild, name, session.user.id);
        }
    }

    /// A session cannot go on: it ends, and its client starts anew on the same connection.
    pub(super) fn invalidate(&mut self, key: usize, why: Refusal) {
        let connection = self
            .sessions
            .get(key)
            .and_then(crate::session::state::Session::connection);
        self.end_session(key);
        if let Some(connection) = connection {
            self.refuse_session(connection, why);
        }
    }

    pub(super) fn forget_keys(&mut self, key: usize, id: SessionId, user: UserId) {
        self.by_id.remove(&id);
        if let Some(keys) = self.by_user.get_mut(&user) {
            keys.retain(|other| *other != key);
            if keys.is_empty() {
                self.by_user.remove(&user);
            }
        }
    }

    /// A room has let a session go.
    pub(super) fn left_guild(&mut self, key: usize, guild: GuildId) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        session
            .guilds
            .retain(|membership| membership.guild != guild);
        self.after.dropped += session.outbox.drop_late(|subject| subject.guild == guild);
        self.trail.left(session.trail, guild, false);
        let (name, user) = (session.name(key), session.user.id);
        self.drop_empty_room(guild);
        self.tell_detached(guild, name, user);
    }

    pub(super) fn tell_detached(&self, guild: GuildId, session: u64, user: UserId) {
        self.tell_detached_from(self.hub, guild, session, user);
    }

    /// As [`Self::tell_detached`], for a session that was on this or another hub.
    pub(super) fn tell_detached_from(
        &self,
        hub: HubId,
        guild: GuildId,
        session: u64,
        user: UserId,
    ) {
        let mail = GuildMail::Detach { hub, session, user };
        // Where the guild's node is gone there is nothing to detach from.
        let _ = self.shared.router.post(guild, mail);
    }

    pub(super) fn drop_empty_room(&mut self, guild: GuildId) {
        if self
            .rooms
            .get(&guild)
            .is_some_and(crate::fanout::Room::is_empty)
        {
            self.rooms.remove(&guild);
        }
    }

    /// Looks at a connection again when its next deadline comes.
    pub(super) fn watch(&mut self, key: usize) {
        let Some(connection) = self.connections.get(key) else {
            return;
        };
        let deadline = connection.core.deadline_ms(&self.shared.settings.patience);
        let generation = connection.generation;
        self.wheel.insert(
            Deadline::Connection { key, generation },
            deadline / 1_000 + 1,
        );
    }
}
