//! Guilds and hubs that panic, and appends that fail: nobody loses anything, and nobody else notices.
//!
//! These tests break the server on purpose; they take a binary with fault points (`tests/faults`).

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use guildhall_tests::numbered::{content, numbers};
use guildhall_tests::rest::text;
use guildhall_tests::{Admin, Answer, Rest, Setup, World, eventually, within};
use reqwest::Method;
use serde_json::{Value, json};

/// Messages in the journal of a guild that is restarted.
const TAIL: usize = 1_000;
/// Panics of that guild while others are measured.
const PANICS: usize = 8;
/// Messages by which others are measured.
const SAMPLES: usize = 400;

async fn world(members: usize) -> World {
    World::with(Setup::new().faults(), members).await
}

/// Sends messages of a series, all at once.
async fn say_together(rest: &Rest, channel: &str, count: usize) -> Vec<Answer> {
    let path = format!("/channels/{channel}/messages");
    let said = (0..count).map(|n| rest.post(&path, json!({"content": content("m", n)})));
    futures_util::future::join_all(said).await
}

fn contents(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|it| text(&it["content"])).collect()
}

fn message(content: &str, nonce: &str) -> Value {
    json!({"content": content, "nonce": nonce, "enforce_nonce": true})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_a_panic_in_a_handler_costs_nobody_a_request_or_an_event() {
    let world = world(1).await;
    let mut session = world.login(world.member()).await;
    world.admin.fault(&world.guild, "handler_panic", 1).await;
    for answer in say_together(&world.owner.rest, &world.channel, 50).await {
        answer.ok();
    }
    world.owner.rest.say(&world.channel, "end").await;
    let heard = session.until_message("end").await;
    let mut history = world.owner.rest.history(&world.channel).await;
    history.pop();
    let heard: Vec<&str> = heard
        .iter()
        .filter(|payload| payload.is("MESSAGE_CREATE"))
        .map(|payload| text(&payload.d["content"]))
        .collect();
    assert_eq!(heard, contents(&history), "each once, in order");
    assert_eq!(history.len(), 50);
    let running = world.admin.running(&world.guild).await;
    assert_eq!(running["state"], "serving");
    assert_eq!(running["restarts"], 1);
    let metrics = world.admin.metrics().await;
    assert!(metrics.sum("guildhall_guild_restarts_total", &[]) >= 1.0);
}

#[tokio::test]
async fn i8_a_request_that_panics_twice_is_dropped_with_500_and_the_next_is_served() {
    let world = world(1).await;
    let mut session = world.login(world.member()).await;
    world.admin.fault(&world.guild, "handler_panic", 2).await;
    let path = world.messages();
    let poison = world.owner.rest.post(&path, json!({"content": "poison"}));
    poison.await.has_status(500);
    world.owner.rest.say(&world.channel, "next").await;
    let before = session.until_message("next").await;
    assert!(before.iter().all(|payload| !payload.is("MESSAGE_CREATE")));
    let history = world.owner.rest.history(&world.channel).await;
    assert_eq!(contents(&history), ["next"]);
    assert_eq!(world.admin.running(&world.guild).await["restarts"], 2);
}

#[tokio::test]
async fn i4_a_panic_between_append_and_broadcast_is_a_pause() {
    let world = world(1).await;
    let mut session = world.login(world.member()).await;
    world.admin.fault(&world.guild, "future_panic", 1).await;
    world.owner.rest.say(&world.channel, "kept").await;
    world.owner.rest.say(&world.channel, "next").await;
    let before = session.until_message("kept").await;
    assert!(before.iter().all(|payload| !payload.is("MESSAGE_CREATE")));
    let between = session.until_message("next").await;
    assert!(between.iter().all(|payload| !payload.is("MESSAGE_CREATE")));
    let history = world.owner.rest.history(&world.channel).await;
    assert_eq!(contents(&history), ["kept", "next"]);
    assert_eq!(world.admin.running(&world.guild).await["restarts"], 1);
}

#[tokio::test]
async fn i8_sessions_go_on_when_their_hub_panics() {
    let world = world(1).await;
    sessions_go_on_when_their_hub_panics(&world).await;
}

/// Some of the panics come while items are handed out that were held back.
#[tokio::test]
async fn i8_so_do_sessions_whose_events_are_held_back() {
    let setup = Setup::new().faults().set("gateway.pace_min_ms=40");
    let world = World::with(setup, 1).await;
    sessions_go_on_when_their_hub_panics(&world).await;
    eventually("gathered mail", || async {
        let metrics = world.admin.metrics().await;
        (metrics.sum("guildhall_gathered_mail_total", &[]) >= 1.0).then_some(())
    })
    .await;
}

async fn sessions_go_on_when_their_hub_panics(world: &World) {
    let (other_owner, other) = world.other_guild().await;
    let mut session = world.login(world.member()).await;
    let mut stranger = world.login(&other_owner).await;
    for _ in 0..3 {
        world.owner.rest.say(&world.channel, "before").await;
    }
    world.admin.fault(&world.guild, "hub_panic", 3).await;
    for n in 0..20 {
        world.owner.rest.say(&world.channel, &content("m", n)).await;
        let elsewhere = &other.channels[0];
        other_owner.rest.say(elsewhere, &content("other", n)).await;
    }
    world.owner.rest.say(&world.channel, "end").await;
    other_owner.rest.say(&other.channels[0], "end").await;
    let all: Vec<usize> = (0..20).collect();
    assert_eq!(numbers("m", &session.until_message("end").await), all);
    assert_eq!(numbers("other", &stranger.until_message("end").await), all);
    let metrics = world.admin.metrics().await;
    assert!(metrics.sum("guildhall_hub_restarts_total", &[]) >= 1.0);
    assert!(metrics.sum("guildhall_guild_restarts_total", &[]) < 1.0);
}

#[tokio::test]
async fn i8_past_its_budget_a_guild_is_quarantined_until_it_is_revived() {
    let setup = Setup::new().faults().set("guild.restarts_max=2");
    let world = World::with(setup, 1).await;
    let mut session = world.login(world.member()).await;
    world.owner.rest.say(&world.channel, "before").await;
    world.admin.fault(&world.guild, "handler_panic", 3).await;
    let path = world.messages();
    let poison = world.owner.rest.post(&path, json!({"content": "poison"}));
    poison.await.has_status(500);
    let third = world.owner.rest.post(&path, json!({"content": "third"}));
    third.await.has_status(503);

    let deleted = session.expect_event("GUILD_DELETE").await;
    assert_eq!(
        deleted,
        json!({"id": world.guild, "unavailable": true}),
        "sessions are told"
    );
    let guild = world.owner.rest.get(world.guild_path("")).await;
    guild.has_status(503);
    let shown = world.admin.show(&world.guild).await;
    assert_eq!(shown["running"]["state"], "quarantined");
    assert_eq!(shown["running"]["restarts"], 3);
    assert_eq!(shown["guild"], Value::Null);
    // Others are served.
    let (other_owner, other) = world.other_guild().await;
    other_owner.rest.say(&other.channels[0], "elsewhere").await;

    let revive = format!("/admin/v1/guilds/{}/revive", world.guild);
    let revived = world.admin.rest.post(revive, json!({})).await;
    revived.has_status(202);
    let created = session.expect_event("GUILD_CREATE").await;
    assert_eq!(created["id"], json!(world.guild));
    world.owner.rest.say(&world.channel, "after").await;
    session.until_message("after").await;
    let history = world.owner.rest.history(&world.channel).await;
    assert_eq!(contents(&history), ["before", "after"]);
    let running = world.admin.running(&world.guild).await;
    assert_eq!(running["state"], "serving");
}

/// Says something again and again, at least [`SAMPLES`] times and until `stop`; the time of each answer.
async fn take_times(rest: Rest, channel: String, stop: Arc<AtomicBool>) -> Vec<Duration> {
    let mut times = Vec::new();
    while times.len() < SAMPLES || !stop.load(Ordering::Relaxed) {
        let asked = Instant::now();
        rest.say(&channel, "a message of another guild").await;
        times.push(asked.elapsed());
    }
    times
}

fn quantiles(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    format!(
        "p50 {:?}, p99 {:?} of {} messages",
        at(0.5),
        at(0.99),
        times.len()
    )
}

/// Prints how long a guild with a tail takes to start again, and what the others notice of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_a_guild_with_a_thousand_messages_after_its_snapshot_is_back_at_once() {
    let setup = Setup::new().faults().set("guild.restarts_max=1000");
    let world = World::with(setup.set("node.executors=1"), 1).await;
    let (other_owner, other) = world.other_guild().await;
    let mut session = world.login(world.member()).await;
    for answer in say_together(&world.owner.rest, &world.channel, TAIL).await {
        answer.ok();
    }
    let stop = Arc::new(AtomicBool::new(true));
    let measure = || {
        let (rest, channel) = (other_owner.rest.clone(), other.channels[0].clone());
        tokio::spawn(take_times(rest, channel, Arc::clone(&stop)))
    };
    let mut before = measure().await.unwrap();
    stop.store(false, Ordering::Relaxed);
    let during = measure();
    let mut restarts = Vec::new();
    for n in 0..PANICS {
        world.admin.fault(&world.guild, "handler_panic", 1).await;
        world.owner.rest.say(&world.channel, &n.to_string()).await;
        let running = world.admin.running(&world.guild).await;
        restarts.push(running["last_restart_ms"].as_f64().unwrap());
    }
    stop.store(true, Ordering::Relaxed);
    let mut during = during.await.unwrap();
    println!("restarts with the pause before each, in ms: {restarts:?}");
    println!(
        "another guild of the same executor, before: {}",
        quantiles(&mut before)
    );
    println!(
        "another guild of the same executor, during: {}",
        quantiles(&mut during)
    );
    // The first one has no pause before it.
    assert!(restarts[0] < 1_000.0, "{restarts:?}");
    world.owner.rest.say(&world.channel, "end").await;
    let heard = session.until_message("end").await;
    let heard = heard.iter().filter(|it| it.is("MESSAGE_CREATE")).count();
    assert_eq!(heard, TAIL + PANICS, "each once");
}

#[tokio::test]
async fn i2_an_append_that_fails_is_answered_with_503_and_nobody_sees_it() {
    let world = world(1).await;
    let mut session = world.login(world.member()).await;
    world.owner.rest.say(&world.channel, "before").await;
    world.admin.fault(&world.guild, "append_fail", 1).await;
    let path = world.messages();
    let lost = world.owner.rest.post(&path, message("lost", "1")).await;
    lost.has_status(503);
    let again = world.owner.rest.post(&path, message("again", "1")).await;
    again.ok();
    session.until_message("before").await;
    let between = session.until_message("again").await;
    assert!(between.iter().all(|payload| !payload.is("MESSAGE_CREATE")));
    let history = world.owner.rest.history(&world.channel).await;
    assert_eq!(contents(&history), ["before", "again"]);
}

/// *Invariant I4*: the author learns the truth, at once or when he asks again.
#[tokio::test]
async fn i4_an_append_of_which_nothing_is_known_is_one_message() {
    let world = world(1).await;
    let mut session = world.login(world.member()).await;
    world.admin.fault(&world.guild, "append_unknown", 1).await;
    let path = world.messages();
    let first = world.owner.rest.post(&path, message("kept", "1")).await;
    assert!([200, 503].contains(&first.status), "{}", first.status);
    let again = world.owner.rest.post(&path, message("kept", "1")).await;
    let again = again.ok();
    if first.status == 200 {
        assert_eq!(first.json()["id"], again["id"]);
    }
    world.owner.rest.say(&world.channel, "end").await;
    let heard = session.until_message("end").await;
    let heard = heard.iter().filter(|it| it.is("MESSAGE_CREATE"));
    let heard: Vec<&Value> = heard.map(|payload| &payload.d["id"]).collect();
    assert_eq!(heard, [&again["id"]]);
    let history = world.owner.rest.history(&world.channel).await;
    assert_eq!(contents(&history), ["kept", "end"]);
}

/// *Invariant I2*: neither answer nor event comes before the append is done.
#[tokio::test]
async fn i2_an_append_that_takes_long_holds_back_its_message_and_not_what_is_read() {
    const LATE_MS: u64 = 700;
    let world = world(1).await;
    let mut session = world.login(world.member()).await;
    let late = json!({"point": "append_delay", "times": 1, "ms": LATE_MS});
    world.admin.fault_with(&world.guild, late).await;
    let asked = Instant::now();
    let (rest, channel) = (world.owner.rest.clone(), world.channel.clone());
    let said = tokio::spawn(async move { rest.say(&channel, "late").await });
    let heard = tokio::spawn(async move {
        session.until_message("late").await;
        asked.elapsed()
    });
    world.owner.rest.get(world.guild_path("")).await.ok();
    within("the answer", said).await.unwrap();
    let least = Duration::from_millis(LATE_MS);
    assert!(asked.elapsed() >= least);
    assert!(within("the event", heard).await.unwrap() >= least);
}

/// *Invariant I4*, the worst moment: written, and nobody told.
#[tokio::test]
async fn i4_a_kill_between_append_and_broadcast_leaves_one_message() {
    let mut world = world(1).await;
    world.owner.rest.say(&world.channel, "before").await;
    world
        .admin
        .fault(&world.guild, "kill_after_append", 1)
        .await;
    let body = message("kept", "1").to_string();
    let body = Some((Bytes::from(body.clone()), "application/json"));
    let path = world.messages();
    let killed = world.owner.rest.try_send(Method::POST, &path, body).await;
    killed.unwrap_err();
    let status = world.server.exit().await;
    assert!(!status.success(), "{status}");

    world.server = Setup::new().faults().after(&world.server).start();
    world.admin = Admin::of(&world.server);
    let rest = world.server.rest(&world.owner.token);
    let kept = rest.history(&world.channel).await;
    assert_eq!(contents(&kept), ["before", "kept"], "it was written");
    let again = rest.post(&path, message("kept", "1")).await.ok();
    assert_eq!(again["id"], kept[1]["id"], "the same message");
    let history = eventually("history", || async {
        Some(rest.history(&world.channel).await)
    });
    assert_eq!(contents(&history.await), ["before", "kept"]);
}
