//! The end of a run: what the publishers know meets what the sessions saw.

use super::{Checker, FirstSeen, Kind, Violation, Violations};

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

/// Judges a run: `outcomes[guild][publish]` against what the `checkers` of all threads observed.
pub fn finish(checkers: &[Checker], outcomes: &[Vec<Outcome>]) -> Verdict {
    let mut violations = Violations::default();
    let mut delivered = 0;
    for checker in checkers {
        violations.merge(checker.violations.clone());
        delivered += checker.delivered;
    }
    let mut recovered = 0;
    for (guild, outcomes) in outcomes.iter().enumerate() {
        let guild = guild as u32;
        let mut demands = Vec::with_capacity(outcomes.len());
        for (publish, outcome) in outcomes.iter().enumerate() {
            let demand = demand(checkers, &mut violations, guild, publish as u32, *outcome);
            let is_seen = matches!(demand, Demand::Seen(_));
            recovered += u64::from(is_seen && *outcome == Outcome::Unknown);
            demands.push(demand);
        }
        for checker in checkers {
            judge(checker, &mut violations, guild, &demands);
        }
    }
    Verdict {
        violations,
        delivered,
        recovered,
    }
}

/// What is demanded of all sessions of a guild about one publish.
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
    guild: u32,
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
        let first = checker.ids[guild as usize].get(publish as usize);
        let Some(&FirstSeen { id, session }) = first.filter(|first| first.id != 0) else {
            continue;
        };
        match demand {
            Demand::Seen(other) if other != id => violations.add(Kind::Conflict, || Violation {
                kind: Kind::Conflict,
                session: Some(session),
                guild: Some(guild),
                expected: format!("publish {publish} as message {other}"),
                seen: format!("message {id}"),
            }),
            _ => demand = Demand::Seen(id),
        }
    }
    demand
}

/// Holds each session of a guild to what is demanded.
fn judge(checker: &Checker, violations: &mut Violations, guild: u32, demands: &[Demand]) {
    for view in &checker.sessions {
        let found = view
            .subscriptions
            .binary_search_by_key(&guild, |subscription| subscription.guild);
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
        if !subscription.attached.is_attached() {
            violate(Kind::Loss, &|| {
                let seen = "none since the last identify".to_owned();
                ("GUILD_CREATE".to_owned(), seen)
            });
        }
        for (publish, demand) in demands.iter().enumerate() {
            let publish = publish as u32;
            let is_seen = subscription.seen.contains(publish);
            match *demand {
                Demand::Seen(id) if !is_seen && !subscription.is_covered(publish, id) => {
                    let last = subscription.last;
                    violate(Kind::Loss, &|| {
                        let expected = format!("publish {publish} as message {id}");
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
                        (expected, format!("publish {publish}"))
                    });
                }
                Demand::Seen(_) | Demand::Unseen | Demand::Nothing => {}
            }
        }
    }
}
