//! Under load several events share a write, and sessions notice nothing of it but the time.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use guildhall_tests::flood::post_until;
use guildhall_tests::numbered::ids;
use guildhall_tests::rest::text;
use guildhall_tests::{DEADLINE, Setup, World};
use tokio::task::JoinSet;

/// Enough for writes to be what costs most.
const SESSIONS: usize = 300;
/// Requests at a time.
const POSTERS: usize = 8;
/// Writes that have to be held back, so that it is no coincidence.
const HELD: f64 = 3_000.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_events_that_share_a_write_come_each_once_and_in_order() {
    let setup = Setup::new()
        // The slowest reader of a busy machine must not be refused for being slow.
        .set("gateway.lane_max_frames=1000000")
        .set("gateway.lane_max_bytes=268435456");
    let world = Arc::new(World::with(setup, SESSIONS).await);
    let mut readers = JoinSet::new();
    for account in &world.members {
        let mut session = world.login(account).await;
        readers.spawn(async move { ids(&session.until_message("end").await) });
    }
    let enough = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&enough);
    let mut posters = post_until(&world, POSTERS, move || over.load(Ordering::Relaxed));
    let began = Instant::now();
    let mut held = 0.0;
    while held < HELD {
        assert!(
            began.elapsed() < DEADLINE,
            "only {held} writes were held back"
        );
        held = world
            .admin
            .metrics()
            .await
            .sum("guildhall_held_writes_total", &[]);
    }
    enough.store(true, Ordering::Relaxed);
    while let Some(done) = posters.join_next().await {
        done.unwrap();
    }
    world.owner.rest.say(&world.channel, "end").await;
    let history = world.owner.rest.history(&world.channel).await;
    let sent = history
        .iter()
        .map(|message| text(&message["id"]).to_owned());
    let mut sent: Vec<String> = sent.collect();
    sent.pop();
    while let Some(seen) = readers.join_next().await {
        let seen = seen.unwrap();
        assert!(seen == sent, "{} of {} messages", seen.len(), sent.len());
    }
    let figures = world.admin.metrics().await;
    let figure = |name: &str| figures.sum(&format!("guildhall_{name}_total"), &[]);
    println!(
        "{} messages, {:.1} events a write",
        sent.len(),
        figure("deliveries") / figure("socket_writes")
    );
}
