//! A guild whose code does not end: its executor's other guilds go on elsewhere.
//!
//! These tests break the server on purpose; they take a binary with fault points (`tests/faults`).

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::time::{Duration, Instant};

use guildhall_tests::admin::Guild;
use guildhall_tests::numbered::{content, numbers};
use guildhall_tests::{Account, Session, Setup, World, eventually, within};
use serde_json::{Value, json};

/// Guilds beside the one that loops.
const OTHERS: usize = 5;
/// The longest until a stuck executor may be shown.
const DETECTED: Duration = Duration::from_secs(5);
/// The longest until its other guilds may answer again.
const ANSWERED: Duration = Duration::from_secs(10);

/// A guild that loops, and others on the same executor.
async fn world() -> (World, Vec<(Account, Guild)>) {
    let setup = Setup::new().faults().set("node.executors=1");
    let world = World::with(setup, 1).await;
    let mut others = Vec::new();
    for _ in 0..OTHERS {
        others.push(world.other_guild().await);
    }
    (world, others)
}

async fn executors(world: &World) -> Vec<Value> {
    let shown = world.admin.rest.get("/admin/v1/executors?window_ms=1");
    let shown = shown.await.ok()["executors"].clone();
    serde_json::from_value(shown).unwrap()
}

/// Waits until `/readyz` answers with this status; gives its body.
async fn readiness(world: &World, status: u16) -> Value {
    eventually("readiness", || async {
        let answer = world.admin.rest.get("/readyz").await;
        (answer.status == status).then(|| answer.json())
    })
    .await
}

async fn figure(world: &World, name: &str) -> u64 {
    world.admin.metrics().await.sum(name, &[]) as u64
}

/// The operator sees which executor is stuck, and in which guild.
async fn is_shown(world: &World) {
    let running = world.admin.running(&world.guild).await;
    assert_eq!(running["state"], "quarantined");
    assert_eq!(running["executor"], 1);
    let guild = world.owner.rest.get(world.guild_path("")).await;
    guild.has_status(503);
    let shown = executors(world).await;
    assert_eq!(shown.len(), 2, "{shown:?}");
    let [stuck, instead] = &shown[..] else {
        unreachable!("there are two");
    };
    assert_eq!(stuck["state"], "stuck");
    assert_eq!(stuck["stuck_in"], json!(world.guild));
    assert_eq!(stuck["guilds"], 0);
    assert!(stuck["stuck_since_ms"].is_u64());
    assert_eq!(instead["state"], "serving");
    assert_eq!(figure(world, "guildhall_executors_stuck").await, 1);
    assert_eq!(figure(world, "guildhall_executor_stalls_total").await, 1);
}

/// The sessions of the others noticed a pause.
async fn go_on(listeners: Vec<Session>, others: &[(Account, Guild)]) {
    for (mut listener, (owner, guild)) in listeners.into_iter().zip(others) {
        owner.rest.say(&guild.channels[0], &content("m", 2)).await;
        owner.rest.say(&guild.channels[0], "end").await;
        let heard = listener.until_message("end").await;
        assert_eq!(numbers("m", &heard), [0, 1, 2]);
        assert!(heard.iter().all(|payload| payload.op == 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i8_the_other_guilds_of_a_stuck_executor_go_on_and_the_one_that_loops_is_quarantined() {
    let (world, others) = world().await;
    let mut session = world.login(world.member()).await;
    let mut listeners = Vec::new();
    for (owner, guild) in &others {
        listeners.push(world.login(owner).await);
        owner.rest.say(&guild.channels[0], &content("m", 0)).await;
    }
    world.owner.rest.say(&world.channel, "before").await;
    readiness(&world, 200).await;

    world.admin.fault(&world.guild, "loop", 1).await;
    let began = Instant::now();
    let body = json!({"content": "loops"});
    let looping = {
        let (rest, path) = (world.owner.rest.clone(), world.messages());
        tokio::spawn(async move { rest.post(path, body).await })
    };
    let answers: Vec<_> = others
        .iter()
        .map(|(owner, guild)| {
            let (rest, channel) = (owner.rest.clone(), guild.channels[0].clone());
            tokio::spawn(async move {
                let content = content("m", 1);
                rest.say_surely(&channel, &content, &content).await;
                began.elapsed()
            })
        })
        .collect();
    let not_ready = readiness(&world, 503).await;
    let detected = began.elapsed();
    assert_eq!(not_ready["status"], "stuck");
    let reason = not_ready["reasons"][0].as_str().unwrap();
    assert!(
        reason.starts_with("executor 0 has been stuck for "),
        "{reason}"
    );
    let named = format!(" in guild {}", world.guild);
    assert!(reason.ends_with(&named), "{reason}");
    let mut answered = Duration::ZERO;
    for answer in answers {
        answered = answered.max(within("another guild", answer).await.unwrap());
    }
    println!("{reason}; noticed after {detected:?}, all others answered after {answered:?}");
    assert!(detected <= DETECTED, "noticed after {detected:?}");
    assert!(answered <= ANSWERED, "answered after {answered:?}");
    within("the author", looping).await.unwrap().has_status(503);

    // The one that loops is quarantined, and its sessions know.
    let deleted = session.expect_event("GUILD_DELETE").await;
    assert_eq!(deleted, json!({"id": world.guild, "unavailable": true}));
    is_shown(&world).await;
    go_on(listeners, &others).await;

    // Revived, on the thread that was started instead.
    let revive = format!("/admin/v1/guilds/{}/revive", world.guild);
    let revived = world.admin.rest.post(revive, json!({})).await;
    revived.has_status(202);
    let created = session.expect_event("GUILD_CREATE").await;
    assert_eq!(created["id"], json!(world.guild));
    world.owner.rest.say(&world.channel, "revived").await;
    session.until_message("revived").await;

    // The loop ends. Its former actor has nothing to say.
    world.admin.fault(&world.guild, "loop", 0).await;
    readiness(&world, 200).await;
    assert!(
        executors(&world)
            .await
            .iter()
            .all(|it| it["state"] == "serving")
    );
    world.owner.rest.say(&world.channel, "last").await;
    let between = session.until_message("last").await;
    assert!(between.iter().all(|payload| !payload.is("MESSAGE_CREATE")));
    let history = world.owner.rest.history(&world.channel).await;
    let history: Vec<&Value> = history.iter().map(|it| &it["content"]).collect();
    assert_eq!(history, ["before", "revived", "last"]);
    let seats = executors(&world).await;
    let seats = seats.iter().map(|it| it["guilds"].as_u64().unwrap());
    let running = figure(&world, "guildhall_guilds_running").await;
    assert_eq!(seats.sum::<u64>(), running, "every guild has one seat");
    assert_eq!(figure(&world, "guildhall_executors_stuck").await, 0);
}

#[tokio::test]
async fn a_stuck_executor_does_not_keep_the_server_from_stopping() {
    let (mut world, others) = world().await;
    let session = world.login(world.member()).await;
    world.admin.fault(&world.guild, "loop", 1).await;
    let path = world.messages();
    let looping = world.owner.rest.post(path, json!({"content": "loops"}));
    looping.await.has_status(503);
    let (owner, guild) = &others[0];
    owner.rest.say_surely(&guild.channels[0], "kept", "1").await;
    drop(session);
    world.server.terminate();
    let status = world.server.exit().await;
    assert!(status.success(), "{status}");
    let server = Setup::new().faults().after(&world.server).start();
    let history = server.rest(&owner.token).history(&guild.channels[0]).await;
    assert_eq!(history[0]["content"], "kept");
}
