//! The guild as a pure state machine: `(now, input) → outputs`. No socket, no thread, no clock.
//!
//! *Invariant I2 (no ghost)*: an output that depends on a record leaves only after that record's
//! append is acknowledged. Commands are checked against, and applied to, the newest state at once;
//! what they make visible (replies, items, attachments, also of plain reads) waits in the outbox
//! behind the position it depends on. If an append fails, the core is thrown away and rebuilt from
//! the journal. Errors wait like answers do, since they tell of the state as well. Two things do not
//! wait: typing and presence, which are of no use later, and the UNAVAILABLE of a full outbox.
//!
//! *Invariant I3*: items leave in the order of their positions, and an attachment stands between the
//! items up to its position and those after it.
//!
//! *Invariant I5*: nothing here is per session, except that a session's attachment is answered.

mod ascending;
mod attached;
mod channels;
mod edits;
mod embeds;
mod execute;
mod guilds;
mod history;
mod json;
mod limits;
mod member_map;
mod members;
mod memory;
mod mentions;
mod nonces;
mod outbox;
mod overwrites;
mod reactions;
mod recall;
mod recalled;
pub mod record;
mod remembered;
pub mod render;
mod replay;
mod retention;
mod rights;
mod roles;
mod send;
mod slow_mode;
mod snapshot;
mod state;
mod table;
#[cfg(test)]
mod tests;
mod validate;

use std::sync::Arc;

use bytes::Bytes;

pub use limits::CoreSettings;
pub use recalled::{Covered, Recollection};
pub use remembered::Remembered;
pub use replay::{Replay, items_of};
pub use retention::Retention;
pub use snapshot::SnapshotError;

use self::attached::{Attached, offline};
use self::outbox::Outbox;
use self::render::Items;
use self::state::{Life, State};
use super::command::{Outcome, Request};
use super::event::Event;
use super::seldom::Seldom;
use crate::fanout::{Attachment, HubId, Item};
use crate::journal::NewRecord;
use crate::protocol::objects::{Member, Presence};
use crate::protocol::{ApiError, ChannelId, GuildId, Intents, MessageId, Position, UserId};

/// When something happens, and the id that it may give.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// A fresh snowflake of this node, for a message that the input may create.
    pub fresh_id: MessageId,
}

/// Names a request until it is answered; chosen by the actor.
pub type Ticket = u64;

/// A session to be attached to the guild.
#[derive(Debug, Clone)]
pub struct Attach {
    /// Where the session lives.
    pub hub: HubId,
    /// Names the session within its hub.
    pub session: u64,
    /// Whose session it is.
    pub user: UserId,
    /// What it asked for; with GUILD_MEMBERS or GUILD_PRESENCES it is shown all members.
    pub intents: Intents,
    /// Up to how many members all of them are shown, 50 to 250.
    pub large_threshold: u16,
    /// The presence of the session; `None` where it attaches again and the guild knows it.
    pub presence: Option<Presence>,
}

/// What the core wants done.
#[derive(Debug)]
pub enum Output {
    /// Answer a request.
    Reply {
        /// Which.
        ticket: Ticket,
        /// How.
        outcome: Outcome,
    },
    /// Hand an item to every subscribed hub, in order.
    Item(Item),
    /// Answer an attachment; for this hub it stands in order with the items.
    Attached {
        /// The hub.
        hub: HubId,
        /// The session.
        session: u64,
        /// The snapshot, or why there is none (UNKNOWN_GUILD, UNKNOWN_MEMBER).
        result: Box<Result<Attachment, ApiError>>,
    },
}

/// Records to be appended in one go.
#[derive(Debug)]
pub struct Batch {
    /// The position that the journal must be at.
    pub expected: Position,
    /// Serialized [`super::event::Event`]s with the messages that they are about; the first gets
    /// position `expected + 1`.
    pub records: Vec<NewRecord>,
}

/// What a guild holds, for the operator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Members.
    pub members: usize,
    /// Channels.
    pub channels: usize,
    /// Roles, `@everyone` among them.
    pub roles: usize,
    /// Messages in memory.
    pub messages: usize,
    /// Bytes of their content, embeds, components and reactions.
    pub message_bytes: usize,
    /// Attached sessions.
    pub sessions: usize,
    /// Users who are not shown as offline.
    pub online: usize,
    /// Records that are not acknowledged.
    pub unacknowledged: usize,
    /// Outputs that wait for an acknowledgement.
    pub waiting: usize,
    /// Commands refused because too much was waiting.
    pub refused: u64,
}

/// A guild without its surroundings: inputs go in, records and outputs come out.
///
/// Use: [`apply`](Self::apply) every record of the journal, then give it requests and sessions.
/// After each input take the outputs that may leave and the batch to be appended, if any; when the
/// journal has acknowledged it, say so with [`appended`](Self::appended). Where an append failed,
/// [`give_up`](Self::give_up) and start anew.
#[derive(Debug)]
pub struct GuildCore {
    settings: Arc<CoreSettings>,
    state: State,
    outbox: Outbox,
    attached: Seldom<Attached>,
}

impl GuildCore {
    /// A guild before its first record, with default bounds.
    pub fn new(id: GuildId) -> Self {
        Self::with_settings(id, CoreSettings::default())
    }

    /// A guild before its first record.
    pub fn with_settings(id: GuildId, settings: impl Into<Arc<CoreSettings>>) -> Self {
        Self {
            settings: settings.into(),
            state: State::new(id),
            outbox: Outbox::default(),
            attached: Seldom::new(),
        }
    }

    /// A guild as a snapshot has it; the records after it are to be applied.
    pub fn from_snapshot(
        bytes: &[u8],
        settings: impl Into<Arc<CoreSettings>>,
    ) -> Result<Self, SnapshotError> {
        let state = State::from_snapshot(bytes)?;
        let mut outbox = Outbox::default();
        outbox.replayed_to(state.position);
        Ok(Self {
            settings: settings.into(),
            state,
            outbox,
            attached: Seldom::new(),
        })
    }

    /// Gives back the room of queues that are empty.
    pub fn give_back(&mut self) {
        self.outbox.give_back();
        self.attached.give_back();
        if let Ok(guild) = self.state.guild_mut() {
            guild.give_back();
        }
    }

    /// The state at its [position](Self::position) as bytes, acknowledged or not.
    pub fn image(&self) -> Bytes {
        self.state.to_snapshot()
    }

    /// Takes in a record of the journal. Panics where `position` is not the next one.
    pub fn apply(&mut self, position: Position, event: Event) {
        self.state.apply(position, event, &self.settings);
        self.outbox.replayed_to(position);
    }

    /// What all its events have in common.
    pub fn scope(&self) -> render::Scope {
        self.state.scope()
    }

    /// The guild's id.
    pub fn id(&self) -> GuildId {
        self.state.id
    }

    /// Whether there is a guild: made and not deleted.
    pub fn exists(&self) -> bool {
        matches!(self.state.life, Life::Alive(_))
    }

    /// The position of the newest record, acknowledged or not.
    pub fn position(&self) -> Position {
        self.state.position
    }

    /// The position of the last acknowledged record.
    pub fn acknowledged(&self) -> Position {
        self.outbox.acknowledged()
    }

    /// Whether nothing waits for an acknowledgement.
    pub fn is_settled(&self) -> bool {
        self.outbox.is_idle() && self.outbox.waiting() == 0
    }

    /// Attached sessions of a hub.
    pub fn sessions_on(&self, hub: HubId) -> usize {
        self.attached.sessions_on(hub)
    }

    /// A member.
    pub fn member_of(&self, user: UserId) -> Option<&Arc<Member>> {
        self.state.guild().ok()?.members.get(user)
    }

    /// The ids of all members, rising.
    pub fn member_ids(&self) -> impl Iterator<Item = UserId> + '_ {
        let guild = self.state.guild().ok();
        guild.into_iter().flat_map(|g| g.members.keys())
    }

    /// The ids of all channels, rising.
    pub fn channel_ids(&self) -> impl Iterator<Item = ChannelId> + '_ {
        let guild = self.state.guild().ok();
        guild.into_iter().flat_map(|g| g.channels.keys().copied())
    }

    /// What it holds.
    pub fn figures(&self) -> Figures {
        let guild = self.state.guild().ok();
        Figures {
            members: guild.map_or(0, |guild| guild.members.len()),
            channels: guild.map_or(0, |guild| guild.channels.len()),
            roles: guild.map_or(0, |guild| guild.roles.len()),
            messages: guild.map_or(0, |guild| guild.memory.len()),
            message_bytes: guild.map_or(0, |guild| guild.memory.bytes()),
            sessions: self.attached.sessions(),
            online: self.attached.online_count(),
            unacknowledged: self.outbox.unacknowledged(),
            waiting: self.outbox.waiting(),
            refused: self.outbox.refused(),
        }
    }

    /// Does what is asked; the answer is an output.
    pub fn handle(&mut self, at: &Moment, ticket: Ticket, request: Request) {
        if self.outbox.is_full(&self.settings) {
            let outcome = Err(ApiError::UNAVAILABLE);
            self.outbox.refuse(Output::Reply { ticket, outcome });
            return;
        }
        let outcome = self.execute(at, &request.caller, request.command);
        let position = self.state.position;
        self.outbox
            .push(position, Output::Reply { ticket, outcome });
    }

    /// Attaches a session; the answer is an output. Attaching a session again only answers again.
    pub fn attach(&mut self, at: &Moment, attach: &Attach) {
        let (hub, session) = (attach.hub, attach.session);
        let answer = |result| Output::Attached {
            hub,
            session,
            result: Box::new(result),
        };
        if self.outbox.is_full(&self.settings) {
            self.outbox.refuse(answer(Err(ApiError::UNAVAILABLE)));
            return;
        }
        let result = self.view_for(at, attach);
        self.outbox.push(self.state.position, answer(result));
    }

    /// Notes a session that a hub had attached before the guild was loaded anew; nobody is told.
    pub fn restore(&mut self, attach: &Attach) {
        let is_member = |guild: &state::Guild| guild.members.contains(attach.user);
        if self.state.guild().is_ok_and(is_member) {
            self.attached.attach(attach);
        }
    }

    /// Forgets a session.
    pub fn detach(&mut self, _at: &Moment, hub: HubId, session: u64, user: UserId) {
        if self.attached.detach(hub, session, user) {
            self.tell_presence(user);
        }
    }

    /// Forgets all sessions of a hub.
    pub fn forget_hub(&mut self, at: &Moment, hub: HubId) {
        for (session, user) in self.attached.of_hub(hub) {
            self.detach(at, hub, session, user);
        }
    }

    /// Sets the presence of a user with attached sessions; of others it means nothing.
    pub fn set_presence(&mut self, _at: &Moment, user: UserId, presence: &Presence) {
        if self.attached.show(user, presence) {
            self.tell_presence(user);
        }
    }

    /// Claims the log for `node`, behind what is to be written; answers at which position. For an owner
    /// that took the core over as it was. There must be a guild.
    pub fn claim(&mut self, node: &str) -> Position {
        self.emit(Event::Claimed {
            node: node.to_owned(),
        });
        self.state.position
    }

    /// Whether there is a [next append](Self::next_batch).
    pub fn has_batch(&self) -> bool {
        self.outbox.has_batch()
    }

    /// The next append, if none is in flight and there is something to write.
    pub fn next_batch(&mut self) -> Option<Batch> {
        self.outbox.next_batch(&self.settings)
    }

    /// The append in flight is acknowledged; its last record stands at `last`.
    ///
    /// Panics where that is not what was asked for.
    pub fn appended(&mut self, last: Position) {
        self.outbox.appended(last);
    }

    /// Takes the outputs that may leave, in order.
    pub fn outputs(&mut self) -> impl Iterator<Item = Output> + '_ {
        self.outbox.drain()
    }

    /// Commands and attachments refused so far because too much was waiting.
    pub fn refused(&self) -> u64 {
        self.outbox.refused()
    }

    /// Ends the core: the journal is at `written`, which may be behind it. Answers to requests that
    /// depend on nothing after that are given as they are, the others are UNAVAILABLE. Items and
    /// attachments that wait are gone: hubs are to join again.
    pub fn give_up(self, written: Position) -> impl Iterator<Item = (Ticket, Outcome)> {
        self.outbox.give_up(written)
    }

    /// Lets an event happen: state, journal and hubs.
    fn emit(&mut self, event: Event) {
        let record = NewRecord {
            bytes: record::encode(&event),
            about: event.about(),
        };
        match &event {
            Event::MemberLeft { user } => self.attached.forget(user.id),
            Event::GuildDeleted => self.attached = Seldom::new(),
            _ => {}
        }
        let position = self.state.position + 1;
        let items = self.state.advance(position, event, &self.settings);
        self.queue(record, items);
    }

    /// Lets an event happen that is rendered already.
    fn commit(&mut self, bytes: Bytes, items: Items, event: Event) {
        let about = event.about();
        let record = NewRecord { bytes, about };
        let position = self.state.position + 1;
        self.state.apply(position, event, &self.settings);
        self.queue(record, items);
    }

    fn queue(&mut self, record: NewRecord, items: Items) {
        self.outbox.record(record);
        let position = self.state.position;
        for item in items {
            self.outbox.push(position, Output::Item(item));
        }
    }

    fn view_for(&mut self, at: &Moment, attach: &Attach) -> Result<Attachment, ApiError> {
        let guild = self.state.guild()?;
        let member = guild.members.get(attach.user);
        let member = Arc::clone(member.ok_or(ApiError::UNKNOWN_MEMBER)?);
        if self.attached.attach(attach) {
            self.tell_presence(attach.user);
        }
        let position = self.state.position;
        let guild = self.state.guild_mut()?;
        let large = guild.members.len() > usize::from(attach.large_threshold);
        let wants = |intent| !guild.direct && !large && attach.intents.contains(intent);
        let wants_presences = wants(Intents::GUILD_PRESENCES);
        let wants_members = wants(Intents::GUILD_MEMBERS) || wants_presences;
        Ok(Attachment {
            view: guild.view(position, at.now_ms),
            member,
            large,
            members: wants_members.then(|| guild.members_json()),
            presences: wants_presences.then(|| self.attached.presences_json(guild)),
        })
    }

    /// Tells sessions that want presences what a user is shown as now.
    fn tell_presence(&mut self, user: UserId) {
        let Ok(guild) = self.state.guild() else {
            return;
        };
        // Direct messages have no presences: friends would, and there are none.
        if guild.direct || !self.attached.wants_presences() {
            return;
        }
        if let Some(member) = guild.members.get(user) {
            let offline = offline();
            let shown = self.attached.shown(user).unwrap_or(&offline);
            let item = render::presence_item(guild.settings.id, &member.user, shown);
            self.outbox.push_now(Output::Item(item));
        }
    }
}
