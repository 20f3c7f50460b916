//! The judge: events that the sessions observed go in, violations come out. No sockets, no clock, no threads.
//!
//! A *room* is a channel that the run posts in. The order of a guild is the order of its message ids, over all its rooms:
//! snowflakes rise in journal order. From its `GUILD_CREATE` on, each session must see exactly the acknowledged messages
//! of the rooms that its user may see, in that order, each once, and none of any other room. Since every session must see
//! rising ids, and one publish must have one id for all of them, all see the same order.
//!
//! Each thread has a [`Checker`] of its own for its sessions; [`finish`] brings them together with the publishers'
//! [`Outcome`]s. Per (session, room) the checker keeps 72 bytes in quiet running, whatever the length of the run.

pub mod command;
pub mod history;
mod seen;
mod verdict;
mod violation;

pub use verdict::{Outcome, Verdict, finish};
pub use violation::{Kind, Violation, Violations};

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::plan::Client;
use seen::SeenSet;

/// What a session observed. `session` is the index within the [`Checker`], `room` the index within the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observation {
    /// A new logical session begins (Identify was accepted): sequence numbers start again and its guilds are unknown.
    Identified {
        /// Which session.
        session: u32,
    },
    /// A dispatch came with sequence number `s`.
    Sequence {
        /// Which session.
        session: u32,
        /// The frame's sequence number.
        s: u64,
    },
    /// A `GUILD_CREATE` names a room: live messages follow.
    Snapshot {
        /// Which session.
        session: u32,
        /// Which room of the guild.
        room: u32,
        /// A message that is older than all that follow; `None` if the snapshot names none.
        last_message: Option<u64>,
        /// Publishes sent up to this time, in microseconds, may be part of it; those sent later must come live. 0 if
        /// none was sent yet.
        sent_by: u64,
    },
    /// A `GUILD_DELETE`: the user is no member any more, nothing may follow.
    Left {
        /// Which session.
        session: u32,
        /// Which room of the guild.
        room: u32,
    },
    /// A message of this run.
    Message {
        /// Which session.
        session: u32,
        /// The room that the message was published in.
        room: u32,
        /// Number of the publish within the room.
        publish: u32,
        /// The message's snowflake.
        id: u64,
    },
    /// A message that nobody of this run wrote.
    Foreign {
        /// Which session.
        session: u32,
        /// The message's snowflake.
        id: u64,
    },
}

/// What a session must see of its rooms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expects {
    /// Each message.
    Everything,
    /// Each message up to the last one that it saw: it reads too slowly to see them all.
    WhatItReads,
    /// No message at all: it did not ask for any.
    Nothing,
}

impl Expects {
    /// What such a client must see.
    pub fn of(client: &Client) -> Self {
        if !client.gets_messages() {
            Self::Nothing
        } else if client.bytes_per_second.is_some() {
            Self::WhatItReads
        } else {
            Self::Everything
        }
    }

    /// Its name in a history.
    pub fn name(self) -> &'static str {
        match self {
            Self::Everything => "all",
            Self::WhatItReads => "slow",
            Self::Nothing => "none",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Everything, Self::WhatItReads, Self::Nothing]
            .into_iter()
            .find(|expects| expects.name() == name)
    }
}

/// One session's view of one room.
#[derive(Debug, Serialize, Deserialize)]
struct Subscription {
    room: u32,
    attached: Attached,
    /// Highest message id seen, or covered by the snapshot.
    last: u64,
    seen: SeenSet,
    /// What need not come live.
    covered: Vec<Covered>,
}

/// Messages that a snapshot may have covered.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Covered {
    /// Ids above this,
    after: u64,
    /// up to this,
    up_to: u64,
    /// of publishes sent up to this time.
    sent_by: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Attached {
    /// No `GUILD_CREATE` yet.
    Never,
    /// No `GUILD_CREATE` since the last Identify.
    Not,
    /// The user left the guild.
    Left,
    /// There was a snapshot, but where it ends only the next message shows. Publishes sent after this time were sent
    /// after it.
    Since(u64),
    /// Everything after the last message must come.
    Exactly,
}

impl Attached {
    fn is_attached(self) -> bool {
        matches!(self, Self::Since(_) | Self::Exactly)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct SessionView {
    /// Number within the run.
    number: u32,
    /// Last sequence number; 0 before READY.
    s: u64,
    expects: Expects,
    subscriptions: Box<[Subscription]>,
}

/// Who first showed which id for a publish; id 0 = nobody yet.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(from = "(u64, u32)", into = "(u64, u32)")]
struct FirstSeen {
    id: u64,
    session: u32,
}

impl From<(u64, u32)> for FirstSeen {
    fn from((id, session): (u64, u32)) -> Self {
        Self { id, session }
    }
}

impl From<FirstSeen> for (u64, u32) {
    fn from(first: FirstSeen) -> Self {
        (first.id, first.session)
    }
}

/// The judge of one thread's sessions. Judges the same after it went to another process.
#[derive(Debug, Serialize, Deserialize)]
pub struct Checker {
    sessions: Vec<SessionView>,
    /// Guild of each room, ascending; empty when each room is a guild of its own.
    guild_of: Arc<[u32]>,
    /// By room and publish number; grows up to `planned`.
    ids: Vec<Vec<FirstSeen>>,
    /// Publishes of each room in the whole run.
    planned: Vec<u32>,
    delivered: u64,
    violations: Violations,
}

impl Checker {
    /// A checker for `sessions` (number within the run, rooms in ascending order) when room `r` will get `planned[r]`
    /// publishes. Each room is a guild of its own.
    pub fn new(sessions: impl IntoIterator<Item = (u32, Vec<u32>)>, planned: Vec<u32>) -> Self {
        let sessions = sessions
            .into_iter()
            .map(|(number, rooms)| SessionView {
                number,
                s: 0,
                expects: Expects::Everything,
                subscriptions: rooms.into_iter().map(Subscription::new).collect(),
            })
            .collect();
        Self {
            sessions,
            guild_of: Arc::default(),
            ids: vec![Vec::new(); planned.len()],
            planned,
            delivered: 0,
            violations: Violations::default(),
        }
    }

    /// The guild of each room, ascending: order holds over all rooms of a guild.
    #[must_use]
    pub fn in_guilds(mut self, guild_of: Arc<[u32]>) -> Self {
        self.guild_of = guild_of;
        self
    }

    /// Says what a session must see; everything unless told otherwise.
    pub fn expect(&mut self, session: u32, expects: Expects) {
        self.sessions[session as usize].expects = expects;
    }

    /// Publishes that came to a session, each counted once per session.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Violations so far.
    pub fn violations(&self) -> &Violations {
        &self.violations
    }

    /// Reports something wrong that is not about messages, such as a malformed frame.
    pub fn protocol_error(&mut self, session: u32, expected: &str, seen: String) {
        let number = self.sessions[session as usize].number;
        self.violations.add(Kind::Protocol, || Violation {
            kind: Kind::Protocol,
            session: Some(number),
            guild: None,
            expected: expected.to_owned(),
            seen,
        });
    }

    /// Takes one observation in.
    pub fn observe(&mut self, observation: Observation) {
        match observation {
            Observation::Identified { session } => self.identified(session),
            Observation::Sequence { session, s } => self.sequence(session, s),
            Observation::Snapshot {
                session,
                room,
                last_message,
                sent_by,
            } => self.snapshot(session, room, last_message, sent_by),
            Observation::Left { session, room } => {
                let view = &mut self.sessions[session as usize];
                if let Some(subscription) = find(&mut view.subscriptions, room) {
                    subscription.attached = Attached::Left;
                }
            }
            Observation::Message {
                session,
                room,
                publish,
                id,
            } => self.message(session, room, publish, id),
            Observation::Foreign { session, id } => {
                let number = self.sessions[session as usize].number;
                self.violations.add(Kind::Ghost, || Violation {
                    kind: Kind::Ghost,
                    session: Some(number),
                    guild: None,
                    expected: "only messages of this run".to_owned(),
                    seen: format!("message {id} without this run's mark"),
                });
            }
        }
    }

    fn identified(&mut self, session: u32) {
        let view = &mut self.sessions[session as usize];
        view.s = 0;
        for subscription in &mut view.subscriptions {
            if subscription.attached.is_attached() {
                subscription.attached = Attached::Not;
            }
        }
    }

    fn sequence(&mut self, session: u32, s: u64) {
        let view = &mut self.sessions[session as usize];
        let expected = view.s + 1;
        view.s = s;
        if s != expected {
            let number = view.number;
            self.violations.add(Kind::Gap, || Violation {
                kind: Kind::Gap,
                session: Some(number),
                guild: None,
                expected: format!("sequence {expected}"),
                seen: format!("sequence {s}"),
            });
        }
    }

    fn snapshot(&mut self, session: u32, room: u32, last_message: Option<u64>, sent_by: u64) {
        let view = &mut self.sessions[session as usize];
        let Some(subscription) = find(&mut view.subscriptions, room) else {
            let (kind, expected) = misplaced(&view.subscriptions, &self.guild_of, room);
            let number = view.number;
            let guild = guild_of(&self.guild_of, room);
            self.violations.add(kind, || Violation {
                kind,
                session: Some(number),
                guild: Some(guild),
                expected: expected.to_owned(),
                seen: format!("a snapshot with room {room}"),
            });
            return;
        };
        subscription.attached = match (subscription.attached, sent_by) {
            // Nothing was sent before: the guild is empty.
            (Attached::Never, 0) => Attached::Exactly,
            _ => Attached::Since(sent_by),
        };
        if let Some(id) = last_message.filter(|id| *id > subscription.last) {
            subscription.cover(id, sent_by);
            subscription.last = id;
        }
    }

    fn message(&mut self, session: u32, room: u32, publish: u32, id: u64) {
        let view = &mut self.sessions[session as usize];
        let number = view.number;
        let guild = guild_of(&self.guild_of, room);
        let violations = &mut self.violations;
        let mut violate = |kind, expected: &dyn Fn() -> String| {
            violations.add(kind, || Violation {
                kind,
                session: Some(number),
                guild: Some(guild),
                expected: expected(),
                seen: format!("publish {publish} of room {room} as message {id}"),
            });
        };
        let elsewhere = newest_elsewhere(&view.subscriptions, &self.guild_of, room);
        let Some(subscription) = find(&mut view.subscriptions, room) else {
            let (kind, expected) = misplaced(&view.subscriptions, &self.guild_of, room);
            violate(kind, &|| expected.to_owned());
            return;
        };
        let planned = self.planned[room as usize];
        if publish >= planned {
            violate(Kind::Ghost, &|| format!("publishes below {planned}"));
            return;
        }
        match subscription.attached {
            Attached::Exactly => {}
            Attached::Never | Attached::Not => {
                violate(Kind::Early, &|| "GUILD_CREATE first".to_owned());
            }
            Attached::Left => {
                violate(Kind::Leak, &|| {
                    "nothing of a guild after GUILD_DELETE".to_owned()
                });
            }
            Attached::Since(sent_by) => {
                subscription.cover(id.saturating_sub(1), sent_by);
                subscription.attached = Attached::Exactly;
            }
        }
        let ids = &mut self.ids[room as usize];
        if ids.len() <= publish as usize {
            ids.resize(publish as usize + 1, FirstSeen::default());
        }
        let first = &mut ids[publish as usize];
        if first.id == 0 {
            *first = FirstSeen {
                id,
                session: number,
            };
        } else if first.id != id {
            let first = *first;
            violate(Kind::Conflict, &|| {
                format!("message {}, as session {} saw it", first.id, first.session)
            });
        }
        if view.expects == Expects::Nothing {
            violate(Kind::Leak, &|| {
                "no messages: it did not ask for any".to_owned()
            });
        }
        if !subscription.seen.insert(publish) {
            violate(Kind::Duplicate, &|| "each publish once".to_owned());
            return;
        }
        let newest = subscription.last.max(elsewhere);
        if id <= newest {
            violate(Kind::Reorder, &|| format!("a message after {newest}"));
        }
        subscription.last = subscription.last.max(id);
        self.delivered += 1;
    }
}

impl Subscription {
    fn new(room: u32) -> Self {
        Self {
            room,
            attached: Attached::Never,
            last: 0,
            seen: SeenSet::default(),
            covered: Vec::new(),
        }
    }

    /// What lies between the last message and `up_to` need not come live, if it was sent by `sent_by`.
    fn cover(&mut self, up_to: u64, sent_by: u64) {
        let after = self.last;
        if up_to > after && sent_by > 0 {
            self.covered.push(Covered {
                after,
                up_to,
                sent_by,
            });
        }
    }

    /// Whether the session need not see the publish with this id, sent at this time, live.
    fn is_covered(&self, id: u64, sent: u64) -> bool {
        let is_after = id > self.last;
        match self.attached {
            // That there was no `GUILD_CREATE` is reported by itself.
            Attached::Never | Attached::Not | Attached::Left if is_after => return true,
            Attached::Since(sent_by) if is_after && sent <= sent_by => return true,
            _ => {}
        }
        self.covered
            .iter()
            .any(|covered| covered.after < id && id <= covered.up_to && sent <= covered.sent_by)
    }
}

fn find(subscriptions: &mut [Subscription], room: u32) -> Option<&mut Subscription> {
    // Ascending and short: one entry in most runs.
    if let [only] = subscriptions {
        return (only.room == room).then_some(only);
    }
    let index = subscriptions
        .binary_search_by_key(&room, |subscription| subscription.room)
        .ok()?;
    Some(&mut subscriptions[index])
}

fn guild_of(guilds: &[u32], room: u32) -> u32 {
    guilds.get(room as usize).copied().unwrap_or(room)
}

/// What it is when something comes of a room that the session's user may not see.
fn misplaced(subscriptions: &[Subscription], guilds: &[u32], room: u32) -> (Kind, &'static str) {
    let guild = guild_of(guilds, room);
    let is_member = subscriptions
        .iter()
        .any(|subscription| guild_of(guilds, subscription.room) == guild);
    if is_member {
        (Kind::Leak, "nothing of a channel that the user may not see")
    } else {
        (Kind::Stray, "guilds that the user is a member of")
    }
}

/// The newest message that the session knows of the other rooms of the guild.
fn newest_elsewhere(subscriptions: &[Subscription], guilds: &[u32], room: u32) -> u64 {
    if guilds.is_empty() || subscriptions.len() < 2 {
        return 0;
    }
    let guild = guild_of(guilds, room);
    let first = subscriptions.partition_point(|other| guild_of(guilds, other.room) < guild);
    subscriptions[first..]
        .iter()
        .take_while(|other| guild_of(guilds, other.room) == guild)
        .filter(|other| other.room != room)
        .map(|other| other.last)
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;
