//! Resume: what was missed comes whole and in order, or the session is refused.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use guildhall_tests::numbered::{self, numbers};
use guildhall_tests::session::{expect_refusal, replay};
use guildhall_tests::{
    ALL_INTENTS, Cut, Gateway, Payload, Session, Setup, World, eventually, within,
};
use serde_json::{Value, json};

/// Resumes of one kind are tried at most this often; connections are spread over two workers.
const TRIES: usize = 60;

/// The hub, one per worker, that a session is on.
async fn hub(world: &World, session: &str) -> u64 {
    let path = format!("/admin/v1/sessions/{session}");
    world.admin.rest.get(path).await.ok()["hub"]
        .as_u64()
        .unwrap()
}

async fn say_all(world: &World, series: &str, range: std::ops::Range<usize>) {
    for number in range {
        let content = numbered::content(series, number);
        world.owner.rest.say(&world.channel, &content).await;
    }
}

/// Does `act` on a session that is cut, until a Resume has ended on the same worker and one has ended
/// on another; each time `act` gets the new connection and what was missed.
async fn on_either_worker(
    world: &World,
    before: impl AsyncFn(&World, &str),
    after: impl AsyncFn(&World, &mut Gateway, Vec<Payload>),
) {
    let (mut same, mut other) = (0, 0);
    for _ in 0..TRIES {
        let session = world.login(world.member()).await;
        let from = hub(world, &session.id).await;
        let cut = session.cut();
        before(world, &cut.id).await;
        // Workers take turns: with a connection in between, or without, it is another's.
        let spare = if fastrand::bool() {
            Some(Gateway::connect(&world.server).await)
        } else {
            None
        };
        let (mut gateway, missed) = cut.resume(&world.server).await;
        drop(spare);
        if hub(world, &cut.id).await == from {
            same += 1;
        } else {
            other += 1;
        }
        after(world, &mut gateway, missed).await;
        gateway.close(1000).await;
        if same >= 2 && other >= 2 {
            return;
        }
    }
    panic!("{same} on the same worker, {other} on another");
}

#[tokio::test]
async fn i10_what_was_missed_comes_in_order_then_resumed_then_what_is_new() {
    let world = World::new(1).await;
    on_either_worker(
        &world,
        async |world, _| say_all(world, "missed", 0..5).await,
        async |world, gateway, missed| {
            assert_eq!(numbers("missed", &missed), [0, 1, 2, 3, 4]);
            say_all(world, "new", 0..3).await;
            world.owner.rest.say(&world.channel, "over").await;
            let live = gateway.until_message("over").await;
            assert_eq!(numbers("new", &live), [0, 1, 2]);
            assert_eq!(numbers("missed", &live), [0; 0], "not twice");
        },
    )
    .await;
}

#[tokio::test]
async fn i10_events_come_again_as_they_came_first() {
    let world = World::new(1).await;
    for _ in 0..6 {
        let mut session = world.login(world.member()).await;
        say_all(&world, "seen", 0..8).await;
        world.owner.rest.say(&world.channel, "seen too").await;
        let first = session.until_message("seen too").await;
        let mut cut = session.cut();
        // The client had not handled the last five when it stopped.
        cut.seq -= 5;
        let (_, missed) = cut.resume(&world.server).await;
        assert_eq!(missed.len(), 5);
        let known: Vec<_> = first
            .iter()
            .filter(|payload| payload.s > Some(cut.seq))
            .collect();
        assert_eq!(
            missed[..4].iter().collect::<Vec<_>>(),
            known,
            "same numbers, same bodies"
        );
    }
}

#[tokio::test]
async fn resumed_comes_once_also_where_an_earlier_connection_was_to_get_it() {
    let world = World::new(1).await;
    let cut = world.login(world.member()).await.cut();
    say_all(&world, "missed", 0..3).await;
    for _ in 0..2 {
        // The client goes away again before it has handled any of it.
        let (_, missed) = cut.resume(&world.server).await;
        assert_eq!(numbers("missed", &missed), [0, 1, 2]);
    }
    say_all(&world, "later", 0..2).await;
    let mut gateway = cut.ask(&world.server).await;
    world.owner.rest.say(&world.channel, "over").await;
    let all = gateway.until_message("over").await;
    assert_eq!(numbers("missed", &all), [0, 1, 2]);
    assert_eq!(numbers("later", &all), [0, 1]);
    let resumed = all.iter().filter(|payload| payload.is("RESUMED"));
    assert_eq!(resumed.count(), 1);
    let sequence: Vec<u64> = all.iter().filter_map(|payload| payload.s).collect();
    let expected: Vec<u64> = (cut.seq + 1..).take(sequence.len()).collect();
    assert_eq!(sequence, expected);
}

#[tokio::test]
async fn i3_visibility_while_away_is_replayed_at_its_position() {
    let world = World::new(1).await;
    let overwrites = json!([{"id": world.guild, "type": 0, "allow": "0", "deny": "1024"}]);
    let secret = world.channel_with("secret", overwrites).await;
    let path = format!("/channels/{secret}/permissions/{}", world.member().id);
    let view = json!({"type": 1, "allow": "1024", "deny": "0"});
    on_either_worker(
        &world,
        async |world, _| {
            let rest = &world.owner.rest;
            rest.say(&secret, "before").await;
            rest.put(&path, view.clone()).await.ok();
            rest.say(&secret, "while").await;
            rest.delete(&path).await.ok();
            rest.say(&secret, "after").await;
        },
        async |world, gateway, missed| {
            let story: Vec<&str> = missed
                .iter()
                .filter(|payload| !payload.is("PRESENCE_UPDATE"))
                .filter(|payload| !payload.is("CHANNEL_UPDATE"))
                .map(|payload| match &payload.d["content"] {
                    Value::String(content) => content.as_str(),
                    _ => payload.t.as_deref().unwrap(),
                })
                .collect();
            assert_eq!(story, ["CHANNEL_CREATE", "while", "CHANNEL_DELETE"]);
            world.owner.rest.say(&secret, "still not for you").await;
            world.owner.rest.say(&world.channel, "over").await;
            let live = gateway.until_message("over").await;
            assert!(!live.iter().any(|payload| payload.is("MESSAGE_CREATE")));
        },
    )
    .await;
}

#[tokio::test]
async fn guilds_joined_and_left_while_away_are_told() {
    let world = World::new(1).await;
    let (owner, joined) = world.other_guild().await;
    let member = world.member().id.clone();
    let own = world.guild_path(&format!("/members/{member}"));
    let other = format!("/guilds/{}/members/{member}", joined.id);
    on_either_worker(
        &world,
        async |world, _| {
            owner.rest.put(&other, json!({})).await.has_status(201);
            world.owner.rest.delete(&own).await.has_status(204);
        },
        async |world, gateway, mut missed| {
            // A guild that answers late may tell of itself after RESUMED.
            for event in ["GUILD_CREATE", "GUILD_DELETE"] {
                while !missed.iter().any(|payload| payload.is(event)) {
                    missed.push(gateway.next().await);
                }
            }
            let of = |event: &str| missed.iter().find(|payload| payload.is(event)).unwrap();
            assert_eq!(of("GUILD_CREATE").d["id"], json!(joined.id));
            assert!(of("GUILD_CREATE").d.get("unavailable").is_none());
            assert_eq!(of("GUILD_DELETE").d, json!({"id": world.guild}));
            owner.rest.say(&joined.channels[0], "hello").await;
            gateway.until_message("hello").await;
            // As it was, for the next round.
            owner.rest.delete(&other).await.has_status(204);
            world.owner.rest.put(&own, json!({})).await.has_status(201);
            gateway.expect_event("GUILD_DELETE").await;
            gateway.expect_event("GUILD_CREATE").await;
        },
    )
    .await;
}

/// A world whose sessions keep little: 72 events, of which 64 may wait.
async fn small_world() -> World {
    let setup = Setup::new()
        .set("gateway.lane_max_frames=64")
        .set("gateway.replay_max_events=8");
    World::with(setup, 1).await
}

#[tokio::test]
async fn i10_a_seq_before_the_buffer_is_refused_and_the_connection_takes_identify() {
    let world = small_world().await;
    let mut session = world.login(world.member()).await;
    let from = session.seq();
    say_all(&world, "m", 0..200).await;
    session
        .expect_event_where("MESSAGE_CREATE", |message| message["content"] == "m-199")
        .await;
    let mut cut = session.cut();
    let last = cut.seq;
    cut.seq = last - 10;
    let (gateway, missed) = cut.resume(&world.server).await;
    assert_eq!(missed.len(), 10, "what is kept comes");
    drop(gateway);
    cut.seq = from;
    let mut gateway = cut.is_refused(&world.server).await;
    gateway.identify(&cut.token, ALL_INTENTS).await;
    let mut session = Session::begin(gateway, &cut.token).await;
    assert_ne!(session.id, cut.id);
    world.owner.rest.say(&world.channel, "hello").await;
    session.until_message("hello").await;
}

#[tokio::test]
async fn i7_i10_a_session_that_misses_more_than_is_kept_is_refused() {
    let world = small_world().await;
    let cut = world.login(world.member()).await.cut();
    say_all(&world, "m", 0..200).await;
    let mut gateway = cut.is_refused(&world.server).await;
    gateway.identify(&cut.token, ALL_INTENTS).await;
    Session::begin(gateway, &cut.token).await;
}

#[tokio::test]
async fn i10_a_seq_that_was_never_sent_is_refused() {
    let world = World::new(1).await;
    let cut = world.login(world.member()).await.cut();
    let ahead = Cut {
        seq: cut.seq + 1_000,
        ..cut
    };
    ahead.is_refused(&world.server).await;
}

#[tokio::test]
async fn unknown_and_malformed_session_ids_are_refused() {
    let world = World::new(0).await;
    let real = world.login(&world.owner).await.cut();
    let other_hex: String = real.id.chars().rev().collect();
    for id in [
        "",
        "x",
        "00000000000000000000000000000000",
        "ÿ",
        &other_hex,
        &"9".repeat(500),
    ] {
        let cut = Cut {
            id: id.to_owned(),
            ..real.clone()
        };
        cut.is_refused(&world.server).await;
    }
    real.resume(&world.server).await;
}

#[tokio::test]
async fn somebody_else_s_token_is_refused_and_does_no_harm() {
    let world = World::new(1).await;
    let session = world.login(world.member()).await;
    let (mut old, cut) = session.into_parts();
    let thief = Cut {
        token: world.owner.token.clone(),
        ..cut.clone()
    };
    // Often enough to come over either worker.
    for _ in 0..4 {
        thief.is_refused(&world.server).await;
    }
    world.owner.rest.say(&world.channel, "still mine").await;
    old.until_message("still mine").await;
    drop(old);
    let (_, missed) = cut.resume(&world.server).await;
    let contents: Vec<_> = missed.iter().map(|payload| &payload.d["content"]).collect();
    assert_eq!(contents, [&json!("still mine")]);
}

#[tokio::test]
async fn what_a_heartbeat_acknowledged_is_kept_no_longer() {
    let world = World::new(1).await;
    let mut session = world.login(world.member()).await;
    let from = session.seq();
    say_all(&world, "m", 0..20).await;
    session
        .expect_event_where("MESSAGE_CREATE", |message| message["content"] == "m-19")
        .await;
    session.heartbeat().await;
    let path = format!("/admin/v1/sessions/{}", session.id);
    let report = world.admin.rest.get(&path).await.ok();
    assert_eq!(report["kept_events"], 0, "{report}");
    let cut = session.cut();
    say_all(&world, "later", 0..3).await;
    let (gateway, missed) = cut.resume(&world.server).await;
    assert_eq!(numbers("later", &missed), [0, 1, 2]);
    drop(gateway);
    let back = Cut { seq: from, ..cut };
    back.is_refused(&world.server).await;
}

#[tokio::test]
async fn a_heartbeat_that_acknowledges_nothing_or_too_much_does_no_harm() {
    let world = World::new(1).await;
    let mut session = world.login(world.member()).await;
    say_all(&world, "m", 0..5).await;
    world.owner.rest.say(&world.channel, "over").await;
    session.until_message("over").await;
    for d in [json!(null), json!(0), json!(1_000_000)] {
        session.send(json!({"op": 1, "d": d})).await;
        session.expect_op(11).await;
    }
    say_all(&world, "more", 0..5).await;
    world.owner.rest.say(&world.channel, "over again").await;
    let more = session.until_message("over again").await;
    assert_eq!(numbers("more", &more), [0, 1, 2, 3, 4]);
    let cut = session.cut();
    say_all(&world, "missed", 0..2).await;
    let (_, missed) = cut.resume(&world.server).await;
    assert_eq!(numbers("missed", &missed), [0, 1]);
}

#[tokio::test]
async fn two_sessions_of_a_user_live_their_own_lives() {
    let world = World::new(1).await;
    let first = world.login(world.member()).await;
    let mut second = world.login(world.member()).await;
    assert_ne!(first.id, second.id);
    let cut = first.cut();
    say_all(&world, "m", 0..5).await;
    world.owner.rest.say(&world.channel, "over").await;
    let live = second.until_message("over").await;
    assert_eq!(numbers("m", &live), [0, 1, 2, 3, 4]);
    let (mut first, missed) = cut.resume(&world.server).await;
    assert_eq!(numbers("m", &missed), [0, 1, 2, 3, 4]);
    second.log_out().await;
    world.owner.rest.say(&world.channel, "for one").await;
    first.until_message("for one").await;
}

#[tokio::test]
async fn a_session_lasts_for_the_window_and_no_longer() {
    let world = World::with(Setup::new().set("gateway.resume_window_s=1"), 1).await;
    let cut = world.login(world.member()).await.cut();
    let (gateway, _) = cut.resume(&world.server).await;
    drop(gateway);
    let path = format!("/admin/v1/sessions/{}", cut.id);
    eventually("the end of the window", || async {
        (world.admin.rest.get(&path).await.status == 404).then_some(())
    })
    .await;
    cut.is_refused(&world.server).await;
}

#[tokio::test]
async fn a_client_that_closes_with_1000_or_1001_has_ended_its_session() {
    let world = World::new(1).await;
    for (code, ends) in [
        (1000, true),
        (1001, true),
        (4000, false),
        (3000, false),
        (4999, false),
    ] {
        let (gateway, cut) = world.login(world.member()).await.into_parts();
        assert_eq!(gateway.close(code).await, code);
        if ends {
            cut.is_refused(&world.server).await;
        } else {
            let (gateway, _) = cut.resume(&world.server).await;
            gateway.close(1000).await;
        }
    }
}

#[tokio::test]
async fn what_the_old_connection_had_not_read_comes_over_the_new_one() {
    let world = World::new(1).await;
    for _ in 0..4 {
        let (mut old, cut) = world.login(world.member()).await.into_parts();
        // Written to the old connection and not read there.
        say_all(&world, "m", 0..20).await;
        let (new, missed) = cut.resume(&world.server).await;
        assert_eq!(numbers("m", &missed), (0..20).collect::<Vec<_>>());
        assert_eq!(old.expect_close().await, 4000);
        new.close(1000).await;
    }
}

#[tokio::test]
async fn of_two_resumes_at_once_one_gets_the_session_whole() {
    let world = World::new(1).await;
    for round in 0..20 {
        let cut = world.login(world.member()).await.cut();
        say_all(&world, "m", 0..3).await;
        let (mut one, mut two) = tokio::join!(
            Gateway::connect(&world.server),
            Gateway::connect(&world.server)
        );
        tokio::join!(
            one.resume(&cut.token, &cut.id, cut.seq),
            two.resume(&cut.token, &cut.id, cut.seq)
        );
        world.owner.rest.say(&world.channel, "over").await;
        let (one, two) = tokio::join!(outcome(one), outcome(two));
        let winners = [&one, &two].iter().filter(|whole| ***whole).count();
        assert_eq!(winners, 1, "round {round}");
    }
}

/// Whether a connection that has asked to resume gets everything, "over" and RESUMED, which may come in
/// either order; the loser is refused or closed at some point, whatever it got before.
async fn outcome(mut gateway: Gateway) -> bool {
    let mut seen = Vec::new();
    let (mut over, mut resumed) = (false, false);
    while !(over && resumed) {
        match within("the outcome of a Resume", gateway.receive()).await {
            guildhall_tests::Received::Payload(payload) if payload.op == 9 => return false,
            guildhall_tests::Received::Payload(payload) => {
                over |= payload.d["content"] == "over";
                resumed |= payload.is("RESUMED");
                seen.push(payload);
            }
            _ => return false,
        }
    }
    assert_eq!(numbers("m", &seen), [0, 1, 2]);
    // The loser may have got this far before the other took over.
    gateway.send(json!({"op": 1, "d": gateway.seq()})).await;
    loop {
        match gateway.receive().await {
            guildhall_tests::Received::Payload(payload) if payload.op == 11 => return true,
            guildhall_tests::Received::Payload(_) => {}
            _ => return false,
        }
    }
}

#[tokio::test]
async fn a_refused_resume_leaves_the_connection_for_another_try() {
    let world = World::new(1).await;
    let cut = world.login(world.member()).await.cut();
    let mut gateway = Gateway::connect(&world.server).await;
    gateway.resume(&cut.token, "not this one", cut.seq).await;
    expect_refusal(&mut gateway).await;
    gateway.resume(&cut.token, &cut.id, cut.seq).await;
    replay(&mut gateway).await;
    // In a session neither is welcome.
    gateway.resume(&cut.token, &cut.id, cut.seq).await;
    assert_eq!(gateway.expect_close().await, 4005);
}
