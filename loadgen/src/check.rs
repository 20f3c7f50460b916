//! The judge: events that the sessions observed go in, violations come out. No sockets, no clock, no threads.
//!
//! The order of a guild is the order of its message ids: snowflakes rise in journal order. From its `GUILD_CREATE` on,
//! each session must see exactly the acknowledged messages of its guilds, in that order, each once. Since every session
//! must see rising ids, and one publish must have one id for all of them, all see the same order.
//!
//! Each thread has a [`Checker`] of its own for its sessions; [`finish`] brings them together with the publishers'
//! [`Outcome`]s. Per (session, guild) the checker keeps 72 bytes in quiet running, whatever the length of the run.

mod seen;
mod verdict;
mod violation;

pub use verdict::{Outcome, Verdict, finish};
pub use violation::{Kind, Violation, Violations};

use seen::SeenSet;

/// What a session observed. `session` is the index within the [`Checker`], `guild` the index within the run.
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
    /// A `GUILD_CREATE`: live messages follow.
    Snapshot {
        /// Which session.
        session: u32,
        /// Which guild.
        guild: u32,
        /// A message that is older than all that follow; `None` if the snapshot names none.
        last_message: Option<u64>,
        /// Publishes of the guild that may have been sent by now: those from this number on must come live.
        published: u32,
    },
    /// A message of this run.
    Message {
        /// Which session.
        session: u32,
        /// The guild that the message was published in.
        guild: u32,
        /// Number of the publish within the guild.
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

/// One session's view of one guild.
#[derive(Debug)]
struct Subscription {
    guild: u32,
    attached: Attached,
    /// Highest message id seen, or covered by the snapshot.
    last: u64,
    seen: SeenSet,
    /// What need not come live.
    covered: Vec<Covered>,
}

/// Messages that a snapshot may have covered.
#[derive(Debug, Clone, Copy)]
struct Covered {
    /// Ids above this,
    after: u64,
    /// up to this,
    up_to: u64,
    /// of publishes below this number.
    below: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attached {
    /// No `GUILD_CREATE` yet.
    Never,
    /// No `GUILD_CREATE` since the last Identify.
    Not,
    /// There was a snapshot, but where it ends only the next message shows. Publishes from this number on were sent
    /// after it.
    Since(u32),
    /// Everything after the last message must come.
    Exactly,
}

impl Attached {
    fn is_attached(self) -> bool {
        matches!(self, Self::Since(_) | Self::Exactly)
    }
}

#[derive(Debug)]
struct SessionView {
    /// Number within the run.
    number: u32,
    /// Last sequence number; 0 before READY.
    s: u64,
    subscriptions: Box<[Subscription]>,
}

/// Who first showed which id for a publish; id 0 = nobody yet.
#[derive(Debug, Clone, Copy, Default)]
struct FirstSeen {
    id: u64,
    session: u32,
}

/// The judge of one thread's sessions.
#[derive(Debug)]
pub struct Checker {
    sessions: Vec<SessionView>,
    /// By guild and publish number; grows up to `planned`.
    ids: Vec<Vec<FirstSeen>>,
    /// Publishes of each guild in the whole run.
    planned: Vec<u32>,
    delivered: u64,
    violations: Violations,
}

impl Checker {
    /// A checker for `sessions` (number within the run, guilds) when guild `g` will get `planned[g]` publishes.
    pub fn new(sessions: impl IntoIterator<Item = (u32, Vec<u32>)>, planned: Vec<u32>) -> Self {
        let sessions = sessions
            .into_iter()
            .map(|(number, guilds)| SessionView {
                number,
                s: 0,
                subscriptions: guilds.into_iter().map(Subscription::new).collect(),
            })
            .collect();
        Self {
            sessions,
            ids: vec![Vec::new(); planned.len()],
            planned,
            delivered: 0,
            violations: Violations::default(),
        }
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
                guild,
                last_message,
                published,
            } => self.snapshot(session, guild, last_message, published),
            Observation::Message {
                session,
                guild,
                publish,
                id,
            } => self.message(session, guild, publish, id),
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

    fn snapshot(&mut self, session: u32, guild: u32, last_message: Option<u64>, published: u32) {
        let view = &mut self.sessions[session as usize];
        let Some(subscription) = find(&mut view.subscriptions, guild) else {
            let number = view.number;
            self.violations.add(Kind::Stray, || Violation {
                kind: Kind::Stray,
                session: Some(number),
                guild: Some(guild),
                expected: "guilds that the user is a member of".to_owned(),
                seen: "a snapshot of another guild".to_owned(),
            });
            return;
        };
        subscription.attached = match (subscription.attached, published) {
            // Nothing was sent before: the guild is empty.
            (Attached::Never, 0) => Attached::Exactly,
            _ => Attached::Since(published),
        };
        if let Some(id) = last_message.filter(|id| *id > subscription.last) {
            subscription.cover(id, published);
            subscription.last = id;
        }
    }

    fn message(&mut self, session: u32, guild: u32, publish: u32, id: u64) {
        let view = &mut self.sessions[session as usize];
        let number = view.number;
        let violations = &mut self.violations;
        let mut violate = |kind, expected: &dyn Fn() -> String| {
            violations.add(kind, || Violation {
                kind,
                session: Some(number),
                guild: Some(guild),
                expected: expected(),
                seen: format!("publish {publish} as message {id}"),
            });
        };
        let Some(subscription) = find(&mut view.subscriptions, guild) else {
            violate(Kind::Stray, &|| {
                "guilds that the user is a member of".to_owned()
            });
            return;
        };
        let planned = self.planned[guild as usize];
        if publish >= planned {
            violate(Kind::Ghost, &|| format!("publishes below {planned}"));
            return;
        }
        match subscription.attached {
            Attached::Exactly => {}
            Attached::Never | Attached::Not => {
                violate(Kind::Early, &|| "GUILD_CREATE first".to_owned());
            }
            Attached::Since(published) => {
                subscription.cover(id.saturating_sub(1), published);
                subscription.attached = Attached::Exactly;
            }
        }
        let ids = &mut self.ids[guild as usize];
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
        if !subscription.seen.insert(publish) {
            violate(Kind::Duplicate, &|| "each publish once".to_owned());
            return;
        }
        if id <= subscription.last {
            let last = subscription.last;
            violate(Kind::Reorder, &|| format!("a message after {last}"));
        } else {
            subscription.last = id;
        }
        self.delivered += 1;
    }
}

impl Subscription {
    fn new(guild: u32) -> Self {
        Self {
            guild,
            attached: Attached::Never,
            last: 0,
            seen: SeenSet::default(),
            covered: Vec::new(),
        }
    }

    /// What lies between the last message and `up_to` need not come live, if it is a publish below `below`.
    fn cover(&mut self, up_to: u64, below: u32) {
        let after = self.last;
        if up_to > after && below > 0 {
            self.covered.push(Covered {
                after,
                up_to,
                below,
            });
        }
    }

    /// Whether the session need not see the publish with this id live.
    fn is_covered(&self, publish: u32, id: u64) -> bool {
        let is_after = id > self.last;
        match self.attached {
            // That there was no `GUILD_CREATE` is reported by itself.
            Attached::Never | Attached::Not if is_after => return true,
            Attached::Since(published) if is_after && publish < published => return true,
            _ => {}
        }
        self.covered
            .iter()
            .any(|covered| covered.after < id && id <= covered.up_to && publish < covered.below)
    }
}

fn find(subscriptions: &mut [Subscription], guild: u32) -> Option<&mut Subscription> {
    // Ascending and short: one entry in most runs.
    if let [only] = subscriptions {
        return (only.guild == guild).then_some(only);
    }
    let index = subscriptions
        .binary_search_by_key(&guild, |subscription| subscription.guild)
        .ok()?;
    Some(&mut subscriptions[index])
}

#[cfg(test)]
mod tests;
