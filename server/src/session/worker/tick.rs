//! What time brings, once a second.

use super::{Deadline, Worker};
use crate::clock;
use crate::counters::{Close, SessionState};
use crate::session::core::Overdue;
use crate::session::refusal::Refusal;
use crate::session::state::{Link, MembershipState, Resuming};

use super::identify::attach_of;

/// A guild that has not answered for this long is asked again.
const ASK_AGAIN_MS: u64 = 5_000;
/// A client that has waited for RESUMED for this long starts anew.
const LONGEST_RESUME_MS: u64 = 30_000;

impl Worker {
    /// Deadlines, questions without an answer, figures.
    pub fn tick(&mut self) {
        let now_ms = self.now_ms();
        let mut due = Vec::new();
        self.wheel.advance(now_ms / 1_000, &mut due);
        for deadline in due {
            match deadline {
                Deadline::Connection { key, generation } => {
                    self.look_at_connection(key, generation, now_ms);
                }
                Deadline::Session { key, generation } => {
                    self.look_at_session(key, generation, now_ms);
                }
            }
        }
        self.turn_out_revoked();
        self.ask_again(now_ms);
        self.say_goodbyes(now_ms);
        self.send_away_turned_away();
        self.rejoin_again(now_ms);
        self.settle();
        // The timer does this, unless it was lost to a panic.
        self.hand_out_due();
        self.flush_held();
        self.keep_trail();
        let window_ms = self.shared.settings.resume_window.as_millis() as u64;
        self.shared.links.parked.sweep(clock::unix_ms(), window_ms);
        self.count_sessions();
        self.counters.flush_into(&self.shared.counters);
    }

    fn look_at_connection(&mut self, key: usize, generation: u32, now_ms: u64) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.generation != generation || connection.dead {
            return;
        }
        let timeout_ms = self.shared.settings.write_timeout.as_millis() as u64;
        let stuck = connection
            .blocked_since_ms
            .is_some_and(|since| now_ms.saturating_sub(since) >= timeout_ms);
        if stuck {
            connection.kill();
            self.shared.counters.closed(Close::lost());
            return;
        }
        if self.is_over(key) {
            self.turn_out(key);
            return;
        }
        let end = self.connections[key].grant.as_deref();
        let end = end.and_then(|grant| self.end_ms(grant));
        let connection = &mut self.connections[key];
        match connection
            .core
            .on_time(now_ms, &self.shared.settings.patience)
        {
            Overdue::Nothing => {
                let mut next = connection.core.deadline_ms(&self.shared.settings.patience);
                if let Some(since) = connection.blocked_since_ms {
                    next = next.min(since + timeout_ms);
                }
                // Often enough for sockets that stop to take anything.
                next = next.min(now_ms + timeout_ms / 2);
                next = end.map_or(next, |end| next.min(end));
                self.wheel
                    .insert(Deadline::Connection { key, generation }, next / 1_000 + 1);
            }
            Overdue::Close(code) => self.close(key, code),
            Overdue::Drop => connection.kill(),
        }
    }

    fn look_at_session(&mut self, key: usize, generation: u32, now_ms: u64) {
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        if session.generation != generation {
            return;
        }
        let Link::Detached(since) = session.link else {
            return;
        };
        let end = since + self.shared.settings.resume_window.as_millis() as u64;
        if now_ms >= end {
            self.end_session(key);
        } else {
            self.wheel
                .insert(Deadline::Session { key, generation }, end / 1_000 + 1);
        }
    }

    fn count_sessions(&mut self) {
        let greeted = self
            .connections
            .iter()
            .filter(|(_, it)| it.session.is_none())
            .count();
        let detached = self
            .sessions
            .iter()
            .filter(|(_, it)| it.connection().is_none())
            .count();
        let now = [
            (SessionState::Connected, greeted),
            (SessionState::Active, self.sessions.len() - detached),
            (SessionState::Detached, detached),
        ];
        for (before, (state, count)) in self.census.iter_mut().zip(now) {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            let change = count - *before;
            *before = count;
            self.shared.counters.sessions.of(state).inc_by(change);
        }
    }

    /// Asks guilds again that have not answered.
    fn ask_again(&mut self, now_ms: u64) {
        let mut waiting = std::mem::take(&mut self.waiting);
        let mut given_up = Vec::new();
        waiting.retain(|(key, generation)| {
            let Some(session) = self.sessions.get_mut(*key) else {
                return false;
            };
            if session.generation != *generation {
                return false;
            }
            let too_late =
                |resuming: Resuming| now_ms.saturating_sub(resuming.since_ms) >= LONGEST_RESUME_MS;
            if session.resuming.is_some_and(too_late) {
                given_up.push(*key);
                return false;
            }
            let mut still = false;
            let mut overdue = Vec::new();
            for membership in &mut session.guilds {
                let (MembershipState::Asked { at_ms, .. }
                | MembershipState::Returning { at_ms, .. }) = &mut membership.state
                else {
                    continue;
                };
                still = true;
                if now_ms.saturating_sub(*at_ms) < ASK_AGAIN_MS {
                    continue;
                }
                *at_ms = now_ms;
                overdue.push(membership.guild);
            }
            for guild in overdue {
                let attach = attach_of(self.hub, *key, session);
                let membership = session.membership(guild);
                if let Some(mail) = membership.and_then(|it| it.state.question(attach)) {
                    self.shared.post(guild, mail);
                }
            }
            session.waits = still;
            still
        });
        waiting.append(&mut self.waiting);
        self.waiting = waiting;
        for key in given_up {
            self.invalidate(key, Refusal::NotTold);
        }
    }
}
