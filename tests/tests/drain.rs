//! Nodes that the operator drains, and guilds of one node that are looked after from another.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use guildhall_tests::cluster::{NAMES, Scene, all, hear};
use guildhall_tests::numbered;
use guildhall_tests::rest::text;
use guildhall_tests::{Admin, Rest, Server, Session, Setup, eventually};
use serde_json::{Value, json};

async fn drain(at: &Server, name: &str) -> guildhall_tests::Answer {
    let path = format!("/admin/v1/nodes/{name}/drain");
    Admin::of(at).rest.post(path, Value::Null).await
}

/// A node as another one shows it; null where it is not on the list.
async fn shown(at: &Server, name: &str) -> Value {
    let nodes = Admin::of(at).rest.get("/admin/v1/nodes").await.ok();
    let nodes = nodes["nodes"].as_array().unwrap();
    let node = nodes.iter().find(|it| it["name"] == name);
    node.cloned().unwrap_or_default()
}

/// Posts numbered messages, each once, until it is told to stop: every one must be taken. Answers how many.
async fn post(rest: Rest, channel: String, stop: Arc<AtomicBool>) -> usize {
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let body = json!({ "content": numbered::content("one", number) });
        let path = format!("/channels/{channel}/messages");
        rest.post(path, body).await.has_status(200);
        number += 1;
    }
    number
}

#[tokio::test]
async fn i4_a_node_drained_from_another_one_hands_its_guilds_over_and_ends() {
    let mut scene = Scene::new().await;
    let mut reader = scene.login(0).await;
    let mut client = scene.login(2).await;
    let stop = Arc::new(AtomicBool::new(false));
    let rest = scene.three.nodes[0].rest(&scene.owner.token);
    let poster = tokio::spawn(post(rest, scene.channel.clone(), Arc::clone(&stop)));
    let (first, second, third) = {
        let [first, second, third] = &scene.three.nodes[..] else {
            panic!("three nodes");
        };
        (first, second, third)
    };
    assert_eq!(drain(first, "node-x").await.status, 404);
    let node = shown(second, NAMES[2]).await;
    assert_eq!(node["details"]["state"], "ready", "{node}");
    assert_eq!(node["details"]["sessions"], 1, "{node}");
    assert_eq!(node["details"]["drain"], Value::Null);

    // Ordered at two nodes at a time: it begins once.
    let ordered = tokio::join!(drain(first, NAMES[2]), drain(third, NAMES[2]));
    let is_new = |answer: &guildhall_tests::Answer| {
        answer.has_status(202);
        answer.json()["already"] == false
    };
    assert!(is_new(&ordered.0) != is_new(&ordered.1), "{ordered:?}");
    client.expect_op(7).await;
    drop(client);
    let status = scene.three.nodes[2].exit().await;
    assert!(status.success(), "{status}");
    assert_eq!(drain(&scene.three.nodes[0], NAMES[2]).await.status, 404);

    stop.store(true, Ordering::Relaxed);
    let count = poster.await.unwrap();
    assert_eq!(hear(&mut reader, count - 1).await, all(0..count));
    assert_ne!(scene.three.owner(0, &scene.guild).await, NAMES[2]);
}

#[tokio::test]
async fn a_guild_of_another_node_is_seen_and_moved_between_threads_from_anywhere() {
    let scene = Scene::new().await;
    scene.say(0, 0..3).await;
    let operator = Admin::of(&scene.three.nodes[0]);
    let path = |what| format!("/admin/v1/guilds/{}/{what}", scene.guild);
    let running = operator.running(&scene.guild).await;
    assert!(running["position"].as_u64().unwrap() >= 3, "{running}");
    assert_eq!(running["state"], "serving");
    let promoted = operator.rest.post(path("promote"), Value::Null).await.ok();
    assert_eq!(promoted["kind"], "promotion");
    let running = operator.running(&scene.guild).await;
    assert_eq!(running["dedicated"], true);
    assert_eq!(text(&running["moves"][0]["reason"]), "by hand");
    let again = operator.rest.post(path("promote"), Value::Null).await;
    assert_eq!(again.status, 409, "{again:?}");
    operator.rest.post(path("demote"), Value::Null).await.ok();
    let revived = operator.rest.post(path("revive"), Value::Null).await;
    assert_eq!(revived.status, 400, "it serves");
    let restarted = operator.rest.post(path("restart"), Value::Null).await;
    restarted.has_status(202);
    scene.say(1, 3..5).await;
    assert_eq!(scene.history(2).await.len(), 5);
}

#[tokio::test]
async fn a_node_alone_that_is_drained_stops_as_it_does_by_a_signal() {
    let setup = Setup::new().set("gateway.reconnect_grace_ms=20000");
    let mut server = setup.start();
    let mut session = Session::login(&server, &server.line().user_tokens[0]).await;
    let nodes = Admin::of(&server).rest.get("/admin/v1/nodes").await.ok();
    let name = text(&nodes["nodes"][0]["name"]).to_owned();
    drain(&server, "node-x").await.has_status(404);
    drain(&server, &name).await.has_status(202);
    eventually("that it says so", || async {
        let node = shown(&server, &name).await;
        (node["details"]["state"] == "draining" && node["details"]["drain"]["guilds"] == 0)
            .then_some(())
    })
    .await;
    session.expect_op(7).await;
    drop(session);
    let status = server.exit().await;
    assert!(status.success(), "{status}");
}
