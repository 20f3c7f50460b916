//! Items that wait until connections are written to.
//!
//! All sessions of a busy guild wait for their moments. If each item went into their outboxes as it comes, the memory of all
//! of them would be fetched anew for each one: what is written in between drives it from the caches. So items of such a guild
//! stay mail, with the room in the mailbox that they take, until just before somebody is written to, and then go into the
//! outboxes together, session by session.
//!
//! To everything else they are mail that has not been read yet: whatever other mail comes is dealt with after them.

use std::sync::Arc;
use std::time::Duration;

use super::Worker;
use super::pacing::{GROUPS, next_moment};
use crate::fanout::Item;
use crate::protocol::GuildId;
use crate::session::links::HubMail;
use crate::supervision::mail::Permit;

/// Milliseconds that must lie between two moments for anything to be gathered.
const WORTH_MS: u64 = 4;
/// Most mail that is gathered. It is handed out at once then.
const MOST: usize = 512;

/// What is gathered.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    mail: Vec<GuildItems>,
    /// When the first of it came, on the worker's clock.
    since: Duration,
    /// When it is to be handed out, in milliseconds of that clock.
    due_ms: u64,
}

#[derive(Debug)]
struct GuildItems {
    guild: GuildId,
    items: Arc<[Item]>,
    /// It still counts as waiting mail.
    _permit: Permit,
}

impl Gathered {
    /// When there is something to be handed out, in milliseconds of the worker's clock.
    pub(super) fn due_ms(&self) -> Option<u64> {
        (!self.mail.is_empty()).then_some(self.due_ms)
    }
}

impl Worker {
    /// Whether items of a guild are to be gathered: where its sessions were handed something less than a pace ago, so that
    /// they would have to wait anyway.
    pub(super) fn gathers(&self, guild: GuildId) -> bool {
        let pace = self.held.pace.get();
        if self.held.is_empty() || (pace.as_millis() as u64) < GROUPS * WORTH_MS {
            return false;
        }
        let since = self.started.elapsed().saturating_sub(pace);
        let room = self.rooms.get(&guild);
        room.is_some_and(|room| room.is_busy_since(since)) && !self.rejoining.contains_key(&guild)
    }

    /// Keeps items until just before the next connection is written to.
    pub(super) fn gather(&mut self, guild: GuildId, items: Arc<[Item]>, permit: Permit) {
        self.counters.gathered += 1;
        if self.gathered.mail.is_empty() {
            let now = self.started.elapsed();
            let pace_ms = self.held.pace.get().as_millis() as u64;
            let due_ms = next_moment(now.as_millis() as u64, pace_ms.max(1));
            (self.gathered.since, self.gathered.due_ms) = (now, due_ms);
            self.held.ring_for(due_ms);
        }
        self.gathered.mail.push(GuildItems {
            guild,
            items,
            _permit: permit,
        });
        if self.gathered.mail.len() >= MOST {
            self.hand_out();
        }
    }

    /// Asks the hub to hand out what is gathered; false where there is nothing.
    pub(super) fn ask_to_hand_out(&self) -> bool {
        let is_due = !self.gathered.mail.is_empty();
        if is_due {
            self.shared.links.post(self.hub, HubMail::HandOut);
        }
        is_due
    }

    /// Hands out what is gathered, guild by guild.
    pub(super) fn hand_out(&mut self) {
        if self.gathered.mail.is_empty() {
            return;
        }
        // Should something panic, it is gone, and asked for again with everything else.
        let mut mail = std::mem::take(&mut self.gathered.mail);
        // What is of one guild stays in order.
        mail.sort_by_key(|items| items.guild);
        for of_guild in mail.chunk_by(|a, b| a.guild == b.guild) {
            let guild = of_guild[0].guild;
            if !self.rejoining.contains_key(&guild) {
                self.on_items(guild, of_guild.iter().map(|it| &it.items[..]));
            }
        }
        mail.clear();
        self.gathered.mail = mail;
        self.settle_as_of(Some(self.gathered.since));
    }
}
