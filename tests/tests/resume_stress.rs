//! Fifty sessions cut again and again while a guild is posted to at full speed.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fastrand::Rng;
use guildhall_tests::flood::post_until;
use guildhall_tests::rest::text;
use guildhall_tests::{Gateway, Reader, Setup, World, eventually};
use tokio::task::JoinSet;

/// Sessions.
const SESSIONS: usize = 50;
/// How often each is cut.
const CUTS: usize = 10;
/// The most events between two cuts.
const LIFE: usize = 80;
/// Requests at a time: enough to keep the guild busy.
const POSTERS: usize = 8;
/// How long events are held back, where they are.
const PACE_MS: u64 = 40;

/// Names a seed to run again with.
const SEED: &str = "GUILDHALL_TEST_SEED";

fn seed() -> u64 {
    let given = std::env::var(SEED).ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    println!("{SEED}={seed}");
    seed
}

/// Ends a connection in one of the ways in which connections end, and resumes on another.
async fn reconnect(reader: &Reader, gateway: Gateway, random: &mut Rng) -> Gateway {
    match random.u8(0..4) {
        0 => drop(gateway),
        1 => gateway.reset(),
        2 => {
            gateway.close(4000).await;
        }
        _ => {
            let new = reader.resume().await;
            drop(gateway);
            return new;
        }
    }
    reader.resume().await
}

/// Reads to the end of the series; is cut [`CUTS`] times before.
async fn follow(
    mut reader: Reader,
    mut gateway: Gateway,
    mut random: Rng,
    cuts_left: Arc<AtomicUsize>,
) -> Vec<String> {
    for _ in 0..CUTS {
        // None: also before the Resume is answered.
        let life = random.usize(0..=LIFE);
        let is_end = reader.read(&mut gateway, life).await;
        assert!(!is_end, "posting ends after all cuts");
        gateway = reconnect(&reader, gateway, &mut random).await;
        cuts_left.fetch_sub(1, Ordering::Relaxed);
    }
    while !reader.read(&mut gateway, usize::MAX).await {}
    reader.into_messages()
}

/// Where what came is not what was sent.
fn fault(got: &[String], sent: &[&str]) -> Option<String> {
    let same = got
        .iter()
        .zip(sent)
        .take_while(|(got, sent)| got == sent)
        .count();
    if same == got.len() && same == sent.len() {
        return None;
    }
    let place = |id: &String| sent.iter().position(|sent| sent == id);
    let after: Vec<_> = got[same..].iter().take(5).map(place).collect();
    Some(format!(
        "{} messages of {}: after the first {same} came {after:?}",
        got.len(),
        sent.len()
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_i10_sessions_cut_at_random_moments_see_every_message_once_and_in_order() {
    cut_at_random_moments(Setup::new()).await;
}

/// Items wait in rooms then, and groups of sessions have them at different times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_i10_so_do_sessions_whose_events_are_held_back() {
    let setup = Setup::new().set(format!("gateway.pace_min_ms={PACE_MS}"));
    let world = cut_at_random_moments(setup).await;
    // A worker's counts are told about once a second.
    eventually("mail of the guild that was gathered", || async {
        let metrics = world.admin.metrics().await;
        (metrics.sum("guildhall_gathered_mail_total", &[]) > 100.0).then_some(())
    })
    .await;
}

async fn cut_at_random_moments(setup: Setup) -> Arc<World> {
    let mut random = Rng::with_seed(seed());
    let setup = setup
        // The slowest reader of a busy machine must not be refused for being slow.
        .set("gateway.replay_max_events=1000000")
        .set("gateway.replay_max_bytes=268435456")
        .set("gateway.lane_max_frames=1000000")
        .set("gateway.lane_max_bytes=268435456")
        .set("guild.recent_max_messages=1000000")
        .set("guild.recent_max_bytes=1000000000");
    let world = Arc::new(World::with(setup, SESSIONS).await);
    let cuts_left = Arc::new(AtomicUsize::new(SESSIONS * CUTS));
    let mut readers = JoinSet::new();
    for account in &world.members {
        let (reader, gateway) = Reader::login(&world, account).await;
        let cuts_left = Arc::clone(&cuts_left);
        readers.spawn(follow(reader, gateway, random.fork(), cuts_left));
    }
    let mut posters = post_until(&world, POSTERS, move || {
        cuts_left.load(Ordering::Relaxed) == 0
    });
    // Whatever fails first is what went wrong.
    while let Some(done) = posters.join_next().await {
        done.unwrap();
        if let Some(failed) = readers.try_join_next() {
            failed.unwrap();
        }
    }
    world.owner.rest.say(&world.channel, "end").await;
    let mut history = world.owner.rest.history(&world.channel).await;
    history.pop();
    let history: Vec<&str> = history.iter().map(|message| text(&message["id"])).collect();
    assert!(history.is_sorted());
    println!("{} messages", history.len());
    while let Some(messages) = readers.join_next().await {
        let messages = messages.unwrap();
        if let Some(fault) = fault(&messages, &history) {
            panic!("{fault}");
        }
    }
    world
}
