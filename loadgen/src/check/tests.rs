//! A correct run gives no violation, however its parts interleave; each seeded bug is found, and named for what it is.

use proptest::prelude::*;

use super::*;

/// A server's view of a run with one guild per session, all sessions in guild 0, plus the checkers that watch it.
struct Run {
    checkers: Vec<Checker>,
    s: Vec<u64>,
    outcomes: Vec<Outcome>,
}

const PLANNED: u32 = 400;

/// The id of a message: publishes are numbered in another order than the journal's.
fn id_of(position: u64) -> u64 {
    1_000 + position * 10
}

impl Run {
    /// `sessions` on two threads, ready.
    fn ready(sessions: usize) -> Self {
        let mut run = Self {
            checkers: (0..2)
                .map(|thread| {
                    let own = (thread..sessions).step_by(2);
                    Checker::new(
                        own.map(|number| (number as u32, vec![0])),
                        vec![PLANNED, PLANNED],
                    )
                })
                .collect(),
            s: vec![0; sessions],
            outcomes: Vec::new(),
        };
        for session in 0..sessions {
            run.identify(session, None, 0);
        }
        run
    }

    fn observe(&mut self, session: usize, event: impl FnOnce(u32) -> Observation) {
        self.checkers[session % 2].observe(event((session / 2) as u32));
    }

    fn dispatch(&mut self, session: usize) {
        self.s[session] += 1;
        let s = self.s[session];
        self.observe(session, |session| Observation::Sequence { session, s });
    }

    /// A new session whose snapshot names `last_message`, when `published` publishes had been sent: each at the time that
    /// is its number, counted from 1.
    fn identify(&mut self, session: usize, last_message: Option<u64>, published: u32) {
        self.s[session] = 0;
        self.observe(session, |session| Observation::Identified { session });
        self.dispatch(session);
        self.dispatch(session);
        self.observe(session, |session| Observation::Snapshot {
            session,
            room: 0,
            last_message,
            sent_by: published.into(),
        });
    }

    fn deliver(&mut self, session: usize, publish: u32, id: u64) {
        self.dispatch(session);
        self.observe(session, |session| Observation::Message {
            session,
            room: 0,
            publish,
            id,
        });
    }

    /// Publish number `publish` is acknowledged as the journal's next message.
    fn ack(&mut self, publish: u32, id: u64) {
        if self.outcomes.len() <= publish as usize {
            self.outcomes.resize(publish as usize + 1, Outcome::Unsent);
        }
        self.outcomes[publish as usize] = Outcome::Acked(id);
    }

    /// `count` messages to all sessions but for what `deliver` does by itself (it returns true then).
    fn publish_all(&mut self, count: u32, mut deliver: impl FnMut(&mut Self, usize, u32) -> bool) {
        for publish in 0..count {
            self.ack(publish, id_of(u64::from(publish)));
            for session in 0..self.s.len() {
                if !deliver(self, session, publish) {
                    self.deliver(session, publish, id_of(u64::from(publish)));
                }
            }
        }
    }

    fn verdict(self) -> Verdict {
        let sent = (1..=self.outcomes.len() as u64).collect();
        finish(
            &self.checkers,
            &[self.outcomes, Vec::new()],
            &[sent, Vec::new()],
        )
    }
}

/// Asserts that there is nothing but `count` violations of `kind`; gives the first.
fn only(verdict: &Verdict, kind: Kind, count: u64) -> Violation {
    for other in Kind::ALL {
        let expected = if other == kind { count } else { 0 };
        assert_eq!(
            verdict.violations.count(other),
            expected,
            "{other:?}: {:#?}",
            verdict.violations.first()
        );
    }
    verdict.violations.first()[0].clone()
}

#[test]
fn a_correct_run_has_no_violation() {
    let mut run = Run::ready(5);
    run.publish_all(300, |_, _, _| false);
    let verdict = run.verdict();
    assert_eq!(verdict.violations.total(), 0);
    assert_eq!(verdict.delivered, 1_500);
}

#[test]
fn finds_a_loss_in_the_middle_and_at_the_end() {
    let mut run = Run::ready(4);
    run.publish_all(300, |_, session, publish| {
        session == 3 && (publish == 7 || publish == 299)
    });
    let verdict = run.verdict();
    let violation = only(&verdict, Kind::Loss, 2);
    assert_eq!(violation.session, Some(3));
    assert_eq!(violation.guild, Some(0));
    assert!(
        violation
            .expected
            .contains("publish 7 of room 0 as message 1070")
    );
}

#[test]
fn finds_a_message_that_nobody_got() {
    let mut run = Run::ready(4);
    run.publish_all(3, |_, _, publish| publish == 2);
    only(&run.verdict(), Kind::Loss, 4);
}

#[test]
fn finds_a_gap_in_the_sequence_even_if_no_message_is_missing() {
    let mut run = Run::ready(2);
    run.publish_all(3, |run, session, publish| {
        if session == 1 && publish == 1 {
            run.s[1] += 1;
        }
        false
    });
    let violation = only(&run.verdict(), Kind::Gap, 1);
    assert_eq!(violation.expected, "sequence 4");
    assert_eq!(violation.seen, "sequence 5");
}

#[test]
fn finds_a_duplicate_near_and_long_after() {
    let mut run = Run::ready(2);
    run.publish_all(200, |run, session, publish| {
        if session == 0 && publish == 5 {
            run.deliver(0, 5, id_of(5));
        }
        if session == 1 && publish == 150 {
            run.deliver(1, 2, id_of(2));
        }
        false
    });
    let violation = only(&run.verdict(), Kind::Duplicate, 2);
    assert_eq!(violation.session, Some(0));
}

#[test]
fn finds_a_reorder() {
    let mut run = Run::ready(3);
    run.publish_all(10, |run, session, publish| match (session, publish) {
        (2, 4) => true,
        (2, 5) => {
            run.deliver(2, 5, id_of(5));
            run.deliver(2, 4, id_of(4));
            true
        }
        _ => false,
    });
    let violation = only(&run.verdict(), Kind::Reorder, 1);
    assert_eq!(violation.session, Some(2));
    assert!(violation.seen.contains("publish 4"));
}

#[test]
fn finds_ghosts_of_each_sort() {
    // Refused, never sent, beyond the plan, and without this run's mark.
    let mut run = Run::ready(1);
    run.publish_all(4, |_, _, _| false);
    run.outcomes[2] = Outcome::Refused;
    run.outcomes[3] = Outcome::Unsent;
    run.deliver(0, PLANNED, 9_999);
    run.dispatch(0);
    run.observe(0, |session| Observation::Foreign {
        session,
        id: 10_000,
    });
    only(&run.verdict(), Kind::Ghost, 4);
}

#[test]
fn finds_a_retry_that_was_done_twice() {
    let mut run = Run::ready(3);
    run.publish_all(2, |run, session, publish| {
        if publish == 1 {
            run.deliver(session, 1, id_of(1));
            run.deliver(session, 1, id_of(2));
        }
        publish == 1
    });
    let verdict = run.verdict();
    assert_eq!(verdict.violations.count(Kind::Duplicate), 3);
    assert_eq!(verdict.violations.count(Kind::Conflict), 3);
}

#[test]
fn finds_two_threads_that_disagree_on_an_id() {
    let mut run = Run::ready(2);
    run.publish_all(2, |run, session, publish| {
        if session == 1 && publish == 1 {
            run.deliver(1, 1, id_of(7));
            return true;
        }
        false
    });
    let violation = only(&run.verdict(), Kind::Conflict, 1);
    assert_eq!(violation.session, Some(1));
}

#[test]
fn finds_what_a_session_may_not_see() {
    let mut run = Run::ready(2);
    run.observe(0, |session| Observation::Message {
        session,
        room: 1,
        publish: 0,
        id: 1,
    });
    run.observe(1, |session| Observation::Snapshot {
        session,
        room: 1,
        last_message: None,
        sent_by: 0,
    });
    only(&run.verdict(), Kind::Stray, 2);
}

#[test]
fn finds_a_message_before_its_snapshot_and_a_snapshot_that_never_came() {
    let mut run = Run::ready(1);
    run.publish_all(1, |_, _, _| false);
    run.observe(0, |session| Observation::Identified { session });
    run.s[0] = 0;
    run.ack(1, id_of(1));
    run.deliver(0, 1, id_of(1));
    let verdict = run.verdict();
    assert_eq!(verdict.violations.count(Kind::Early), 1);
    assert_eq!(verdict.violations.count(Kind::Loss), 1);
}

#[test]
fn an_unanswered_publish_is_for_all_or_for_none() {
    let mut run = Run::ready(4);
    run.publish_all(3, |_, _, publish| publish == 1);
    run.outcomes[1] = Outcome::Unknown;
    run.outcomes[2] = Outcome::Unknown;
    let verdict = run.verdict();
    assert_eq!(verdict.violations.total(), 0);
    assert_eq!(verdict.recovered, 1);

    let mut run = Run::ready(4);
    run.publish_all(3, |_, session, publish| publish == 1 && session == 2);
    run.outcomes[1] = Outcome::Unknown;
    only(&run.verdict(), Kind::Loss, 1);
}

#[test]
fn a_new_snapshot_covers_what_was_sent_before_and_nothing_else() {
    // Messages 5 to 9 are missed, then comes a new session; `first_after` is its first live message.
    let missed = |snapshot: Option<u64>, first_after: u32| {
        let mut run = Run::ready(2);
        run.publish_all(20, |run, session, publish| {
            if session == 0 && publish == 10 {
                run.identify(0, snapshot, 10);
            }
            session == 0 && (5..first_after).contains(&publish)
        });
        run.verdict()
    };
    // The snapshot may name a message older than its end, or none.
    for named in [Some(id_of(9)), Some(id_of(6)), None] {
        assert_eq!(missed(named, 10).violations.total(), 0);
        only(&missed(named, 12), Kind::Loss, 2);
        only(&missed(named, 20), Kind::Loss, 10);
    }
    // The snapshot already has message 10: it must not come again.
    only(&missed(Some(id_of(10)), 10), Kind::Reorder, 1);
}

#[test]
fn a_repeated_replay_shows_as_gap_and_duplicate() {
    let mut run = Run::ready(1);
    run.publish_all(5, |run, _, publish| {
        if publish == 4 {
            run.s[0] -= 1;
            run.deliver(0, 3, id_of(3));
        }
        false
    });
    let verdict = run.verdict();
    assert_eq!(verdict.violations.count(Kind::Gap), 1);
    assert_eq!(verdict.violations.count(Kind::Duplicate), 1);
}

#[test]
fn violations_are_counted_without_bound_but_kept_up_to_twenty() {
    let mut run = Run::ready(4);
    run.publish_all(300, |_, session, _| session != 0);
    let verdict = run.verdict();
    assert_eq!(verdict.violations.count(Kind::Loss), 900);
    assert_eq!(verdict.violations.first().len(), violation::KEPT);
}

#[derive(Debug, Clone, Copy)]
enum Bug {
    Drop,
    Duplicate,
    Swap,
}

/// One run: the order of the journal, which sessions re-identify when, how their deliveries interleave.
fn interleaved(
    order: &[u32],
    picks: &[prop::sample::Index],
    reconnects: &[(prop::sample::Index, prop::sample::Index)],
    bug: Option<(Bug, usize, usize)>,
) -> Verdict {
    const SESSIONS: usize = 3;
    let mut run = Run::ready(SESSIONS);
    for (position, publish) in order.iter().enumerate() {
        run.ack(*publish, id_of(position as u64));
    }
    let mut next = [0_usize; SESSIONS];
    let mut picks = picks.iter().cycle();
    while next.iter().any(|next| *next < order.len()) {
        let session = picks.next().unwrap().index(SESSIONS);
        let position = next[session];
        if position >= order.len() {
            let Some(other) = (0..SESSIONS).find(|other| next[*other] < order.len()) else {
                break;
            };
            deliver_next(&mut run, other, &mut next, order, bug);
            continue;
        }
        for (who, when) in reconnects {
            if who.index(SESSIONS) == session && when.index(order.len()) == position && position > 0
            {
                let covered = (position + 3).min(order.len());
                // Skip some, covered by the snapshot.
                let named = (position % 2 == 0).then(|| id_of(covered as u64 - 2));
                run.identify(session, named, PLANNED);
                next[session] = covered;
            }
        }
        if next[session] < order.len() {
            deliver_next(&mut run, session, &mut next, order, bug);
        }
    }
    run.verdict()
}

fn deliver_next(
    run: &mut Run,
    session: usize,
    next: &mut [usize],
    order: &[u32],
    bug: Option<(Bug, usize, usize)>,
) {
    let position = next[session];
    let deliver = |run: &mut Run, position: usize| {
        run.deliver(session, order[position], id_of(position as u64));
    };
    next[session] += 1;
    match bug {
        Some((bug, who, when)) if who == session && when == position => match bug {
            Bug::Drop => {}
            Bug::Duplicate => {
                deliver(run, position);
                deliver(run, position);
            }
            Bug::Swap => {
                deliver(run, position + 1);
                deliver(run, position);
                next[session] += 1;
            }
        },
        _ => deliver(run, position),
    }
}

proptest! {
    #[test]
    fn no_false_alarm_in_any_interleaving(
        order in Just((0..PLANNED).collect::<Vec<_>>()).prop_shuffle(),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 1..50),
        reconnects in prop::collection::vec(any::<(prop::sample::Index, prop::sample::Index)>(), 0..4),
    ) {
        let verdict = interleaved(&order, &picks, &reconnects, None);
        prop_assert_eq!(verdict.violations.total(), 0, "{:#?}", verdict.violations.first());
    }

    #[test]
    fn one_seeded_bug_anywhere_is_found(
        order in Just((0..PLANNED).collect::<Vec<_>>()).prop_shuffle(),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 1..50),
        bug in prop_oneof![Just(Bug::Drop), Just(Bug::Duplicate), Just(Bug::Swap)],
        who in 0_usize..3,
        when in 0_usize..PLANNED as usize - 1,
    ) {
        let verdict = interleaved(&order, &picks, &[], Some((bug, who, when)));
        let kind = match bug {
            Bug::Drop => Kind::Loss,
            Bug::Duplicate => Kind::Duplicate,
            Bug::Swap => Kind::Reorder,
        };
        let violation = only(&verdict, kind, 1);
        prop_assert_eq!(violation.session, Some(who as u32));
    }
}
