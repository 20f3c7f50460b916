//! A guild that was lost: its mail did not fit, or it was loaded anew. Its sessions notice a pause.

use std::sync::Arc;

use super::Worker;
use super::identify::attach_of;
use crate::fanout::{Item, guild_create};
use crate::guild::actor::GuildMail;
use crate::protocol::{EventName, GuildId};
use crate::session::refusal::Refusal;
use crate::session::state::MembershipState;

/// A guild that has not taken the hub back for this long is asked again.
const REJOIN_AGAIN_MS: u64 = 2_000;

impl Worker {
    /// Joins a guild again that sends this hub nothing more.
    ///
    /// Items that come before it has answered are part of its answer, and are passed over.
    pub(super) fn lost(&mut self, guild: GuildId) {
        self.ask_guild_again(guild);
        let now_ms = self.now_ms();
        let Some(room) = self.rooms.get_mut(&guild) else {
            return;
        };
        room.forget_waiting();
        let sessions = room
            .sessions()
            .filter_map(|key| Some(attach_of(self.hub, key, self.sessions.get(key)?)))
            .collect();
        let mail = GuildMail::Rejoin {
            hub: self.hub,
            since: room.position(),
            sessions,
        };
        self.rejoining.insert(guild, now_ms);
        self.shared.post(guild, mail);
    }

    /// The hub panicked over some mail: every guild is joined again, as if its mail were lost.
    pub fn after_panic(&mut self) {
        self.shared.counters.hub_restarts.inc();
        self.forget_gathered();
        let guilds: Vec<GuildId> = self.rooms.keys().copied().collect();
        for guild in guilds {
            self.lost(guild);
        }
        self.settle();
    }

    /// The guild has taken the hub back.
    pub(super) fn rejoined(&mut self, guild: GuildId, missed: Option<Arc<[Item]>>) {
        if self.rejoining.remove(&guild).is_none() {
            return;
        }
        if let Some(missed) = missed {
            self.on_items(guild, &missed);
        } else {
            self.give_up_room(guild);
        }
    }

    /// What a guild's sessions missed cannot be had: they start anew.
    fn give_up_room(&mut self, guild: GuildId) {
        let Some(room) = self.rooms.get(&guild) else {
            return;
        };
        let sessions: Vec<usize> = room.sessions().collect();
        for key in sessions {
            self.invalidate(key, Refusal::Gap);
        }
    }

    /// Asks the guilds again that have not taken the hub back.
    pub(super) fn rejoin_again(&mut self, now_ms: u64) {
        let late = |at_ms: u64| now_ms.saturating_sub(at_ms) >= REJOIN_AGAIN_MS;
        let due: Vec<GuildId> = self
            .rejoining
            .iter()
            .filter(|(_, at_ms)| late(**at_ms))
            .map(|(guild, _)| *guild)
            .collect();
        for guild in due {
            self.rejoining.remove(&guild);
            self.lost(guild);
        }
    }

    /// The guild does not serve for now: its sessions are told, and attach once it does.
    pub(super) fn unavailable(&mut self, guild: GuildId) {
        self.rejoining.remove(&guild);
        let Some(room) = self.rooms.remove(&guild) else {
            return;
        };
        let now_ms = self.now_ms();
        let sessions: Vec<usize> = room.sessions().collect();
        for key in sessions {
            let Some(session) = self.sessions.get_mut(key) else {
                continue;
            };
            let waits = (key, session.generation);
            let tells = session
                .intents
                .contains(EventName::GuildDelete.guild_intent());
            self.after.dropped += session.outbox.drop_late(|subject| subject.guild == guild);
            self.trail.left(session.trail, guild, true);
            if let Some(membership) = session.membership(guild) {
                membership.state = MembershipState::Asked {
                    at_ms: now_ms,
                    joined: false,
                };
            }
            if !std::mem::replace(&mut session.waits, true) {
                self.waiting.push(waits);
            }
            if tells {
                self.deliver(key, guild_create::guild_delete(guild, true));
            }
        }
    }

    /// Repeats the questions that a guild will not answer any more.
    fn ask_guild_again(&mut self, guild: GuildId) {
        let waiting = self.waiting.clone();
        for (key, generation) in waiting {
            let Some(session) = self.sessions.get_mut(key) else {
                continue;
            };
            if session.generation != generation {
                continue;
            }
            let attach = attach_of(self.hub, key, session);
            let membership = session.membership(guild);
            if let Some(mail) = membership.and_then(|it| it.state.question(attach)) {
                self.shared.post(guild, mail);
            }
        }
    }
}
