//! Guilds that are moved between threads while they are posted to at full speed.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use guildhall_tests::admin::Guild;
use guildhall_tests::flood::post_until;
use guildhall_tests::numbered::{content, numbers};
use guildhall_tests::rest::text;
use guildhall_tests::{Account, Answer, Gateway, Reader, Session, Setup, World, eventually};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// Moves of the guild that is posted to.
const MOVES: usize = 100;
/// Its sessions that stay connected, and as many that resume again and again.
const SESSIONS: usize = 8;
/// Requests at a time: enough to keep the guild busy.
const POSTERS: usize = 8;
/// Guilds beside it, with little to do.
const QUIET: usize = 5;
/// Messages in the guild's log before it is moved first.
const TAIL: usize = 1_000;
/// The most events between two cuts.
const LIFE: usize = 200;
/// No pause may be longer, however busy the machine is.
const LONGEST: f64 = 500.0;

/// A node with two shared executors and one dedicated one, on which nobody else moves guilds. The slowest reader of a busy machine must
/// not be refused for being slow.
fn setup() -> Setup {
    Setup::new()
        .set("node.executors=2")
        .set("guild.dedicated_executors=1")
        .set("guild.balance=false")
        .set("gateway.replay_max_events=1000000")
        .set("gateway.replay_max_bytes=268435456")
        .set("gateway.lane_max_frames=1000000")
        .set("gateway.lane_max_bytes=268435456")
}

async fn post(world: &World, guild: &str, what: &str, body: Option<Value>) -> Answer {
    let path = format!("/admin/v1/guilds/{guild}/{what}");
    let body = body.map(|body| (body.to_string().into(), "application/json"));
    world
        .admin
        .rest
        .send(reqwest::Method::POST, path, body)
        .await
}

/// Reads to the end of the series, over many connections where it `cuts`.
async fn follow(
    mut reader: Reader,
    mut gateway: Gateway,
    mut random: Rng,
    cuts: bool,
) -> Vec<String> {
    loop {
        let life = if cuts {
            random.usize(1..LIFE)
        } else {
            usize::MAX
        };
        if reader.read(&mut gateway, life).await {
            return reader.into_messages();
        }
        drop(gateway);
        gateway = reader.resume().await;
    }
}

async fn readers(world: &Arc<World>) -> JoinSet<Vec<String>> {
    let mut random = Rng::new();
    let mut readers = JoinSet::new();
    for (number, account) in world.members.iter().enumerate() {
        let (reader, gateway) = Reader::login(world, account).await;
        let cuts = number >= SESSIONS;
        readers.spawn(follow(reader, gateway, random.fork(), cuts));
    }
    readers
}

/// Posts to a quiet guild now and then; its session must see each message once and in order.
async fn quiet(session: Session, owner: Account, guild: Guild, over: Arc<AtomicBool>) {
    let mut session = session;
    let mut sent = 0;
    while !over.load(Ordering::Relaxed) {
        let content = content("q", sent);
        owner.rest.say(&guild.channels[0], &content).await;
        sent += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    owner.rest.say(&guild.channels[0], "end").await;
    let heard = session.until_message("end").await;
    assert!(heard.iter().all(|payload| payload.op != 9));
    let expected: Vec<usize> = (0..sent).collect();
    assert_eq!(numbers("q", &heard), expected);
}

/// Moves the guild back and forth in every way, and quiet ones beside it; answers the pauses in
/// milliseconds.
async fn move_about(world: &World, others: &[Guild]) -> Vec<f64> {
    let mut pauses = Vec::new();
    let mut random = Rng::new();
    for number in 0..MOVES {
        let running = world.admin.running(&world.guild).await;
        let executor = running["executor"].as_u64().unwrap();
        let (what, body) = match number % 4 {
            0 => ("promote", None),
            1 => ("demote", None),
            2 => ("move", Some(json!({"executor": 1 - executor}))),
            _ => ("move", None),
        };
        let moved = post(world, &world.guild, what, body).await.ok();
        assert_eq!(moved["from"], json!(executor), "{moved}");
        assert_ne!(moved["to"], json!(executor), "{moved}");
        pauses.push(moved["pause_ms"].as_f64().expect("handed over"));
        let other = &others[random.usize(..others.len())];
        post(world, &other.id, "move", None).await.ok();
    }
    pauses
}

/// The buckets of the pauses that have something in them.
async fn print_pauses(world: &World, mut pauses: Vec<f64>) {
    pauses.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| pauses[((pauses.len() - 1) as f64 * share) as usize];
    println!(
        "pause of {} moves under load: p50 {:.3} ms, p90 {:.3} ms, p99 {:.3} ms, longest {:.3} ms",
        pauses.len(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    );
    let metrics = world.admin.rest.get("/metrics").await;
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    for line in metrics.lines() {
        if line.starts_with("guildhall_guild_move") {
            println!("  {line}");
        }
    }
    assert!(at(1.0) <= LONGEST, "a pause of {} ms", at(1.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_i4_a_guild_moved_a_hundred_times_under_load_loses_doubles_and_reorders_nothing() {
    let world = Arc::new(World::with(setup(), 2 * SESSIONS).await);
    let mut readers = readers(&world).await;
    let over = Arc::new(AtomicBool::new(false));
    let (mut quiet_ones, mut others) = (JoinSet::new(), Vec::new());
    for _ in 0..QUIET {
        let (owner, guild) = world.other_guild().await;
        let session = world.login(&owner).await;
        others.push(guild.clone());
        quiet_ones.spawn(quiet(session, owner, guild, Arc::clone(&over)));
    }
    let mut posters = post_until(&world, POSTERS, {
        let over = Arc::clone(&over);
        move || over.load(Ordering::Relaxed)
    });
    eventually("a tail of messages", || async {
        let position = world.admin.running(&world.guild).await["position"].as_u64();
        (position.unwrap() as usize > TAIL).then_some(())
    })
    .await;

    let pauses = move_about(&world, &others).await;
    over.store(true, Ordering::Relaxed);
    // Every request was answered with 200, or these panic.
    while let Some(done) = posters.join_next().await {
        done.unwrap();
    }
    world.owner.rest.say(&world.channel, "end").await;
    while let Some(done) = quiet_ones.join_next().await {
        done.unwrap();
    }

    // Each poster waited for each answer: history has all its messages, once and in its order.
    let mut history = world.owner.rest.history(&world.channel).await;
    assert_eq!(history.pop().unwrap()["content"], "end");
    for poster in 0..POSTERS {
        let prefix = format!("{poster}-");
        let own = history
            .iter()
            .filter_map(|it| text(&it["content"]).strip_prefix(&prefix));
        let own: Vec<usize> = own.map(|number| number.parse().unwrap()).collect();
        assert!(own.iter().copied().eq(0..own.len()), "poster {poster}");
    }
    let history: Vec<&str> = history.iter().map(|message| text(&message["id"])).collect();
    println!("{} messages to {} sessions", history.len(), 2 * SESSIONS);
    while let Some(messages) = readers.join_next().await {
        let messages = messages.unwrap();
        let same = messages.iter().zip(&history).take_while(|(a, b)| a == b);
        assert_eq!(same.count(), history.len(), "of {}", messages.len());
        assert_eq!(messages.len(), history.len());
    }
    print_pauses(&world, pauses).await;
    let metrics = world.admin.metrics().await;
    let moves = |labels: &[&str]| metrics.sum("guildhall_guild_moves_total", labels) as usize;
    assert_eq!(moves(&["outcome=\"done\""]), 2 * MOVES);
    assert_eq!(
        moves(&["kind=\"promotion\"", "outcome=\"done\""]),
        MOVES / 4
    );
    assert_eq!(
        moves(&["outcome=\"loaded\""]) + moves(&["outcome=\"aborted\""]),
        0
    );
}

/// What the operator is shown, and what is refused.
#[tokio::test]
async fn a_guild_is_promoted_moved_and_demoted_by_hand() {
    let world = World::with(setup(), 1).await;
    let (_, other) = world.other_guild().await;
    let mut session = world.login(world.member()).await;
    let running = world.admin.running(&world.guild).await;
    assert_eq!(running["dedicated"], false);
    assert_eq!(running["placed_because"], "started");
    assert_eq!(running["moves"], json!([]));

    let promoted = post(&world, &world.guild, "promote", None).await.ok();
    assert_eq!(
        (&promoted["to"], &promoted["kind"]),
        (&json!(2), &json!("promotion"))
    );
    let running = world.admin.running(&world.guild).await;
    assert_eq!(
        (&running["executor"], &running["dedicated"]),
        (&json!(2), &json!(true))
    );
    assert_eq!(running["placed_because"], "by hand");
    assert!(running["placed_ms"].as_u64() >= running["started_ms"].as_u64());
    let executors = world
        .admin
        .rest
        .get("/admin/v1/executors?window_ms=1")
        .await
        .ok();
    let own = &executors["executors"][2];
    assert_eq!(
        (&own["dedicated"], &own["dedicated_to"]),
        (&json!(true), &json!(world.guild))
    );
    assert_eq!(own["guilds"], 1);
    for (guild, what, body, status) in [
        (&world.guild, "promote", None, 409),
        (&other.id, "promote", None, 409),
        (&other.id, "demote", None, 409),
        (&other.id, "move", Some(json!({"executor": 2})), 409),
        (&other.id, "move", Some(json!({"executor": 7})), 400),
        (&"1".to_owned(), "move", None, 404),
    ] {
        let refused = post(&world, guild, what, body).await;
        refused.has_status(status);
        assert!(refused.json()["message"].is_string());
    }
    world.owner.rest.say(&world.channel, "alone").await;
    let before = session.until_message("alone").await;
    assert!(before.iter().all(|payload| payload.op == 0));

    let demoted = post(&world, &world.guild, "demote", None).await.ok();
    assert_eq!(
        (&demoted["from"], &demoted["kind"]),
        (&json!(2), &json!("demotion"))
    );
    let running = world.admin.running(&world.guild).await;
    assert_eq!(running["dedicated"], false);
    let kinds: Vec<&Value> = running["moves"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["kind"])
        .collect();
    assert_eq!(kinds, ["demotion", "promotion"]);
    let executors = world
        .admin
        .rest
        .get("/admin/v1/executors?window_ms=1")
        .await
        .ok();
    assert_eq!(
        executors["executors"].as_array().unwrap().len(),
        2,
        "its thread is gone"
    );
    world.owner.rest.say(&world.channel, "back").await;
    session.until_message("back").await;
    let history = world.owner.rest.history(&world.channel).await;
    assert_eq!(history.len(), 2);
}
