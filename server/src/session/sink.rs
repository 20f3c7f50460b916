//! Takes what rooms hand out and puts it into the sessions' outboxes.

use slab::Slab;

use super::state::Session;
use crate::fanout::outbox::{Frame, OutboxBounds, Pushed};
use crate::fanout::{Deliver, SessionKey};
use crate::protocol::GuildId;

/// What a round of deliveries leaves to be done.
#[derive(Debug, Default)]
pub struct Aftermath {
    /// Sessions with something to flush.
    pub dirty: Vec<SessionKey>,
    /// Sessions whose connection reads too slowly.
    pub slow: Vec<SessionKey>,
    /// Sessions that lost an event and cannot go on.
    pub broken: Vec<SessionKey>,
    /// Sessions that are no longer in a guild.
    pub removed: Vec<(SessionKey, GuildId)>,
    /// Events delivered.
    pub delivered: u64,
}

/// Delivers to the sessions of one worker.
pub struct Sink<'a> {
    /// The sessions.
    pub sessions: &'a mut Slab<Session>,
    /// How much each may hold.
    pub bounds: &'a OutboxBounds,
    /// What is left to be done.
    pub after: &'a mut Aftermath,
}

impl Deliver for Sink<'_> {
    fn deliver(&mut self, key: SessionKey, frame: &Frame) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        self.after.delivered += 1;
        match session.outbox.push(Frame::clone(frame), self.bounds) {
            Pushed::Pending => {}
            Pushed::TooSlow => {
                if session.connection().is_some() && self.after.slow.last() != Some(&key) {
                    self.after.slow.push(key);
                }
            }
            Pushed::Broken => self.after.broken.push(key),
        }
        if !session.dirty {
            session.dirty = true;
            self.after.dirty.push(key);
        }
    }

    fn removed(&mut self, key: SessionKey, guild: GuildId) {
        self.after.removed.push((key, guild));
    }
}
