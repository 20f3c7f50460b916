//! The sessions of one guild on one worker, and how the guild's items reach them.

mod portions;
#[cfg(any(test, feature = "fault-points"))]
mod wrongly;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use slab::Slab;

use self::portions::portions;
use super::frame::Run;
use super::late::Subject;
use super::moments::{GROUPS, Group};
use super::{Audience, ChannelSet, Dispatch, Frame, Item, Visibility, guild_create};
use crate::counters::EphemeralKind;
use crate::protocol::objects::Member;
use crate::protocol::{ChannelId, EventName, GuildId, Intents, Position, UserId};

/// Names a session within its worker.
pub type SessionKey = usize;

/// Takes what a room hands out.
pub trait Deliver {
    /// An event for a session; it gets the session's next sequence number. `position` is where in the
    /// guild's journal it stands; `None` for an ephemeral event.
    fn deliver(&mut self, session: SessionKey, frame: &Frame, position: Option<Position>);
    /// The events of a run, one after the other; the first stands at this position, the others right behind it.
    fn deliver_run(&mut self, session: SessionKey, run: &Run, first: Position);
    /// The session is no longer in the room; it was told by a GUILD_DELETE.
    fn removed(&mut self, session: SessionKey, guild: GuildId);
    /// From here on this table decides who sees which channel.
    fn table_changed(&mut self, position: Position, table: &Arc<Visibility>);
    /// From here on this is the session's member.
    fn member_changed(&mut self, session: SessionKey, position: Position, member: &Arc<Member>);
}

/// A session's place in a room.
#[derive(Debug, Clone)]
pub struct Subscriber {
    /// The session.
    pub session: SessionKey,
    /// What it asked for.
    pub intents: Intents,
    /// Its member in this guild.
    pub member: Arc<Member>,
    /// The last position that it has; items up to it are not for it.
    pub from: Position,
    /// Slots of the room's table that it sees.
    visible: ChannelSet,
}

/// A subscription on its way to another worker.
#[derive(Debug, Clone)]
pub struct SubscriptionParts {
    /// The guild.
    pub guild: GuildId,
    /// The last position that the session has.
    pub position: Position,
    /// The session's member in the guild, as it was at the position.
    pub member: Arc<Member>,
    /// Who saw which channel at the position.
    pub table: Arc<Visibility>,
}

/// The sessions of one guild on one worker.
#[derive(Debug)]
pub struct Room {
    guild: GuildId,
    table: Arc<Visibility>,
    /// The last position that everyone has.
    position: Position,
    /// The last position that was taken in.
    newest: Position,
    /// When something was handed out last, on the worker's clock.
    busy_at: Option<Duration>,
    subscribers: Slab<Subscriber>,
    /// Dispatches to be handed out together.
    run: Vec<Ready>,
    /// How many of them each group has had.
    had: [usize; GROUPS],
    /// The last position that each group has.
    handed: [Position; GROUPS],
    /// A delivery that a fault keeps back.
    #[cfg(any(test, feature = "fault-points"))]
    held: Option<wrongly::Held>,
}

/// A dispatch with what is looked up once for all subscribers.
#[derive(Debug)]
struct Ready {
    frame: Frame,
    intent: Intents,
    channel: Where,
    audience: Audience,
    position: Option<Position>,
}

#[derive(Debug, Clone, Copy)]
enum Where {
    Everywhere,
    Slot(usize),
    /// The channel is gone: nobody sees it.
    Nowhere,
}

impl Room {
    /// An empty room at this position.
    pub fn new(guild: GuildId, table: Arc<Visibility>, position: Position) -> Self {
        Self {
            guild,
            table,
            position,
            newest: position,
            busy_at: None,
            subscribers: Slab::new(),
            run: Vec::new(),
            had: [0; GROUPS],
            handed: [position; GROUPS],
            #[cfg(any(test, feature = "fault-points"))]
            held: None,
        }
    }

    /// Whether nobody is there.
    pub fn is_empty(&self) -> bool {
        self.subscribers.is_empty()
    }

    /// How many sessions are there.
    pub fn len(&self) -> usize {
        self.subscribers.len()
    }

    /// The last position handed out, to everyone.
    pub const fn position(&self) -> Position {
        self.position
    }

    /// The last position that was taken in; what is after the one [handed out](Self::position) waits.
    pub const fn newest(&self) -> Position {
        self.newest
    }

    /// The places of all who are there are below this.
    pub fn places(&self) -> usize {
        self.subscribers.capacity()
    }

    /// Dispatches that wait for a group at least.
    pub fn waiting(&self) -> usize {
        self.run.len()
    }

    /// Bytes of their bodies.
    pub fn waiting_bytes(&self) -> usize {
        self.run.iter().map(|ready| ready.frame.size()).sum()
    }

    /// Notes when something was handed out, on the worker's clock.
    pub fn set_busy(&mut self, at: Duration) {
        self.busy_at = Some(at);
    }

    /// Whether something was handed out at this time of the worker's clock or since.
    pub fn is_busy_since(&self, time: Duration) -> bool {
        self.busy_at.is_some_and(|at| at >= time)
    }

    /// Who sees which channel now.
    pub const fn table(&self) -> &Arc<Visibility> {
        &self.table
    }

    /// The session's member at this place, and the last position that it has.
    pub fn standing(&self, place: usize) -> Option<(Position, &Arc<Member>)> {
        let subscriber = self.subscribers.get(place)?;
        Some((self.position.max(subscriber.from), &subscriber.member))
    }

    /// Sessions in the room.
    pub fn sessions(&self) -> impl Iterator<Item = SessionKey> + '_ {
        self.subscribers
            .iter()
            .map(|(_, subscriber)| subscriber.session)
    }

    /// Adds a session that has seen everything up to `seen` and up to the room's position; answers
    /// its place.
    pub fn join(
        &mut self,
        session: SessionKey,
        intents: Intents,
        member: Arc<Member>,
        seen: Position,
    ) -> usize {
        let visible = self.table.visible_to(member.user.id, &member.roles);
        let from = self.position.max(seen);
        self.subscribers.insert(Subscriber {
            session,
            intents,
            member,
            from,
            visible,
        })
    }

    /// What a session at this place sees.
    pub fn visible(&self, place: usize) -> Option<&ChannelSet> {
        self.subscribers
            .get(place)
            .map(|subscriber| &subscriber.visible)
    }

    /// Takes a session out.
    pub fn leave(&mut self, place: usize) {
        self.subscribers.try_remove(place);
    }

    /// Takes a session out, to join the guild's room on another worker.
    pub fn take(&mut self, place: usize) -> Option<SubscriptionParts> {
        let subscriber = self.subscribers.try_remove(place)?;
        Some(SubscriptionParts {
            guild: self.guild,
            position: self.position.max(subscriber.from),
            member: subscriber.member,
            table: Arc::clone(&self.table),
        })
    }

    /// Adds a session that comes from another worker: hands it what it missed on the way
    /// (every item after its position up to `until`, which is not before this room's) and lets it
    /// join.
    ///
    /// `None` where what it missed took the guild from it.
    pub fn rejoin(
        &mut self,
        session: SessionKey,
        intents: Intents,
        parts: SubscriptionParts,
        (missed, until): (&[Item], Position),
        sink: &mut impl Deliver,
    ) -> Option<usize> {
        let visible = parts
            .table
            .visible_to(parts.member.user.id, &parts.member.roles);
        let mut passage = Self::new(self.guild, parts.table, parts.position);
        let place = passage.subscribers.insert(Subscriber {
            session,
            intents,
            member: parts.member,
            from: parts.position,
            visible,
        });
        passage.apply(missed, sink);
        let mut subscriber = passage.subscribers.try_remove(place)?;
        subscriber.from = subscriber.from.max(self.position).max(until);
        subscriber.visible = self
            .table
            .visible_to(subscriber.member.user.id, &subscriber.member.roles);
        Some(self.subscribers.insert(subscriber))
    }

    /// Hands items to everyone they are for, in order.
    ///
    /// *Invariant I3*: an item at or before a session's position is not handed to it again.
    /// *Invariant I6*: each event's body is shared, not copied.
    pub fn apply<'a>(
        &mut self,
        items: impl IntoIterator<Item = &'a Item>,
        sink: &mut impl Deliver,
    ) {
        for item in items {
            match item {
                Item::Dispatch(dispatch) => {
                    let ready = self.ready(dispatch);
                    self.run.push(ready);
                }
                Item::Visibility { position, table } => {
                    self.hand_out(sink);
                    self.change_table(*position, table, sink);
                }
                Item::Member { position, member } => {
                    self.hand_out(sink);
                    self.change_member(*position, member, sink);
                }
                Item::Left { position, user } => {
                    self.hand_out(sink);
                    self.remove(*position, Some(*user), sink);
                }
                Item::Deleted { position } => {
                    self.hand_out(sink);
                    self.remove(*position, None, sink);
                }
            }
            self.newest = self.newest.max(item.position().unwrap_or_default());
        }
        self.hand_out(sink);
    }

    /// Takes dispatches in that are to be [handed out](Self::hand_out_to) group by group, after those that wait already.
    pub fn gather<'a>(&mut self, dispatches: impl IntoIterator<Item = &'a Dispatch>) {
        for dispatch in dispatches {
            let ready = self.ready(dispatch);
            self.newest = self.newest.max(ready.position.unwrap_or_default());
            self.run.push(ready);
        }
    }

    /// Forgets what waits, which will be asked for again. Nobody is handed twice what only some have been handed.
    pub fn forget_waiting(&mut self) {
        self.run.clear();
        self.had = [0; GROUPS];
        self.newest = self.position;
        self.handed = [self.position; GROUPS];
    }

    fn ready(&self, dispatch: &Dispatch) -> Ready {
        Ready {
            frame: self.frame(dispatch),
            intent: dispatch.intent,
            channel: match dispatch.channel {
                None => Where::Everywhere,
                Some(channel) => self.table.slot(channel).map_or(Where::Nowhere, Where::Slot),
            },
            audience: dispatch.audience,
            position: dispatch.position,
        }
    }

    fn frame(&self, dispatch: &Dispatch) -> Frame {
        let body = dispatch.body.clone();
        let kind = match dispatch.event {
            EventName::TypingStart => EphemeralKind::Typing,
            EventName::PresenceUpdate => EphemeralKind::Presence,
            _ => return body.into(),
        };
        match (dispatch.position, dispatch.subject) {
            (None, Some(user)) => {
                let guild = self.guild;
                Frame::ephemeral(body, Subject { kind, guild, user })
            }
            _ => body.into(),
        }
    }

    /// Hands out all that waits; answers how much that was.
    pub fn hand_out(&mut self, sink: &mut impl Deliver) -> usize {
        let count = self.run.len();
        if count > 0 {
            self.hand_out_where(None, 0..self.places(), sink);
            self.run.clear();
            self.had = [0; GROUPS];
        }
        self.position = self.newest;
        self.handed = [self.newest; GROUPS];
        count
    }

    /// Hands out what waits for this group; answers how much that was.
    pub fn hand_out_to(&mut self, group: Group, sink: &mut impl Deliver) -> usize {
        let count = self.hand_out_in(group, 0..self.places(), sink);
        self.handed_out_to(group);
        count
    }

    /// Hands out what waits for this group to those of it who have these places. All have to be handed it, and the room has
    /// to be [told](Self::handed_out_to), before anything else is done with it. Answers how much that was.
    pub fn hand_out_in(
        &mut self,
        group: Group,
        places: Range<usize>,
        sink: &mut impl Deliver,
    ) -> usize {
        let count = self.run.len() - self.had[group.index()];
        if count > 0 {
            self.hand_out_where(Some(group), places, sink);
        }
        count
    }

    /// The group has had all that waits.
    pub fn handed_out_to(&mut self, group: Group) {
        self.had[group.index()] = self.run.len();
        self.handed[group.index()] = self.newest;
        self.position = self.handed.into_iter().fold(self.newest, Ord::min);
        let by_all = self.had.into_iter().fold(self.run.len(), Ord::min);
        self.run.drain(..by_all);
        for had in &mut self.had {
            *had -= by_all;
        }
    }

    /// Hands everyone, or one group, what they have not had yet, subscriber by subscriber: each is touched once.
    fn hand_out_where(
        &mut self,
        only: Option<Group>,
        places: Range<usize>,
        sink: &mut impl Deliver,
    ) {
        #[cfg(any(test, feature = "fault-points"))]
        if self.hand_out_wrongly(only, &places, sink) {
            return;
        }
        let mut waiting = [const { None }; GROUPS];
        for place in places {
            let Some(subscriber) = self.subscribers.get_mut(place) else {
                continue;
            };
            let group = subscriber.group();
            if only.is_some_and(|only| only != group) {
                continue;
            }
            let index = group.index();
            let waiting =
                waiting[index].get_or_insert_with(|| portions(&self.run[self.had[index]..]));
            for portion in waiting {
                portion.hand_to(subscriber, sink);
            }
            if only.is_some() {
                // Others have less.
                subscriber.from = subscriber.from.max(self.newest);
            }
        }
    }

    fn change_table(
        &mut self,
        position: Position,
        table: &Arc<Visibility>,
        sink: &mut impl Deliver,
    ) {
        sink.table_changed(position, table);
        let before = std::mem::replace(&mut self.table, Arc::clone(table));
        let mut frames = ChannelFrames::new(self.guild);
        for (_, subscriber) in &mut self.subscribers {
            let member = &subscriber.member;
            let visible = table.visible_to(member.user.id, &member.roles);
            if position > subscriber.from {
                frames.tell(
                    subscriber,
                    (&before, &subscriber.visible),
                    (table, &visible),
                    (position, sink),
                );
            }
            subscriber.visible = visible;
        }
    }

    fn change_member(&mut self, position: Position, member: &Arc<Member>, sink: &mut impl Deliver) {
        let mut frames = ChannelFrames::new(self.guild);
        for (_, subscriber) in &mut self.subscribers {
            if subscriber.member.user.id != member.user.id || position <= subscriber.from {
                continue;
            }
            let visible = self.table.visible_to(member.user.id, &member.roles);
            frames.tell(
                subscriber,
                (&self.table, &subscriber.visible),
                (&self.table, &visible),
                (position, sink),
            );
            sink.member_changed(subscriber.session, position, member);
            subscriber.member = Arc::clone(member);
            subscriber.visible = visible;
        }
    }

    fn remove(&mut self, position: Position, user: Option<UserId>, sink: &mut impl Deliver) {
        let frame = Frame::from(guild_create::guild_delete(self.guild, false));
        let guild = self.guild;
        self.subscribers.retain(|_, subscriber| {
            let stays = user.is_some_and(|user| subscriber.member.user.id != user)
                || position <= subscriber.from;
            if !stays {
                if subscriber
                    .intents
                    .contains(EventName::GuildDelete.guild_intent())
                {
                    sink.deliver(subscriber.session, &frame, Some(position));
                }
                sink.removed(subscriber.session, guild);
            }
            stays
        });
    }
}

impl Subscriber {
    const fn group(&self) -> Group {
        Group::of(self.session)
    }

    fn gets(&self, ready: &Ready) -> bool {
        self.intents.contains(ready.intent)
            && match ready.channel {
                Where::Everywhere => true,
                Where::Slot(slot) => self.visible.contains(slot),
                Where::Nowhere => false,
            }
            && ready.position.is_none_or(|position| position > self.from)
            && match ready.audience {
                Audience::Everyone => true,
                Audience::Only(user) => self.member.user.id == user,
                Audience::Except(user) => self.member.user.id != user,
            }
    }
}

/// CHANNEL_CREATE and CHANNEL_DELETE of one change, made when first needed.
struct ChannelFrames {
    guild: GuildId,
    created: HashMap<ChannelId, Frame>,
    deleted: HashMap<ChannelId, Frame>,
}

impl ChannelFrames {
    fn new(guild: GuildId) -> Self {
        Self {
            guild,
            created: HashMap::new(),
            deleted: HashMap::new(),
        }
    }

    /// Tells a session which channels it gained and lost.
    fn tell(
        &mut self,
        subscriber: &Subscriber,
        before: (&Visibility, &ChannelSet),
        after: (&Visibility, &ChannelSet),
        (position, sink): (Position, &mut impl Deliver),
    ) {
        let position = Some(position);
        if !subscriber
            .intents
            .contains(EventName::ChannelCreate.guild_intent())
        {
            return;
        }
        for (slot, channel) in before.0.channels.iter().enumerate() {
            let still = || {
                after
                    .0
                    .slot(channel.id)
                    .is_some_and(|slot| after.1.contains(slot))
            };
            if before.1.contains(slot) && !still() {
                let frame = self
                    .deleted
                    .entry(channel.id)
                    .or_insert_with(|| frame(EventName::ChannelDelete, self.guild, &channel.body));
                sink.deliver(subscriber.session, frame, position);
            }
        }
        for (slot, channel) in after.0.channels.iter().enumerate() {
            let already = || {
                before
                    .0
                    .slot(channel.id)
                    .is_some_and(|slot| before.1.contains(slot))
            };
            if after.1.contains(slot) && !already() {
                let frame = self
                    .created
                    .entry(channel.id)
                    .or_insert_with(|| frame(EventName::ChannelCreate, self.guild, &channel.body));
                sink.deliver(subscriber.session, frame, position);
            }
        }
    }
}

fn frame(event: EventName, guild: GuildId, channel: &Bytes) -> Frame {
    guild_create::channel_event(event, guild, channel).into()
}

#[cfg(test)]
mod tests;
