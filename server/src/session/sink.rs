//! Takes what rooms hand out and puts it into the sessions' outboxes.

use std::sync::Arc;

use slab::Slab;

use super::state::Session;
use super::trail::Trail;
use crate::fanout::frame::Run;
use crate::fanout::late::Dropped;
use crate::fanout::outbox::{OutboxBounds, Pushed};
use crate::fanout::{Deliver, Frame, SessionKey, Visibility};
use crate::protocol::objects::Member;
use crate::protocol::{GuildId, Position};

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
    /// Ephemeral events that sessions were not sent.
    pub dropped: Dropped,
}

/// Delivers what is of one guild to the sessions of one worker.
pub struct Sink<'a> {
    /// The guild.
    pub guild: GuildId,
    /// The sessions.
    pub sessions: &'a mut Slab<Session>,
    /// How much each may hold.
    pub bounds: &'a OutboxBounds,
    /// What is left to be done.
    pub after: &'a mut Aftermath,
    /// Where it is noted who was handed what.
    pub trail: &'a mut Trail,
}

impl Aftermath {
    /// Puts an event into a session's outbox.
    pub fn push(
        &mut self,
        key: SessionKey,
        session: &mut Session,
        frame: Frame,
        bounds: &OutboxBounds,
    ) {
        self.delivered += 1;
        let pushed = session.outbox.push(frame, bounds);
        self.pushed(key, session, pushed);
    }

    /// Puts the events of a run into a session's outbox.
    fn push_run(
        &mut self,
        key: SessionKey,
        session: &mut Session,
        run: &Run,
        bounds: &OutboxBounds,
    ) {
        self.delivered += run.events().len() as u64;
        let pushed = session.outbox.push_run(run, bounds);
        self.pushed(key, session, pushed);
    }

    fn pushed(&mut self, key: SessionKey, session: &mut Session, pushed: Pushed) {
        match pushed {
            Pushed::Pending => {}
            Pushed::TooSlow => {
                if session.connection().is_some() && self.slow.last() != Some(&key) {
                    self.slow.push(key);
                }
            }
            Pushed::Broken => self.broken.push(key),
        }
        if !session.dirty {
            session.dirty = true;
            self.dirty.push(key);
        }
    }
}

impl Deliver for Sink<'_> {
    fn deliver(&mut self, key: SessionKey, frame: &Frame, position: Option<Position>) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        if let Some(subject) = frame.subject()
            && session.outbox.puts_off(self.bounds)
        {
            self.after.dropped += session.outbox.put_off(subject, frame.clone());
            return;
        }
        self.trail.delivered(session.trail, self.guild, position);
        self.after
            .push(key, session, Frame::clone(frame), self.bounds);
    }

    fn deliver_run(&mut self, key: SessionKey, run: &Run, first: Position) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        let positions = first..first + run.events().len() as Position;
        self.trail
            .delivered_run(session.trail, self.guild, positions);
        self.after.push_run(key, session, run, self.bounds);
    }

    fn removed(&mut self, key: SessionKey, guild: GuildId) {
        self.after.removed.push((key, guild));
    }

    fn table_changed(&mut self, position: Position, table: &Arc<Visibility>) {
        self.trail.table(position, table);
    }

    fn member_changed(&mut self, key: SessionKey, position: Position, member: &Arc<Member>) {
        if let Some(session) = self.sessions.get(key) {
            self.trail
                .member(session.trail, self.guild, position, member);
        }
    }
}
