//! A guild that is loaded anew while its sessions listen: they notice nothing but a pause.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use guildhall_tests::rest::text;
use guildhall_tests::{Rest, Session, World, eventually};
use serde_json::json;
use tokio::task::JoinSet;

/// How often the guild is loaded anew.
const RESTARTS: usize = 30;
/// Sessions that listen.
const SESSIONS: usize = 10;
/// Requests at a time.
const POSTERS: usize = 6;

/// Reads to the message `end`; the ids of the messages in the order in which they came.
async fn listen(mut session: Session) -> Vec<String> {
    let mut messages = Vec::new();
    loop {
        let payload = session.next().await;
        assert_ne!(payload.op, 9, "a session was ended");
        if payload.is("MESSAGE_CREATE") {
            if payload.d["content"] == "end" {
                return messages;
            }
            messages.push(text(&payload.d["id"]).to_owned());
        }
    }
}

/// Posts until `stop`, each message until it is taken; answers their ids.
async fn post(rest: Rest, channel: String, poster: usize, stop: Arc<AtomicBool>) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let nonce = format!("{poster}-{number}");
        let body = json!({"content": nonce, "nonce": nonce, "enforce_nonce": true});
        let answer = eventually("a message that is taken", || {
            let send = rest.post(format!("/channels/{channel}/messages"), body.clone());
            async move {
                let answer = send.await;
                (answer.status != 503).then_some(answer)
            }
        })
        .await;
        ids.push(text(&answer.ok()["id"]).to_owned());
    }
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_i4_a_guild_loaded_anew_under_load_loses_and_repeats_nothing() {
    let world = World::new(SESSIONS).await;
    let mut listeners = JoinSet::new();
    for account in &world.members {
        listeners.spawn(listen(world.login(account).await));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut posters = JoinSet::new();
    for poster in 0..POSTERS {
        let (rest, channel) = (world.owner.rest.clone(), world.channel.clone());
        posters.spawn(post(rest, channel, poster, Arc::clone(&stop)));
    }
    let path = format!("/admin/v1/guilds/{}", world.guild);
    for _ in 0..RESTARTS {
        let answer = world
            .admin
            .rest
            .post(format!("{path}/restart"), json!({}))
            .await;
        answer.has_status(202);
        // It serves again before the next one.
        world.admin.rest.get(&path).await.ok();
    }
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged: Vec<String> = posters.join_all().await.concat();
    acknowledged.sort_by_key(|id| id.parse::<u64>().unwrap());
    world.owner.rest.say(&world.channel, "end").await;
    let mut history = world.owner.rest.history(&world.channel).await;
    history.pop();
    let history: Vec<String> = history
        .iter()
        .map(|message| text(&message["id"]).to_owned())
        .collect();
    println!("{} messages", history.len());
    assert_eq!(history, acknowledged, "history has what was acknowledged");
    for heard in listeners.join_all().await {
        assert_eq!(
            heard, history,
            "a session heard each message once, in order"
        );
    }
    let shown = world.admin.rest.get(&path).await.ok();
    assert_eq!(shown["running"]["state"], "serving");
    assert_eq!(shown["running"]["restarts"], 0, "nothing panicked");
}
