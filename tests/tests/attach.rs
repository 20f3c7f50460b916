//! Logging in while a guild is posted to at full speed: what GUILD_CREATE holds and what comes live
//! after it make a whole, without an overlap.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use guildhall_tests::flood::post_until;
use guildhall_tests::numbered::ids;
use guildhall_tests::rest::text;
use guildhall_tests::{Payload, Session, Setup, World};
use serde_json::Value;
use tokio::task::JoinSet;

/// Requests at a time.
const POSTERS: usize = 6;
/// Logins at a time, and how often each logs in.
const LOGINS: usize = 8;
const TIMES: usize = 12;
/// Live messages that a session waits for before it stops reading.
const LIVE: usize = 30;

/// Where each message of a channel stands in its history.
struct History {
    ids: Vec<String>,
    places: HashMap<String, usize>,
}

impl History {
    async fn of(world: &World) -> Self {
        let messages = world.owner.rest.history(&world.channel).await;
        let ids: Vec<String> = messages
            .iter()
            .map(|it| text(&it["id"]).to_owned())
            .collect();
        let places = ids.iter().cloned().zip(0..).collect();
        Self { ids, places }
    }

    /// Checks that what came live is a stretch of the history without a gap, from no later than what
    /// was posted after GUILD_CREATE, and from no earlier than what was there before the login.
    fn explains(&self, seen: &Seen) {
        let live = ids(&seen.live);
        let first = self.places[&live[0]];
        assert_eq!(
            live,
            self.ids[first..first + live.len()],
            "from place {first}"
        );
        assert!(first > self.places[&seen.before], "before the login");
        assert!(first <= self.places[&seen.after], "after GUILD_CREATE");
        if let Value::String(last) = &seen.last_message_id {
            assert!(self.places[last] < first, "GUILD_CREATE is not ahead");
        }
    }
}

/// What a login saw.
struct Seen {
    /// A message that was acknowledged before the login.
    before: String,
    /// The channel's newest message by GUILD_CREATE; it may be some seconds old.
    last_message_id: Value,
    /// What came after it.
    live: Vec<Payload>,
    /// A message that was posted once GUILD_CREATE had been read.
    after: String,
}

async fn post_one(world: &World) -> String {
    let sent = world.owner.rest.say(&world.channel, "a sign").await;
    text(&sent["id"]).to_owned()
}

/// Reads until enough has come, and the message that is posted now.
async fn watch(world: &World, before: String, mut session: Session, guild: &Value) -> Seen {
    let mut channels = guild["channels"].as_array().unwrap().iter();
    let channel = channels.find(|channel| channel["id"] == world.channel.as_str());
    let mut seen = Seen {
        before,
        last_message_id: channel.unwrap()["last_message_id"].clone(),
        live: Vec::new(),
        after: post_one(world).await,
    };
    while ids(&seen.live).len() < LIVE || !ids(&seen.live).contains(&seen.after) {
        seen.live.push(session.next().await);
    }
    seen
}

async fn world(members: usize) -> Arc<World> {
    let setup = Setup::new()
        .set("guild.recent_max_messages=1000000")
        .set("guild.recent_max_bytes=1000000000");
    Arc::new(World::with(setup, members).await)
}

/// Posts until `stop`.
fn post(world: &Arc<World>, stop: &Arc<AtomicBool>) -> JoinSet<()> {
    let stop = Arc::clone(stop);
    post_until(world, POSTERS, move || stop.load(Ordering::Relaxed))
}

async fn check(world: &World, mut watchers: JoinSet<Vec<Seen>>, wanted: usize) {
    let mut seen = Vec::new();
    while let Some(more) = watchers.join_next().await {
        seen.extend(more.unwrap());
    }
    let history = History::of(world).await;
    println!("{} messages", history.ids.len());
    assert_eq!(seen.len(), wanted);
    for seen in &seen {
        history.explains(seen);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_who_logs_in_while_messages_are_posted_gets_what_follows_the_snapshot() {
    let world = world(LOGINS).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut posters = post(&world, &stop);
    let mut watchers = JoinSet::new();
    for login in 0..LOGINS {
        let world = Arc::clone(&world);
        watchers.spawn(async move {
            let mut seen = Vec::new();
            for _ in 0..TIMES {
                let before = post_one(&world).await;
                let session = world.login(&world.members[login]).await;
                let guild = session.guilds[0].clone();
                seen.push(watch(&world, before, session, &guild).await);
            }
            seen
        });
    }
    check(&world, watchers, LOGINS * TIMES).await;
    stop.store(true, Ordering::Relaxed);
    while let Some(done) = posters.join_next().await {
        done.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_who_joins_while_messages_are_posted_gets_what_follows_the_snapshot() {
    let world = world(0).await;
    let stop = Arc::new(AtomicBool::new(false));
    let newcomers = world.admin.users(&world.server, LOGINS, "newcomer").await;
    let mut posters = post(&world, &stop);
    let mut watchers = JoinSet::new();
    for newcomer in newcomers {
        let world = Arc::clone(&world);
        watchers.spawn(async move {
            let mut session = world.login(&newcomer).await;
            let path = world.guild_path(&format!("/members/{}", newcomer.id));
            let before = post_one(&world).await;
            world.owner.rest.put(path, serde_json::json!({})).await.ok();
            let guild = session.expect_event("GUILD_CREATE").await;
            vec![watch(&world, before, session, &guild).await]
        });
    }
    check(&world, watchers, LOGINS).await;
    stop.store(true, Ordering::Relaxed);
    while let Some(done) = posters.join_next().await {
        done.unwrap();
    }
}
