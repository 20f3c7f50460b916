//! A disk that fills up under a server, is full for a while, and has space again.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::collections::HashMap;
use std::time::{Duration, Instant};

use guildhall_tests::rest::{Answer, text};
use guildhall_tests::{DEADLINE, Session, Setup, SmallDisk, World, eventually};
use rustix::process::Signal;
use serde_json::json;

/// Size of the file system, in mebibytes.
const DISK: u64 = 96;
/// How soon writes are taken once there is space.
const HEALS_IN: Duration = Duration::from_secs(10);

/// How soon a guild whose write failed is readable again, with the disk still full.
const READS_IN: Duration = Duration::from_secs(5);

/// Messages that were sent: their contents by nonce, and the ids of those that were acknowledged.
#[derive(Default)]
struct Sent {
    next: usize,
    acknowledged: HashMap<String, String>,
    refused: Vec<String>,
}

fn content(nonce: &str) -> String {
    format!("{nonce} {}", "x".repeat(1_800))
}

impl Sent {
    async fn send(&mut self, world: &World, nonce: String) -> Answer {
        let body = json!({"content": content(&nonce), "nonce": nonce, "enforce_nonce": true});
        let answer = world.owner.rest.post(world.messages(), body).await;
        if answer.status == 200 {
            let id = text(&answer.json()["id"]).to_owned();
            let before = self.acknowledged.insert(nonce, id);
            assert!(before.is_none(), "acknowledged twice");
        } else {
            assert_eq!(answer.status, 503, "{answer:?}");
            self.refused.push(nonce);
        }
        answer
    }

    async fn next(&mut self, world: &World) -> Answer {
        self.next += 1;
        self.send(world, format!("n{}", self.next)).await
    }
}

/// Every acknowledged message is in history once, and no other twice.
async fn check_history(world: &World, sent: &Sent) {
    let history = world.owner.rest.history(&world.channel).await;
    let mut found: HashMap<String, Vec<String>> = HashMap::new();
    for message in &history {
        let content = text(&message["content"]);
        let nonce = content.split(' ').next().unwrap().to_owned();
        if nonce == "again" {
            continue;
        }
        found
            .entry(nonce)
            .or_default()
            .push(text(&message["id"]).to_owned());
    }
    for (nonce, id) in &sent.acknowledged {
        assert_eq!(found.get(nonce), Some(&vec![id.clone()]), "{nonce}");
    }
    assert!(found.values().all(|ids| ids.len() == 1), "sent twice");
}

/// Publishes until that is refused, as Discord refuses.
async fn fill_up(world: &World, disk: &SmallDisk, sent: &mut Sent) {
    let end = Instant::now() + DEADLINE * 2;
    let refusal = loop {
        let answer = sent.next(world).await;
        if answer.status == 503 {
            break answer;
        }
        assert!(
            Instant::now() < end,
            "never refused, {} bytes free",
            disk.free()
        );
    };
    let error = refusal.json();
    assert!(
        error["code"].is_u64() && error["message"].is_string(),
        "{error}"
    );
}

/// Reads and publishes while the disk is full.
async fn live_on_while_full(world: &World, session: &mut Session, sent: &mut Sent) {
    // Where a write has failed its guild is read from the log again; nothing else is held up.
    let refused = Instant::now();
    eventually("the guild is read again", || {
        let page = world.member().rest.get(world.messages());
        async move { (page.await.status == 200).then_some(()) }
    })
    .await;
    let read_in = refused.elapsed();
    assert!(read_in < READS_IN, "{read_in:?}");
    println!("read again in {read_in:?}");

    // Reads and live sessions go on, for as long as it is full.
    let full_until = Instant::now() + Duration::from_secs(3);
    let mut looked = 0;
    while Instant::now() < full_until || looked < 5 {
        let page = world
            .member()
            .rest
            .get(format!("{}?limit=100", world.messages()))
            .await;
        assert_eq!(
            page.ok().as_array().unwrap().len(),
            100.min(sent.acknowledged.len())
        );
        world.members[1].rest.get("/users/@me").await.ok();
        world.member().rest.get(world.guild_path("")).await.ok();
        let typing = format!("/channels/{}/typing", world.channel);
        world.members[1].rest.post(typing, json!({})).await.ok();
        loop {
            let payload = session.next().await;
            assert!(
                ![7, 9].contains(&payload.op),
                "a session was ended: {payload:?}"
            );
            if payload.is("TYPING_START") {
                break;
            }
        }
        sent.next(world).await;
        looked += 1;
    }
}

async fn a_disk_fills_up_and_has_space_again(min_free: u64, left: u64) {
    let disk = SmallDisk::new(DISK);
    let setup = || {
        Setup::new()
            .set(format!("store.min_free_bytes={min_free}"))
            .through(disk.prefix(), disk.path("data"))
    };
    let mut world = World::with(setup(), 2).await;
    let mut session = world.login(&world.members[0]).await;
    let mut sent = Sent::default();
    for _ in 0..20 {
        assert_eq!(sent.next(&world).await.status, 200);
    }
    disk.fill("ballast", left);

    fill_up(&world, &disk, &mut sent).await;
    live_on_while_full(&world, &mut session, &mut sent).await;
    let taken_while_full = sent.acknowledged.len();
    assert!(sent.refused.len() > 1, "it was full for a moment only");
    check_history(&world, &sent).await;

    disk.remove("ballast");
    let freed = Instant::now();
    eventually("writes are taken again", || {
        let body = json!({"content": "again"});
        let answer = world.owner.rest.post(world.messages(), body);
        async move { (answer.await.status == 200).then_some(()) }
    })
    .await;
    let healed_in = freed.elapsed();
    assert!(healed_in < HEALS_IN, "{healed_in:?}");
    println!(
        "refused {} of {}, healed in {healed_in:?}",
        sent.refused.len(),
        sent.next
    );

    // What was refused is sent again, as a client would.
    for nonce in std::mem::take(&mut sent.refused) {
        assert_eq!(sent.send(&world, nonce).await.status, 200);
    }
    for _ in 0..20 {
        assert_eq!(sent.next(&world).await.status, 200);
    }
    assert!(sent.acknowledged.len() > taken_while_full + 20);
    check_history(&world, &sent).await;
    loop {
        let payload = session.next().await;
        assert!(
            ![7, 9].contains(&payload.op),
            "a session was ended: {payload:?}"
        );
        if payload.is("MESSAGE_CREATE")
            && text(&payload.d["content"]).starts_with(&format!("n{} ", sent.next))
        {
            break;
        }
    }

    world.server.signal(Signal::KILL);
    world.server.exit().await;
    world.server = setup().after(&world.server).start();
    world.owner.rest = world.server.rest(&world.owner.token);
    check_history(&world, &sent).await;
    assert_eq!(sent.next(&world).await.status, 200);
}

/// Writes are refused before anything breaks.
#[tokio::test]
async fn i4_writes_stop_below_the_least_free_space_and_nothing_is_lost() {
    a_disk_fills_up_and_has_space_again(24 << 20, 28 << 20).await;
}

/// The write itself fails, for lack of space.
#[tokio::test]
async fn i4_a_write_that_finds_no_space_costs_nothing_that_was_acknowledged() {
    a_disk_fills_up_and_has_space_again(0, 2 << 20).await;
}
