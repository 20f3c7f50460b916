//! What the worker notes of its sessions, so that they can be resumed after a crash.

use std::collections::HashMap;
use std::sync::Arc;

use slab::Slab;

use super::Worker;
use crate::fanout::Room;
use crate::protocol::GuildId;
use crate::session::links::WorkerLinks;
use crate::session::state::{MembershipState, Session};
use crate::session::trail::{Image, Standing, Trail};

impl Worker {
    /// Notes a session that is new here.
    pub(super) fn note_session(&mut self, key: usize) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        note_tables(&mut self.trail, session);
        let (rooms, links) = (&self.rooms, &self.shared.links);
        session.trail = self.trail.session(|| image(session, rooms, links));
    }

    /// Notes that a session is in a guild's room now.
    pub(super) fn note_standing(&mut self, key: usize, guild: GuildId, place: usize) {
        let (Some(session), Some(room)) = (self.sessions.get(key), self.rooms.get(&guild)) else {
            return;
        };
        self.trail.table(room.position(), room.table());
        if let Some((position, member)) = room.standing(place) {
            self.trail.stands(session.trail, guild, position, member);
        }
    }

    /// Notes how far the rooms are, and begins another file where it is time to.
    pub(super) fn keep_trail(&mut self) {
        for (guild, room) in &self.rooms {
            self.trail.progress(*guild, room.position());
        }
        if self.trail.wants_new_file() {
            let (sessions, rooms) = (&mut self.sessions, &self.rooms);
            let links = &self.shared.links;
            self.trail
                .begin_file(|trail| note_all(trail, sessions, rooms, links));
        }
        self.trail.commit();
    }
}

fn note_all(
    trail: &mut Trail,
    sessions: &mut Slab<Session>,
    rooms: &HashMap<GuildId, Room>,
    links: &WorkerLinks,
) {
    for room in rooms.values() {
        trail.table(room.position(), room.table());
    }
    for (_, session) in sessions {
        note_tables(trail, session);
        session.trail = trail.session(|| image(session, rooms, links));
    }
}

/// The tables of guilds that are still asked for what was missed; rooms' own are noted already.
fn note_tables(trail: &mut Trail, session: &Session) {
    for membership in &session.guilds {
        if let MembershipState::Returning { parts, .. } = &membership.state {
            trail.table(parts.position, &parts.table);
        }
    }
}

fn image(session: &Session, rooms: &HashMap<GuildId, Room>, links: &WorkerLinks) -> Image {
    let mut image = Image {
        number: 0,
        order: 0,
        id: session.id.to_string(),
        user: Arc::clone(&session.user),
        intents: session.intents.bits(),
        shard: session.shard,
        large_threshold: session.large_threshold,
        presence: session.presence.clone(),
        seq: session.outbox.last_seq(),
        guilds: Vec::new(),
        asked: Vec::new(),
        claim: links.claim_of(session.id),
    };
    for membership in &session.guilds {
        let guild = membership.guild;
        match &membership.state {
            MembershipState::Asked { joined, .. } => image.asked.push((guild, *joined)),
            MembershipState::Returning { parts, .. } => image.guilds.push(Standing {
                guild,
                position: parts.position,
                member: Arc::clone(&parts.member),
                in_room: false,
            }),
            MembershipState::Present(place) => {
                let room = rooms.get(&guild);
                if let Some((position, member)) = room.and_then(|room| room.standing(*place)) {
                    image.guilds.push(Standing {
                        guild,
                        position,
                        member: Arc::clone(member),
                        in_room: true,
                    });
                }
            }
        }
    }
    image
}
