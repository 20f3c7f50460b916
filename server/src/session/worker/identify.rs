//! Identify: a new session, READY, and the guilds it attaches to.

use std::sync::Arc;

use smallvec::SmallVec;

use super::Worker;
use crate::clock;
use crate::fanout::Frame;
use crate::fanout::outbox::Outbox;
use crate::guild::actor::GuildMail;
use crate::guild::core::Attach;
use crate::protocol::limits::MAX_GUILDS_PER_SHARD;
use crate::protocol::objects::User;
use crate::protocol::{CloseCode, GuildId, Intents, UserId};
use crate::session::greetings::Ready;
use crate::session::id::SessionId;
use crate::session::payload::Identify;
use crate::session::refusal::Refusal;
use crate::session::state::{Link, Membership, MembershipState, Session};

impl Worker {
    pub(super) fn identify(&mut self, key: usize, identify: Identify) {
        if self.shared.links.is_draining() {
            self.turn_away(key);
            return;
        }
        let Some(user) = self.authenticate(key, &identify.token) else {
            return;
        };
        if !self.shared.starts.take(user.id.get(), clock::uptime()) {
            self.shared.counters.identifies_limited.inc();
            // Its client waits before it tries again, which it would not after a close.
            self.refuse_session(key, Refusal::TooManyStarts);
            return;
        }
        let scope = self.scope_of(key);
        let intents = match identify.intents {
            Some(intents) => intents,
            None if user.bot => {
                self.close(key, CloseCode::InvalidIntents);
                return;
            }
            // Users' clients name none and get everything.
            None => Intents::from_bits(u64::MAX),
        };
        let (shard, shards) = identify.shard;
        let mut guilds = self.shared.directory.guilds_of(user.id);
        let allowed = scope.as_deref();
        guilds.retain(|guild| {
            guild.shard(shards) == shard && allowed.is_none_or(|allowed| allowed.contains(guild))
        });
        if guilds.len() > MAX_GUILDS_PER_SHARD {
            self.close(key, CloseCode::ShardingRequired);
            return;
        }
        let mut direct = self.direct_guilds_of(user.id, shard);
        // They are in no guild that a token could name.
        direct.retain(|_| scope.is_none());
        let session = self.start_session(key, user, intents, identify);
        let at_ms = self.now_ms();
        let asked = guilds.iter().chain(&direct).map(|guild| Membership {
            guild: *guild,
            state: MembershipState::Asked {
                at_ms,
                joined: false,
            },
        });
        self.sessions[session].guilds = asked.collect();
        self.note_session(session);
        self.shared.counters.identifies.inc();
        let ready = Ready {
            user: Arc::clone(&self.sessions[session].user),
            session: self.sessions[session].id,
            guilds: guilds.as_slice().into(),
            url: self.resume_url(),
            shard: (shard, shards),
        };
        self.deliver(session, Frame::made(ready));
        self.settle();
        for guild in guilds.into_iter().chain(direct) {
            self.ask_guild(session, guild, false);
        }
    }

    fn resume_url(&self) -> Arc<str> {
        let url = self.shared.links.resume_url();
        url.unwrap_or_else(|| Arc::clone(&self.shared.settings.url))
    }

    /// The guilds that direct message channels are inside; shard 0 has them.
    pub(super) fn direct_guilds_of(&self, user: UserId, shard: u32) -> Vec<GuildId> {
        if shard != 0 {
            return Vec::new();
        }
        let channels = self.shared.directory.direct_channels_of(user);
        channels
            .into_iter()
            .map(|channel| GuildId::new(channel.get()))
            .collect()
    }

    fn start_session(
        &mut self,
        connection: usize,
        user: Arc<User>,
        intents: Intents,
        identify: Identify,
    ) -> usize {
        let id = SessionId::random();
        let generation = self.generation();
        let scope = self.scope_of(connection);
        let key = self.settle_in(Session {
            id,
            generation,
            user,
            intents,
            scope,
            shard: identify.shard,
            large_threshold: identify.large_threshold,
            presence: identify.presence,
            outbox: Outbox::default(),
            link: Link::Connected(connection),
            guilds: SmallVec::new(),
            resuming: None,
            trail: 0,
            dirty: false,
            waits: false,
        });
        self.activate(connection, key);
        key
    }

    /// A session is this worker's from now on, under the key that is answered.
    pub(super) fn settle_in(&mut self, session: Session) -> usize {
        let (id, user) = (session.id, session.user.id);
        let key = self.sessions.insert(session);
        self.by_id.insert(id, key);
        self.by_user.entry(user).or_default().push(key);
        self.shared.links.place(id, self.hub);
        key
    }

    /// The connection serves the session from now on.
    pub(super) fn activate(&mut self, connection: usize, session: usize) {
        let now_ms = self.now_ms();
        if let Some(connection) = self.connections.get_mut(connection) {
            connection.session = Some(session);
            connection.core.on_active(now_ms);
        }
    }

    /// Asks a guild to take a session.
    pub(super) fn ask_guild(&mut self, key: usize, guild: GuildId, joined: bool) {
        let at_ms = self.now_ms();
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        let state = MembershipState::Asked { at_ms, joined };
        match session.membership(guild) {
            Some(membership) => membership.state = state,
            None => session.guilds.push(Membership { guild, state }),
        }
        let attach = attach_of(self.hub, key, session);
        if !std::mem::replace(&mut session.waits, true) {
            self.waiting.push((key, session.generation));
        }
        self.shared.post(guild, GuildMail::Attach(attach));
    }
}

/// What a guild is told of a session.
pub(super) fn attach_of(hub: crate::fanout::HubId, key: usize, session: &Session) -> Attach {
    Attach {
        hub,
        session: session.name(key),
        user: session.user.id,
        intents: session.intents,
        large_threshold: session.large_threshold,
        presence: Some(session.presence.clone()),
    }
}
