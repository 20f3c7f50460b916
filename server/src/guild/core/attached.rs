//! Who is connected: sessions attached to the guild, and the presence that others are shown.
//!
//! Nothing of this is journaled; after a rebuild the hubs attach their sessions again. Per session
//! it holds no more than its name, so that attaching or detaching twice changes nothing.

use std::collections::BTreeMap;

use bytes::Bytes;
use smallvec::SmallVec;

use super::render::write_presence;
use super::state::Guild;
use super::{Attach, json};
use crate::fanout::HubId;
use crate::guild::seldom::Blank;
use crate::protocol::objects::{Presence, Status};
use crate::protocol::{Intents, UserId};

/// The sessions of a guild.
#[derive(Debug, Default)]
pub(super) struct Attached {
    users: BTreeMap<UserId, Online>,
    hubs: BTreeMap<HubId, Hub>,
    /// [`Attached::presences_json`], until a shown presence changes.
    presences: Option<Box<Bytes>>,
}

#[derive(Debug)]
struct Online {
    /// Hub and session.
    sessions: SmallVec<[(HubId, u64); 1]>,
    /// What others are shown.
    shown: Presence,
}

#[derive(Debug, Default)]
struct Hub {
    sessions: usize,
    /// Whether one of its sessions wants presences; cleared when the last session is gone.
    wants_presences: bool,
}

impl Blank for Attached {
    const BLANK: &'static Self = &Self {
        users: BTreeMap::new(),
        hubs: BTreeMap::new(),
        presences: None,
    };

    fn is_blank(&self) -> bool {
        self.users.is_empty() && self.hubs.is_empty()
    }
}

impl Attached {
    /// Notes a session. Returns whether the presence that others are shown is another now.
    pub(super) fn attach(&mut self, attach: &Attach) -> bool {
        let key = (attach.hub, attach.session);
        let hub = self.hubs.entry(attach.hub).or_default();
        hub.wants_presences |= attach.intents.contains(Intents::GUILD_PRESENCES);
        let online = self.users.entry(attach.user).or_insert_with(|| Online {
            sessions: SmallVec::new(),
            shown: offline(),
        });
        let is_first = online.sessions.is_empty();
        if !online.sessions.contains(&key) {
            online.sessions.push(key);
            hub.sessions += 1;
        }
        match &attach.presence {
            Some(presence) => self.show(attach.user, presence),
            // It attaches again, to a guild that does not know it any more.
            None if is_first => self.show(attach.user, &Presence::default()),
            None => false,
        }
    }

    /// Forgets a session. Returns whether its user went offline in the eyes of others.
    pub(super) fn detach(&mut self, hub: HubId, session: u64, user: UserId) -> bool {
        let Some(online) = self.users.get_mut(&user) else {
            return false;
        };
        let Some(place) = online
            .sessions
            .iter()
            .position(|key| *key == (hub, session))
        else {
            return false;
        };
        online.sessions.swap_remove(place);
        let is_last = online.sessions.is_empty();
        self.leave_hub(hub);
        if !is_last {
            return false;
        }
        self.drop_user(user)
    }

    /// Sets the presence of a user with attached sessions. Returns whether others are shown
    /// something else now.
    pub(super) fn show(&mut self, user: UserId, presence: &Presence) -> bool {
        let Some(online) = self.users.get_mut(&user) else {
            return false;
        };
        let shown = shown(presence);
        if is_same(&online.shown, &shown) {
            return false;
        }
        online.shown = shown;
        self.presences = None;
        true
    }

    /// Forgets a user who is no longer a member, with all sessions.
    pub(super) fn forget(&mut self, user: UserId) {
        let sessions = self
            .users
            .get_mut(&user)
            .map(|online| std::mem::take(&mut online.sessions));
        for (hub, _) in sessions.unwrap_or_default() {
            self.leave_hub(hub);
        }
        self.drop_user(user);
    }

    /// Whether any session wants presences.
    pub(super) fn wants_presences(&self) -> bool {
        self.hubs.values().any(|hub| hub.wants_presences)
    }

    /// What others are shown of a user; `None` for one without sessions.
    pub(super) fn shown(&self, user: UserId) -> Option<&Presence> {
        self.users.get(&user).map(|online| &online.shown)
    }

    /// Users who are not shown as offline.
    pub(super) fn online_count(&self) -> usize {
        self.users
            .values()
            .filter(|online| online.shown.status != Status::Offline)
            .count()
    }

    /// All presences that are not offline, as a JSON array.
    pub(super) fn presences_json(&mut self, guild: &Guild) -> Bytes {
        if let Some(presences) = &self.presences {
            return Bytes::clone(presences);
        }
        let online = self
            .users
            .iter()
            .filter(|(_, online)| online.shown.status != Status::Offline)
            .filter_map(|(user, online)| Some((guild.members.get(*user)?, online)));
        let presences = Bytes::from(json::array(online, |out, (member, online)| {
            write_presence(out, &member.user, &online.shown);
        }));
        self.presences = Some(Box::new(presences.clone()));
        presences
    }

    /// Attached sessions.
    pub(super) fn sessions(&self) -> usize {
        self.hubs.values().map(|hub| hub.sessions).sum()
    }

    /// Which sessions a hub has, and whose they are.
    pub(super) fn of_hub(&self, hub: HubId) -> Vec<(u64, UserId)> {
        if !self.hubs.contains_key(&hub) {
            return Vec::new();
        }
        let of_user = |(user, online): (&UserId, &Online)| {
            let user = *user;
            let sessions = online.sessions.iter().filter(|(at, _)| *at == hub);
            sessions
                .map(|(_, session)| (*session, user))
                .collect::<Vec<_>>()
        };
        self.users.iter().flat_map(of_user).collect()
    }

    /// Attached sessions of a hub.
    pub(super) fn sessions_on(&self, hub: HubId) -> usize {
        self.hubs.get(&hub).map_or(0, |hub| hub.sessions)
    }

    fn leave_hub(&mut self, hub: HubId) {
        if let Some(entry) = self.hubs.get_mut(&hub) {
            entry.sessions -= 1;
            if entry.sessions == 0 {
                self.hubs.remove(&hub);
            }
        }
    }

    /// Returns whether the user was shown as something else than offline.
    fn drop_user(&mut self, user: UserId) -> bool {
        let was_shown = self
            .users
            .remove(&user)
            .is_some_and(|online| online.shown.status != Status::Offline);
        if was_shown {
            self.presences = None;
        }
        was_shown
    }
}

/// The presence of a user without sessions.
pub(super) fn offline() -> Presence {
    Presence {
        status: Status::Offline,
        activities: Vec::new(),
    }
}

/// What others see of a presence: who is invisible looks offline and idle hands.
fn shown(presence: &Presence) -> Presence {
    match presence.status.shown() {
        Status::Offline => offline(),
        status => Presence {
            status,
            activities: presence.activities.clone(),
        },
    }
}

fn is_same(one: &Presence, other: &Presence) -> bool {
    let (ones, others) = (one.activities.iter(), other.activities.iter());
    one.status == other.status && ones.map(|raw| raw.get()).eq(others.map(|raw| raw.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: UserId = UserId::new(1);
    const HUB: HubId = HubId(7);

    fn attach(session: u64, presence: Option<Status>, intents: Intents) -> Attach {
        Attach {
            hub: HUB,
            session,
            user: ALICE,
            intents,
            large_threshold: 50,
            presence: presence.map(|status| Presence {
                status,
                activities: Vec::new(),
            }),
        }
    }

    #[test]
    fn a_user_is_online_from_the_first_session_to_the_last() {
        let mut attached = Attached::default();
        assert!(attached.attach(&attach(1, Some(Status::Idle), Intents::NONE)));
        assert!(!attached.attach(&attach(2, None, Intents::NONE)));
        assert!(!attached.attach(&attach(2, None, Intents::NONE)));
        assert_eq!((attached.sessions(), attached.online_count()), (2, 1));
        assert!(!attached.detach(HUB, 1, ALICE));
        assert!(!attached.detach(HUB, 1, ALICE));
        assert!(attached.detach(HUB, 2, ALICE));
        assert_eq!((attached.sessions(), attached.online_count()), (0, 0));
        assert!(attached.hubs.is_empty() && attached.users.is_empty());
    }

    #[test]
    fn who_is_invisible_is_shown_as_offline() {
        let mut attached = Attached::default();
        assert!(!attached.attach(&attach(1, Some(Status::Invisible), Intents::NONE)));
        assert_eq!(attached.online_count(), 0);
        let online = Presence::default();
        assert!(attached.show(ALICE, &online));
        assert!(!attached.show(ALICE, &online));
        assert!(attached.detach(HUB, 1, ALICE));
    }

    #[test]
    fn presences_are_wanted_while_a_hub_has_a_session_that_asked() {
        let mut attached = Attached::default();
        attached.attach(&attach(1, None, Intents::NONE));
        assert!(!attached.wants_presences());
        attached.attach(&attach(2, None, Intents::GUILD_PRESENCES));
        assert!(attached.wants_presences());
        attached.forget(ALICE);
        assert!(!attached.wants_presences());
        assert_eq!(attached.sessions(), 0);
    }
}
