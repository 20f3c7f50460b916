use super::world::*;
use crate::fanout::Item;
use crate::guild::command::{Caller, Command, Page};
use crate::guild::core::{CoreSettings, GuildCore, Output};
use crate::guild::event::Event;
use crate::protocol::objects::Nonce;
use crate::protocol::{ApiError, Intents};

fn outputs(core: &mut GuildCore) -> Vec<Output> {
    core.outputs().collect()
}

#[test]
fn i2_no_ghost_leaves_before_its_append_is_acknowledged() {
    let mut world = World::new();
    world.submit(Caller::User(user(ALICE)), create(GENERAL, "x"));
    // Reads wait too: they have seen what is not written yet. So do errors.
    let read = Command::GetMessages {
        channel: GENERAL,
        page: Page::Latest,
        limit: 10,
    };
    world.submit(Caller::User(user(BOB)), read);
    world.submit(Caller::User(user(EVE)), create(GENERAL, "x"));
    let at = world.moment();
    world.core.attach(&at, &session(BOB, 1, Intents::NONE));
    assert!(outputs(&mut world.core).is_empty());
    let batch = world.core.next_batch().expect("one record");
    assert!(outputs(&mut world.core).is_empty());
    assert!(world.core.next_batch().is_none(), "one append in flight");
    world
        .core
        .appended(batch.expected + batch.records.len() as u64);
    let left = outputs(&mut world.core);
    assert!(matches!(
        left[..],
        [
            Output::Item(Item::Dispatch(_)),
            Output::Reply { outcome: Ok(_), .. },
            Output::Reply { outcome: Ok(_), .. },
            Output::Reply {
                outcome: Err(_),
                ..
            },
            Output::Attached { .. }
        ]
    ));
    assert!(world.core.next_batch().is_none());
}

#[test]
fn what_arrives_during_an_append_goes_with_the_next() {
    let mut world = World::new();
    let alice = || Caller::User(user(ALICE));
    world.submit(alice(), create(GENERAL, "0"));
    let first = world.core.next_batch().unwrap();
    assert_eq!(first.records.len(), 1);
    for n in 1..=5 {
        world.submit(alice(), create(GENERAL, &n.to_string()));
    }
    assert!(world.core.next_batch().is_none());
    world.core.appended(first.expected + 1);
    assert_eq!(outputs(&mut world.core).len(), 2);
    let second = world.core.next_batch().unwrap();
    assert_eq!(
        (second.expected, second.records.len()),
        (first.expected + 1, 5)
    );
}

#[test]
fn i7_batches_are_bounded_in_records_and_bytes() {
    let settings = |max_batch_records, max_batch_bytes| CoreSettings {
        max_batch_records,
        max_batch_bytes,
        ..CoreSettings::default()
    };
    for (settings, expected) in [
        (settings(4, usize::MAX), vec![4, 4, 2]),
        (settings(100, 1), vec![1; 10]),
    ] {
        let mut world = World::with(settings);
        world.make_guild();
        for _ in 0..10 {
            world.submit(Caller::User(user(ALICE)), create(GENERAL, "x"));
        }
        let mut sizes = Vec::new();
        while let Some(batch) = world.core.next_batch() {
            sizes.push(batch.records.len());
            world
                .core
                .appended(batch.expected + batch.records.len() as u64);
        }
        assert_eq!(sizes, expected);
    }
}

#[test]
fn i7_beyond_the_bounds_commands_are_refused_at_once_and_counted() {
    let unbounded = CoreSettings::default();
    let cases = [
        CoreSettings {
            max_pending_records: 5,
            ..unbounded.clone()
        },
        CoreSettings {
            max_pending_bytes: 1_500,
            ..unbounded.clone()
        },
        CoreSettings {
            max_waiting: 8,
            ..unbounded.clone()
        },
        CoreSettings {
            max_waiting_bytes: 5_000,
            ..unbounded
        },
    ];
    for settings in cases {
        let mut world = World::with(settings);
        world.make_guild();
        for _ in 0..100 {
            world.submit(Caller::User(user(ALICE)), create(GENERAL, "x"));
        }
        let refused = outputs(&mut world.core);
        assert!(refused.len() > 90, "the rest waits");
        assert!(refused.iter().all(|output| matches!(
            output,
            Output::Reply { outcome: Err(error), .. } if *error == ApiError::UNAVAILABLE
        )));
        let at = world.moment();
        world.core.attach(&at, &session(BOB, 1, Intents::NONE));
        assert_eq!(outputs(&mut world.core).len(), 1);
        assert_eq!(world.core.refused(), refused.len() as u64 + 1);
        // With room again it goes on, and nothing that was taken is lost.
        let left = world.flush();
        assert_eq!(left.len(), 2 * (100 - refused.len()));
        assert!(world.ask_as(ALICE, create(GENERAL, "x")).is_ok());
    }
}

#[test]
fn a_nonce_sent_again_while_the_first_is_pending_is_one_message() {
    let mut world = World::new();
    let command = || {
        send_with(GENERAL, |message| {
            message.nonce = Some(Nonce::Number(7));
            message.enforce_nonce = true;
        })
    };
    world.submit(Caller::User(user(ALICE)), command());
    let first = world.core.next_batch().unwrap();
    world.submit(Caller::User(user(ALICE)), command());
    assert!(outputs(&mut world.core).is_empty());
    world.core.appended(first.expected + 1);
    let bodies: Vec<_> = outputs(&mut world.core)
        .into_iter()
        .filter_map(|output| match output {
            Output::Reply { outcome, .. } => Some(id_of(&json(outcome))),
            _ => None,
        })
        .collect();
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[0], bodies[1]);
    assert!(world.core.next_batch().is_none());
}

#[test]
fn i4_who_waits_when_the_guild_gives_up_is_told_what_the_journal_holds() {
    let mut world = World::new();
    let first = world.submit(Caller::User(user(ALICE)), create(GENERAL, "written"));
    let written = world.core.position();
    let second = world.submit(Caller::User(user(ALICE)), create(GENERAL, "not written"));
    let at = world.moment();
    world.core.attach(&at, &session(BOB, 1, Intents::NONE));
    let core = std::mem::replace(&mut world.core, GuildCore::new(GUILD));
    let left: Vec<_> = core.give_up(written).collect();
    assert_eq!(left.len(), 2);
    assert!(matches!(&left[0], (ticket, Ok(_)) if *ticket == first));
    assert!(
        matches!(&left[1], (ticket, Err(error)) if *ticket == second && *error == ApiError::UNAVAILABLE)
    );
}

#[test]
fn ephemeral_events_do_not_wait() {
    let mut world = World::new();
    world.submit(Caller::User(user(ALICE)), create(GENERAL, "x"));
    world.submit(Caller::User(user(ALICE)), Command::Typing(GENERAL));
    let left = outputs(&mut world.core);
    assert!(matches!(
        &left[..],
        [Output::Item(Item::Dispatch(dispatch))] if dispatch.position.is_none()
    ));
}

#[test]
fn a_claim_is_a_record_of_its_own() {
    let mut world = World::new();
    world.core.emit(Event::Claimed {
        node: "node-a".to_owned(),
    });
    let batch = world.core.next_batch().unwrap();
    assert_eq!(
        &batch.records[0].bytes[..],
        br#"{"v":1,"e":{"Claimed":{"node":"node-a"}}}"#
    );
    world.core.appended(batch.expected + 1);
    assert!(outputs(&mut world.core).is_empty());
}
