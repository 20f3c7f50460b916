//! What guilds and other workers tell this worker.

use std::sync::Arc;

use bytes::Bytes;

use super::Worker;
use crate::fanout::guild_create::GuildCreate;
use crate::fanout::mail::GuildNews;
use crate::fanout::{Attachment, Frame, Item, Room, guild_create};
use crate::protocol::{ApiError, EventName, GuildId, UserId};
use crate::session::greetings;
use crate::session::links::HubMail;
use crate::session::refusal::Refusal;
use crate::session::report::SessionReport;
use crate::session::sink::Sink;
use crate::session::state::{MembershipState, Session, key_and_generation};
#[cfg(any(test, feature = "fault-points"))]
use crate::supervision::faults;
use crate::supervision::mail::Mail;

impl Worker {
    /// Mail for the hub.
    pub fn on_mail(&mut self, mail: Mail<HubMail>) {
        match &mail.message {
            HubMail::News(GuildNews::Items { guild, items }) if self.gathers(*guild, items) => {
                self.gather(*guild, items);
                return;
            }
            // What came before this.
            HubMail::News(news) => self.hand_out_of(news.guild()),
            HubMail::HandOut => {}
            _ => self.hand_out(),
        }
        match mail.message {
            HubMail::HandOut => self.hand_out_due(),
            HubMail::News(news) => self.on_news(news),
            HubMail::Yield(wanted) => self.yield_session(wanted),
            HubMail::Yielded {
                wanted,
                from,
                name,
                parts,
            } => self.adopt(wanted, Some((from, name)), parts),
            HubMail::Fetched { wanted, parts } => self.fetched(wanted, parts),
            HubMail::Disown(session) => {
                if let Some(key) = self.by_id.get(&session) {
                    self.drop_old_connection(*key);
                }
                if let Some(key) = self.by_id.get(&session) {
                    self.end_session(*key);
                }
            }
            HubMail::LetOneGo {
                session,
                user,
                seq,
                reply,
            } => {
                let session = self.let_one_go(session, user, seq).map(Box::new);
                // Who asked may have given up waiting; the client comes again.
                if let Err(Some(session)) = reply.send(session) {
                    self.shared.links.take_back([*session]);
                }
            }
            HubMail::LetGo { share, reply } => {
                // The same; these clients have not been told yet.
                if let Err(leaving) = reply.send(self.let_go(share)) {
                    self.take_back(leaving);
                }
            }
            HubMail::AskToReconnect { connections } => self.ask_some_to_reconnect(&connections),
            HubMail::Report { session, reply } => {
                let now_ms = self.now_ms();
                let key = self.by_id.get(&session);
                let found = key.and_then(|key| self.sessions.get(*key));
                // Who asked may have gone meanwhile.
                let _ = reply.send(found.map(|session| SessionReport::of(session, now_ms)));
            }
            HubMail::FurthestBehind { limit, reply } => {
                let _ = reply.send(self.furthest_behind(limit));
            }
            HubMail::Reconnect => self.ask_to_reconnect(),
            HubMail::CloseAll => self.close_all(),
            HubMail::Checkpoint { reply } => {
                // Who asked may have given up waiting.
                let _ = reply.send(self.checkpoint());
            }
        }
        self.settle();
    }

    /// The sessions with the most bytes that wait to be written, then with the most kept.
    fn furthest_behind(&self, limit: usize) -> Vec<SessionReport> {
        let weight = |session: &Session| {
            let outbox = &session.outbox;
            (outbox.pending_bytes(), outbox.kept_bytes())
        };
        let heavier = |a: &&Session, b: &&Session| weight(b).cmp(&weight(a));
        let mut sessions: Vec<&Session> = self.sessions.iter().map(|(_, it)| it).collect();
        if sessions.len() > limit {
            sessions.select_nth_unstable_by(limit, heavier);
            sessions.truncate(limit);
        }
        sessions.sort_unstable_by(heavier);
        let now_ms = self.now_ms();
        let report = |session: &Session| SessionReport::of(session, now_ms);
        sessions.into_iter().map(report).collect()
    }

    fn on_news(&mut self, news: GuildNews) {
        match news {
            GuildNews::Items { guild, items } => {
                if !self.rejoining.contains_key(&guild) {
                    self.on_items(guild, &items);
                }
            }
            GuildNews::Rejoined { guild, missed } => self.rejoined(guild, missed),
            GuildNews::Unavailable { guild } => self.unavailable(guild),
            GuildNews::Attached {
                guild,
                session,
                result,
                missed,
            } => {
                let (key, generation) = key_and_generation(session);
                let asked = |it: &Session| it.generation == generation;
                if !self.sessions.get(key).is_some_and(asked) {
                    // The session that asked is gone.
                    return;
                }
                match *result {
                    Ok(attachment) => self.attached(key, guild, &attachment, missed),
                    Err(error) => self.not_attached(key, guild, &error),
                }
                self.settle();
                self.tell_resumed(key);
            }
            GuildNews::Lost { guild } => self.lost(guild),
            GuildNews::Joined { guild, user } => self.joined(guild, user),
        }
    }

    /// Hands items out, after what waits; those that the room has seen already are passed over: they are at the beginning.
    pub(super) fn on_items(&mut self, guild: GuildId, items: &[Item]) {
        #[cfg(any(test, feature = "fault-points"))]
        faults::hit(faults::Point::HubPanic, guild);
        self.in_room(guild, |room, sink| {
            let seen = room.newest();
            let is_old = |item: &&Item| item.position().is_some_and(|position| position <= seen);
            let new = items.iter().skip_while(is_old);
            let events = new.clone().count();
            room.apply(new, sink);
            events
        });
    }

    /// Has a guild's room hand something out, which answers how many events that were.
    pub(super) fn in_room(
        &mut self,
        guild: GuildId,
        hand_out: impl FnOnce(&mut Room, &mut Sink) -> usize,
    ) {
        let Some(room) = self.rooms.get_mut(&guild) else {
            return;
        };
        room.set_busy(self.started.elapsed());
        let before = self.after.delivered;
        let mut sink = Sink {
            guild,
            sessions: &mut self.sessions,
            bounds: &self.shared.settings.outbox,
            after: &mut self.after,
            trail: &mut self.trail,
        };
        let events = hand_out(room, &mut sink);
        let deliveries = self.after.delivered - before;
        if self.sample.takes(deliveries) {
            let hub = self.hub.0;
            tracing::info!(%guild, hub, events, deliveries, "a fan-out");
        }
    }

    fn attached(
        &mut self,
        key: usize,
        guild: GuildId,
        attachment: &Attachment,
        missed: Option<Arc<[Item]>>,
    ) {
        let view = &attachment.view;
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        let intents = session.intents;
        if session.user == attachment.member.user {
            // One account in memory is enough.
            session.user = Arc::clone(&attachment.member.user);
        }
        let Some(membership) = session.membership(guild) else {
            return;
        };
        let state = std::mem::replace(&mut membership.state, MembershipState::Present(usize::MAX));
        let room = self
            .rooms
            .entry(guild)
            .or_insert_with(|| Room::new(guild, Arc::clone(&view.table), view.position));
        match state {
            MembershipState::Present(place) => {
                // Asked twice and answered twice.
                self.set_place(key, guild, place);
            }
            MembershipState::Asked { joined, .. } => {
                let place = room.join(key, intents, Arc::clone(&attachment.member), view.position);
                let visible = room.visible(place).cloned().unwrap_or_default();
                self.set_place(key, guild, place);
                self.note_standing(key, guild, place);
                let tells = !view.table.direct;
                if tells && intents.contains(EventName::GuildCreate.guild_intent()) {
                    let create = GuildCreate::new(attachment, &visible, joined);
                    self.deliver(key, Frame::made(create));
                }
            }
            MembershipState::Returning { parts, .. } => {
                let Some(missed) = missed else {
                    self.invalidate(key, Refusal::Gap);
                    return;
                };
                let mut sink = Sink {
                    guild,
                    sessions: &mut self.sessions,
                    bounds: &self.shared.settings.outbox,
                    after: &mut self.after,
                    trail: &mut self.trail,
                };
                if let Some(place) =
                    room.rejoin(key, intents, *parts, (&missed, view.position), &mut sink)
                {
                    self.set_place(key, guild, place);
                    self.note_standing(key, guild, place);
                }
            }
        }
    }

    fn set_place(&mut self, key: usize, guild: GuildId, place: usize) {
        if let Some(session) = self.sessions.get_mut(key)
            && let Some(membership) = session.membership(guild)
        {
            membership.state = MembershipState::Present(place);
        }
    }

    fn not_attached(&mut self, key: usize, guild: GuildId, error: &ApiError) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        let Some(membership) = session.membership(guild) else {
            return;
        };
        let comes_back = error.status == ApiError::UNAVAILABLE.status;
        match membership.state {
            MembershipState::Present(_) => return,
            // It is asked again; what was missed is owed still.
            MembershipState::Returning { .. } if comes_back => return,
            _ => {}
        }
        if !comes_back {
            self.trail.left(session.trail, guild, false);
            session
                .guilds
                .retain(|membership| membership.guild != guild);
        }
        self.deliver(key, guild_create::guild_delete(guild, comes_back));
    }

    fn joined(&mut self, guild: GuildId, user: UserId) {
        let Some(keys) = self.by_user.get(&user) else {
            return;
        };
        for key in keys.clone() {
            let session = &mut self.sessions[key];
            let (shard, shards) = session.shard;
            if guild.shard(shards) == shard
                && session.allows(guild)
                && session.membership(guild).is_none()
            {
                self.ask_guild(key, guild, true);
            }
        }
    }

    /// The node goes down: clients are asked to resume elsewhere.
    fn ask_to_reconnect(&mut self) {
        let keys: Vec<usize> = self.connections.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.send_control(key, greetings::RECONNECT);
        }
    }

    fn close_all(&mut self) {
        let keys: Vec<usize> = self.connections.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.close(key, crate::protocol::CloseCode::UnknownError);
        }
    }

    /// Chunks for op 8 that a guild has answered.
    pub(super) fn deliver_all(&mut self, key: usize, bodies: Vec<Bytes>) {
        for body in bodies {
            self.deliver(key, body);
        }
        self.settle();
    }
}
