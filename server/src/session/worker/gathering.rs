//! Items that wait until their sessions are written to.
//!
//! All sessions of a busy guild wait for their moments. If each item went into their outboxes as it comes, the memory of all
//! of them would be fetched anew for each one: what is written in between drives it from the caches. So rooms keep items of
//! such a guild, and each group of sessions is handed all that it has not had just before it is written to: a session is
//! touched once in a pace.
//!
//! Whatever else the guild tells is dealt with after them, and so is what is asked of the worker.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Worker;
use super::pacing::{Came, Held};
use crate::fanout::moments::{GROUPS, Group};
use crate::fanout::{Dispatch, Item, Room};
use crate::protocol::GuildId;
use crate::session::links::HubMail;
#[cfg(any(test, feature = "fault-points"))]
use crate::supervision::faults;

/// Milliseconds that must lie between two moments for anything to be gathered.
const WORTH_MS: u64 = 4;
/// Most items that wait in all rooms. With more, all of them are handed out at once.
const MOST: usize = 4_096;
/// Most bytes of them.
const MOST_BYTES: usize = 4 << 20;
/// Sessions, about, that are handed something and written to before the next ones are: what they were handed is in the
/// caches still.
const SLICE: usize = 32;
/// Most places of a room for that: the thread does nothing else until the last session of a group is written to.
const SOON_DONE: usize = 2_048;

/// What is gathered in rooms.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Rooms in which something waits, and maybe some where it was handed out meanwhile.
    guilds: BTreeSet<GuildId>,
    /// Items that came since it was counted what waits, and what waited then.
    count: usize,
    /// Bytes of them.
    bytes: usize,
    /// What each group waits for.
    groups: [Option<Waiting>; GROUPS],
}

/// That something waits for a group.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    /// When the first of it came, on the worker's clock.
    since: Duration,
    /// When it is to be handed out, in milliseconds of that clock.
    due_ms: u64,
}

impl Gathered {
    /// When something is to be handed out, in milliseconds of the worker's clock.
    pub(super) fn due_ms(&self) -> Option<u64> {
        let waiting = self.groups.iter().flatten();
        waiting.map(|waiting| waiting.due_ms).min()
    }

    /// Notes what came now, for every group; answers when the first of them is due.
    fn wait(&mut self, now: Duration, held: &mut Held) -> Option<u64> {
        let now_ms = now.as_millis() as u64;
        for (group, waiting) in Group::ALL.into_iter().zip(&mut self.groups) {
            let due_ms = held.moment_of(group, now_ms);
            let since = now;
            let waiting = waiting.get_or_insert(Waiting { since, due_ms });
            waiting.due_ms = waiting.due_ms.min(due_ms);
        }
        self.due_ms()
    }

    /// When the first of what is due by now came.
    fn overdue_since(&self, now_ms: u64) -> Option<Duration> {
        let waiting = self.groups.iter().flatten();
        let overdue = waiting.filter(|waiting| waiting.due_ms <= now_ms);
        overdue.map(|waiting| waiting.since).min()
    }
}

impl Worker {
    /// Whether items of a guild are to be gathered: where its sessions were handed something less than a pace ago, so that
    /// they would have to wait anyway. What changes the room is not, nor what comes with it.
    pub(super) fn gathers(&self, guild: GuildId, items: &[Item]) -> bool {
        let pace = self.held.pace.get();
        if (pace.as_millis() as u64) < GROUPS as u64 * WORTH_MS {
            return false;
        }
        let since = self.started.elapsed().saturating_sub(pace);
        let room = self.rooms.get(&guild);
        room.is_some_and(|room| room.is_busy_since(since))
            && !self.rejoining.contains_key(&guild)
            && items.iter().all(|item| matches!(item, Item::Dispatch(_)))
    }

    /// Keeps items until just before sessions are written to.
    pub(super) fn gather(&mut self, guild: GuildId, items: &[Item]) {
        let Some(room) = self.rooms.get_mut(&guild) else {
            return;
        };
        self.counters.gathered += 1;
        if room.waiting() == 0 {
            self.gathered.guilds.insert(guild);
        }
        let seen = room.newest();
        let is_new =
            |dispatch: &&Dispatch| dispatch.position.is_none_or(|position| position > seen);
        let dispatches = items.iter().filter_map(|item| match item {
            Item::Dispatch(dispatch) => Some(dispatch),
            _ => None,
        });
        let new = dispatches.filter(is_new).inspect(|dispatch| {
            self.gathered.count += 1;
            self.gathered.bytes += dispatch.body.len();
        });
        room.gather(new);
        let now = self.started.elapsed();
        if let Some(due_ms) = self.gathered.wait(now, &mut self.held) {
            self.held.ring_for(due_ms);
        }
        if self.gathered.count > MOST || self.gathered.bytes > MOST_BYTES {
            self.hand_out();
        }
    }

    /// Asks the hub to hand out what is due; false where nothing is.
    pub(super) fn ask_to_hand_out(&self) -> bool {
        let is_due = self.gathered.overdue_since(self.now_ms()).is_some();
        if is_due {
            self.shared.links.post(self.hub, HubMail::HandOut);
        }
        is_due
    }

    /// Hands the groups whose moments have come what waits for them.
    pub(super) fn hand_out_due(&mut self) {
        let now_ms = self.now_ms();
        for group in Group::ALL {
            let waiting = &mut self.gathered.groups[group.index()];
            if let Some(waiting) = waiting.take_if(|waiting| waiting.due_ms <= now_ms) {
                self.hand_out_to(group, waiting);
            }
        }
        self.count_gathered();
    }

    fn hand_out_to(&mut self, group: Group, waiting: Waiting) {
        #[cfg(any(test, feature = "fault-points"))]
        for guild in &self.gathered.guilds {
            faults::hit(faults::Point::HubPanic, *guild);
        }
        let guilds = std::mem::take(&mut self.gathered.guilds);
        let only = guilds.first().filter(|_| guilds.len() == 1);
        let places = only
            .and_then(|guild| self.rooms.get(guild))
            .map(Room::places);
        match (only, places) {
            (Some(guild), Some(places)) if places <= SOON_DONE => {
                self.hand_out_in_slices(*guild, group, places);
            }
            _ => {
                for guild in &guilds {
                    self.in_room(*guild, |room, sink| room.hand_out_to(group, sink));
                }
                self.settle_as_of(Came::At(waiting.since));
            }
        }
        self.gathered.guilds = guilds;
    }

    /// Where only one guild has something for them: writes to each few before it goes on.
    fn hand_out_in_slices(&mut self, guild: GuildId, group: Group, places: usize) {
        let slice = SLICE * GROUPS;
        for from in (0..places).step_by(slice) {
            self.in_room(guild, |room, sink| {
                room.hand_out_in(group, from..from + slice, sink)
            });
            self.settle_as_of(Came::Due);
        }
        if let Some(room) = self.rooms.get_mut(&guild) {
            room.handed_out_to(group);
        }
    }

    /// Hands out all that a guild's room keeps.
    pub(super) fn hand_out_of(&mut self, guild: GuildId) {
        if self
            .rooms
            .get(&guild)
            .is_some_and(|room| room.waiting() > 0)
        {
            self.hand_out_to_all([guild]);
        }
    }

    /// Hands out all that waits.
    pub(super) fn hand_out(&mut self) {
        if self.gathered.guilds.is_empty() {
            return;
        }
        let guilds = std::mem::take(&mut self.gathered.guilds);
        self.hand_out_to_all(guilds);
        self.gathered = Gathered::default();
    }

    /// Hands every group what rooms keep for it.
    fn hand_out_to_all(&mut self, guilds: impl IntoIterator<Item = GuildId>) {
        let since = self.gathered.overdue_since(self.now_ms());
        for guild in guilds {
            self.in_room(guild, |room, sink| room.hand_out(sink));
        }
        self.settle_as_of(since.map_or(Came::Now, Came::At));
    }

    /// Forgets what waits: all guilds are joined again, and tell it again.
    pub(super) fn forget_gathered(&mut self) {
        self.gathered = Gathered::default();
    }

    fn count_gathered(&mut self) {
        let rooms = &self.rooms;
        let waits = |guild: &_| rooms.get(guild).is_some_and(|room| room.waiting() > 0);
        self.gathered.guilds.retain(waits);
        let waiting = self
            .gathered
            .guilds
            .iter()
            .filter_map(|guild| rooms.get(guild));
        let sizes = waiting.map(|room| (room.waiting(), room.waiting_bytes()));
        let add = |sum: (usize, usize), size: (usize, usize)| (sum.0 + size.0, sum.1 + size.1);
        (self.gathered.count, self.gathered.bytes) = sizes.fold((0, 0), add);
        if self.gathered.guilds.is_empty() {
            self.gathered.groups = [None; GROUPS];
        }
    }
}
