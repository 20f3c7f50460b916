//! Clients that take less than they are sent: what they get, what they are spared, and when they are dropped.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::collections::HashSet;

use guildhall_tests::rest::text;
use guildhall_tests::session::replay;
use guildhall_tests::{Session, Setup, World, eventually};
use serde_json::{Value, json};

/// Members who type.
const TYPISTS: usize = 4;
/// How often each.
const TIMES: usize = 20;

/// What the operator sees of a session.
async fn show(world: &World, session: &str) -> Value {
    let path = format!("/admin/v1/sessions/{session}");
    world.admin.rest.get(path).await.ok()
}

/// Sends messages until the session's socket takes no more; answers their ids in order.
async fn fill(world: &World, session: &Session) -> Vec<String> {
    let filling = "x".repeat(2_000);
    let mut sent = Vec::new();
    loop {
        for _ in 0..100 {
            let message = world.owner.rest.say(&world.channel, &filling).await;
            sent.push(text(&message["id"]).to_owned());
        }
        let seen = show(world, &session.id).await;
        if seen["pending_events"].as_u64().unwrap() >= 500 {
            return sent;
        }
        assert!(sent.len() < 20_000, "{seen}");
    }
}

/// A reader that is behind is spared the typing that is out of date, and gets everything else: each message in
/// order, no number left out, and of each who types the newest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i10_a_slow_reader_gets_every_message_and_the_newest_typing_of_each() {
    let setup = Setup::new().set("gateway.lane_max_bytes=67108864");
    let world = World::with(setup, TYPISTS + 1).await;
    let (slow, typists) = world.members.split_first().unwrap();
    let mut slow = world.login(slow).await;
    let mut sent = fill(&world, &slow).await;
    for _ in 0..TIMES {
        for typist in typists {
            let path = format!("/channels/{}/typing", world.channel);
            typist.rest.post(path, json!({})).await.has_status(204);
        }
    }
    let dropped = (TYPISTS * (TIMES - 1)) as u64;
    let seen = eventually("typing that is dropped", || async {
        let seen = show(&world, &slow.id).await;
        (seen["dropped_typing"].as_u64().unwrap() >= dropped).then_some(seen)
    })
    .await;
    assert_eq!(seen["dropped_typing"], dropped, "{seen}");
    assert_eq!(seen["late_events"], TYPISTS, "{seen}");
    let counted = || async {
        let metrics = world.admin.metrics().await;
        let name = "guildhall_ephemeral_dropped_total";
        (metrics.sum(name, &["kind=\"typing\""]) >= dropped as f64).then_some(())
    };
    eventually("the metric", counted).await;
    let last = world.owner.rest.say(&world.channel, "last").await;
    sent.push(text(&last["id"]).to_owned());

    let (mut messages, mut typing) = (Vec::new(), HashSet::new());
    let mut expected = None;
    while messages.len() < sent.len() || typing.len() < TYPISTS {
        let payload = slow.next().await;
        let seq = payload.s.unwrap();
        assert_eq!(*expected.get_or_insert(seq), seq, "a number is left out");
        expected = Some(seq + 1);
        if payload.is("MESSAGE_CREATE") {
            messages.push(text(&payload.d["id"]).to_owned());
        } else if payload.is("TYPING_START") {
            let user = text(&payload.d["user_id"]).to_owned();
            assert!(typing.insert(user), "an outdated one: {payload:?}");
        }
    }
    assert_eq!(messages, sent);
    let seen = show(&world, &slow.id).await;
    assert_eq!(
        (&seen["late_events"], &seen["dropped_typing"]),
        (&json!(0), &json!(dropped))
    );
    // Now that it keeps up, it is told of everything again.
    let path = format!("/channels/{}/typing", world.channel);
    for _ in 0..2 {
        typists[0].rest.post(&path, json!({})).await.has_status(204);
        slow.expect_event("TYPING_START").await;
    }
}

/// A socket that takes nothing for `gateway.write_timeout_s` is dropped, and costs its client nothing but the
/// connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_takes_nothing_is_dropped_and_its_session_can_be_resumed() {
    let setup = Setup::new()
        .set("gateway.lane_max_bytes=67108864")
        .set("gateway.replay_max_bytes=67108864")
        .set("gateway.replay_max_events=100000")
        .set("gateway.write_timeout_s=2");
    let world = World::with(setup, 1).await;
    let deaf = world.login(world.member()).await;
    let sent = fill(&world, &deaf).await;
    eventually("the end of a socket that takes nothing", || async {
        let seen = show(&world, &deaf.id).await;
        (seen["state"] == "detached").then_some(())
    })
    .await;
    // Of what reached its buffers it read nothing: all is owed.
    let (gateway, cut) = deaf.into_parts();
    drop(gateway);
    let mut gateway = cut.ask(&world.server).await;
    let missed = replay(&mut gateway).await;
    let ids: Vec<&str> = missed
        .iter()
        .filter(|payload| payload.is("MESSAGE_CREATE"))
        .map(|payload| text(&payload.d["id"]))
        .collect();
    assert_eq!(ids, sent);
}
