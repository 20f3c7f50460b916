//! The end of a run: what the publishers know meets what the sessions saw.

use super::{Attached, Checker, FirstSeen, Kind, Violation, Violations};

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
        let mut expected = Vec::with_capacity(outcomes.len());
        for (publish, outcome) in outcomes.iter().enumerate() {
            let id = true_id(checkers, &mut violations, guild, publish, *outcome);
            recovered += u64::from(id.is_some() && *outcome == Outcome::Unknown);
            expected.push(id);
        }
        for checker in checkers {
            losses(checker, &mut violations, guild as u32, &expected);
        }
    }
    Verdict {
        violations,
        delivered,
        recovered,
    }
}

/// The id under which all sessions of the guild must have seen the publish; `None` if they need not.
fn true_id(
    checkers: &[Checker],
    violations: &mut Violations,
    guild: usize,
    publish: usize,
    outcome: Outcome,
) -> Option<u64> {
    let seen = checkers.iter().filter_map(|checker| {
        let first = checker.ids[guild].get(publish).copied();
        first.filter(|first| first.id != 0)
    });
    let mut truth = match outcome {
        Outcome::Acked(id) => Some(id),
        Outcome::Unknown | Outcome::Refused | Outcome::Unsent => None,
    };
    for FirstSeen { id, session } in seen {
        let violation = |kind, expected| Violation {
            kind,
            session: Some(session),
            guild: Some(guild as u32),
            expected,
            seen: format!("publish {publish} as message {id}"),
        };
        match (outcome, truth) {
            (Outcome::Refused | Outcome::Unsent, _) => {
                violations.add(Kind::Ghost, || {
                    violation(
                        Kind::Ghost,
                        "nothing: the publish was not accepted".to_owned(),
                    )
                });
            }
            (Outcome::Acked(_) | Outcome::Unknown, Some(other)) if other != id => {
                violations.add(Kind::Conflict, || {
                    violation(Kind::Conflict, format!("message {other}"))
                });
            }
            (Outcome::Acked(_) | Outcome::Unknown, _) => truth = Some(id),
        }
    }
    truth
}

fn losses(checker: &Checker, violations: &mut Violations, guild: u32, expected: &[Option<u64>]) {
    for view in &checker.sessions {
        let found = view
            .subscriptions
            .binary_search_by_key(&guild, |subscription| subscription.guild);
        let Ok(index) = found else {
            continue;
        };
        let subscription = &view.subscriptions[index];
        if subscription.attached == Attached::No {
            violations.add(Kind::Loss, || Violation {
                kind: Kind::Loss,
                session: Some(view.number),
                guild: Some(guild),
                expected: "GUILD_CREATE".to_owned(),
                seen: "none since the last identify".to_owned(),
            });
        }
        for (publish, id) in expected.iter().enumerate() {
            let Some(id) = *id else {
                continue;
            };
            if subscription.seen.contains(publish as u32) || subscription.is_covered(id) {
                continue;
            }
            let last = subscription.last;
            violations.add(Kind::Loss, || Violation {
                kind: Kind::Loss,
                session: Some(view.number),
                guild: Some(guild),
                expected: format!("publish {publish} as message {id}"),
                seen: if last > id {
                    format!("nothing of it, but message {last} after it")
                } else {
                    format!("nothing after message {last}")
                },
            });
        }
    }
}
