//! What tokens are good for, and when they are good no more.

use std::sync::Arc;

use super::{Deadline, Worker};
use crate::auth::grant::Grant;
use crate::auth::tokens::strip_prefix;
use crate::clock;
use crate::directory;
use crate::protocol::objects::User;
use crate::protocol::{CloseCode, GuildId, UserId};

impl Worker {
    /// The account that a connection's token is for. The connection has it from now on; one without a good
    /// token is closed.
    pub(super) fn authenticate(&mut self, key: usize, token: &str) -> Option<Arc<User>> {
        let now_s = clock::unix_ms() / 1_000;
        let grant = self.shared.tokens.verify(strip_prefix(token), now_s).ok();
        let grant = grant.filter(|grant| !self.shared.directory.is_revoked(grant));
        let Some(grant) = grant else {
            self.shared.counters.tokens_refused.inc();
            self.close(key, CloseCode::AuthenticationFailed);
            return None;
        };
        let user = self.account(&grant);
        let end = self.end_ms(&grant);
        if let Some(connection) = self.connections.get_mut(key) {
            connection.grant = Some(Box::new(grant));
            if let Some(end) = end {
                let generation = connection.generation;
                let deadline = Deadline::Connection { key, generation };
                self.wheel.insert(deadline, end / 1_000 + 1);
            }
        }
        Some(user)
    }

    fn account(&self, grant: &Grant) -> Arc<User> {
        let id = UserId::new(grant.user_id);
        self.shared.directory.user(id).unwrap_or_else(|| {
            let user = directory::unknown_user(id, grant.bot);
            let put = self.shared.directory.put_user(Arc::clone(&user));
            #[allow(clippy::disallowed_methods)] // one short write per new account
            actix_rt::spawn(async move {
                if let Err(error) = put.await {
                    tracing::warn!(%error, user = %id, "a new account was not kept");
                }
            });
            user
        })
    }

    /// When a token ends, in milliseconds of the worker's clock.
    pub(super) fn end_ms(&self, grant: &Grant) -> Option<u64> {
        let left_ms = (grant.expires_at? * 1_000).saturating_sub(clock::unix_ms());
        Some(self.now_ms() + left_ms)
    }

    /// The guilds that a connection's token is good for.
    pub(super) fn scope_of(&self, connection: usize) -> Option<Arc<Vec<GuildId>>> {
        let connection = self.connections.get(connection)?;
        connection.grant.as_ref()?.guilds.clone()
    }

    /// A session goes on with a connection's token; false where it has guilds that the token is not good for.
    pub(super) fn takes_scope(&mut self, connection: usize, session: usize) -> bool {
        let scope = self.scope_of(connection);
        let session = &mut self.sessions[session];
        session.scope = scope;
        let mut guilds = session.guilds.iter();
        guilds.all(|membership| session.allows(membership.guild))
    }

    /// Whether a connection's token is over by the time of day.
    pub(super) fn is_over(&self, connection: usize) -> bool {
        let grant = self
            .connections
            .get(connection)
            .and_then(|it| it.grant.as_ref());
        grant.is_some_and(|grant| grant.is_over(clock::unix_ms() / 1_000))
    }

    /// Turns out everybody whose token was revoked since the last look.
    pub(super) fn turn_out_revoked(&mut self) {
        let entered = self.shared.directory.revocations_entered();
        if std::mem::replace(&mut self.revocations_seen, entered) == entered {
            return;
        }
        let revoked = |grant: &Grant| self.shared.directory.is_revoked(grant);
        let held = self.connections.iter();
        let keys: Vec<usize> = held
            .filter(|(_, it)| it.grant.as_deref().is_some_and(revoked))
            .map(|(key, _)| key)
            .collect();
        for key in keys {
            self.turn_out(key);
        }
    }

    /// Closes a connection whose token is good no more, and ends its session.
    pub(super) fn turn_out(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        connection.grant = None;
        let session = connection.session;
        self.shared.counters.sessions_turned_out.inc();
        self.close(key, CloseCode::AuthenticationFailed);
        if let Some(session) = session {
            self.end_session(session);
        }
    }
}
