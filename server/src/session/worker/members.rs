//! Op 8: members of a guild.

use super::Worker;
use crate::guild::command::{Caller, Command, MemberQuery, Reply, Request};
use crate::session::members_chunk;
use crate::session::payload::RequestMembers;

impl Worker {
    pub(super) fn request_members(&mut self, connection: usize, request: Box<RequestMembers>) {
        let Some(key) = self.session_of(connection) else {
            return;
        };
        let session = &mut self.sessions[key];
        // A guild that the session is not in gets no answer, as at Discord.
        if session.membership(request.guild_id).is_none() {
            return;
        }
        let generation = session.generation;
        let caller = Caller::User(std::sync::Arc::clone(&session.user));
        let query = MemberQuery {
            query: request.query.clone(),
            user_ids: request.user_ids.clone(),
            limit: request.limit,
            presences: request.presences,
        };
        let command = Command::RequestMembers(Box::new(query));
        let (router, worker) = (self.shared.router.clone(), self.this.clone());
        // Bounded by the connection's limit of payloads and by the guild's mailbox.
        #[allow(clippy::disallowed_methods)] // ends with the answer, in time or not
        actix_rt::spawn(async move {
            let answer = router
                .ask(request.guild_id, Request { caller, command })
                .await;
            let Ok(Reply::Members {
                members,
                not_found,
                presences,
            }) = answer
            else {
                return;
            };
            let Some(worker) = worker.upgrade() else {
                return;
            };
            let mut worker = worker.borrow_mut();
            if worker
                .sessions
                .get(key)
                .is_some_and(|session| session.generation == generation)
            {
                let bodies = members_chunk::bodies(&request, &members, &not_found, &presences);
                worker.deliver_all(key, bodies);
            }
        });
    }
}
