//! The end of a run: what the publishers know meets what the sessions saw.

use super::{Attached, Checker, Expects, FirstSeen, Kind, Violation, Violations, guild_of};

/// What became of a publish, as its sender knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Outcome {
    /// Never put on the wire: nobody may see it.
    #[default]
    Unsent,
    /// Refused for good: nobody may see it.
    Refused,
    /// Sent, but no definite answer came: all sessions see it, or none.
    Unknown,
    /// Acknowledged with this message id: everybody sees it.
    Acked(u64),
}

/// What the whole run amounts to.
#[derive(Debug)]
pub struct Verdict {
    /// Everything that was wrong.
    pub violations: Violations,
    /// Publishes that came to a session, each counted once per session.
    pub delivered: u64,
    /// Publishes whose sender got no definite answer although sessions saw them.
    pub recovered: u64,
}

/// Judges a run: `outcomes[room][publish]` against what the `checkers` of all threads observed. `sent` has the times in
/// microseconds at which the publishes were sent; `u64::MAX` for those that were not.
pub fn finish(checkers: &[Checker], outcomes: &[Vec<Outcome>], sent: &[Vec<u64>]) -> Verdict {
    let mut violations = Violations::default();
    let mut delivered = 0;
    for checker in checkers {
        violations.merge(checker.violations.clone());
        delivered += checker.delivered;
    }
    let mut recovered = 0;
    for (room, (outcomes, sent)) in outcomes.iter().zip(sent).enumerate() {
        let room = room as u32;
        let mut demands = Vec::with_capacity(outcomes.len());
        for (publish, outcome) in outcomes.iter().enumerate() {
            let demand = demand(checkers, &mut violations, room, publish as u32, *outcome);
            let is_seen = matches!(demand, Demand::Seen(_));
            recovered += u64::from(is_seen && *outcome == Outcome::Unknown);
            demands.push(demand);
        }
        for checker in checkers {
            judge(checker, &mut violations, room, (&demands, sent));
        }
    }
    Verdict {
        violations,
        delivered,
        recovered,
    }
}

/// What is demanded of all sessions of a room about one publish.
#[derive(Debug, Clone, Copy)]
enum Demand {
    /// To have seen it under this id.
    Seen(u64),
    /// Not to have seen it.
    Unseen,
    /// Nothing: no session saw it, and nobody knows what became of it.
    Nothing,
}

fn demand(
    checkers: &[Checker],
    violations: &mut Violations,
    room: u32,
    publish: u32,
    outcome: Outcome,
) -> Demand {
    let mut demand = match outcome {
        Outcome::Acked(id) => Demand::Seen(id),
        Outcome::Unknown => Demand::Nothing,
        Outcome::Refused | Outcome::Unsent => return Demand::Unseen,
    };
    // Within a thread each session was held to what the first one saw.
    for checker in checkers {
        let first = checker.ids[room as usize].get(publish as usize);
        let Some(&FirstSeen { id, session }) = first.filter(|first| first.id != 0) else {
            continue;
        };
        match demand {
            Demand::Seen(other) if other != id => violations.add(Kind::Conflict, || Violation {
                kind: Kind::Conflict,
                session: Some(session),
                guild: Some(guild_of(&checker.guild_of, room)),
                expected: format!("publish {publish} of room {room} as message {other}"),
                seen: format!("message {id}"),
            }),
            _ => demand = Demand::Seen(id),
        }
    }
    demand
}

/// Holds each session of a room to what is demanded.
fn judge(
    checker: &Checker,
    violations: &mut Violations,
    room: u32,
    (demands, sent): (&[Demand], &[u64]),
) {
    let guild = guild_of(&checker.guild_of, room);
    for view in &checker.sessions {
        let found = view
            .subscriptions
            .binary_search_by_key(&room, |subscription| subscription.room);
        let Ok(index) = found else {
            continue;
        };
        let subscription = &view.subscriptions[index];
        let mut violate = |kind, describe: &dyn Fn() -> (String, String)| {
            violations.add(kind, || {
                let (expected, seen) = describe();
                Violation {
                    kind,
                    session: Some(view.number),
                    guild: Some(guild),
                    expected,
                    seen,
                }
            });
        };
        let must_be_there =
            view.expects != Expects::WhatItReads && subscription.attached != Attached::Left;
        if must_be_there && !subscription.attached.is_attached() {
            violate(Kind::Loss, &|| {
                let seen = "none since the last identify".to_owned();
                ("GUILD_CREATE".to_owned(), seen)
            });
        }
        for ((publish, demand), sent) in (0..).zip(demands).zip(sent) {
            let is_seen = subscription.seen.contains(publish);
            match *demand {
                Demand::Seen(_) if view.expects == Expects::Nothing => {}
                Demand::Seen(id)
                    if view.expects == Expects::WhatItReads && id > subscription.last => {}
                Demand::Seen(id) if !is_seen && !subscription.is_covered(id, *sent) => {
                    let last = subscription.last;
                    violate(Kind::Loss, &|| {
                        let expected = format!("publish {publish} of room {room} as message {id}");
                        let seen = if last > id {
                            format!("nothing of it, but message {last} after it")
                        } else {
                            format!("nothing after message {last}")
                        };
                        (expected, seen)
                    });
                }
                Demand::Unseen if is_seen => {
                    violate(Kind::Ghost, &|| {
                        let expected = "nothing: the publish was not accepted".to_owned();
                        (expected, format!("publish {publish} of room {room}"))
                    });
                }
                Demand::Seen(_) | Demand::Unseen | Demand::Nothing => {}
            }
        }
    }
}
