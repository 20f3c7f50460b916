//! A node that keeps everything on NATS.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use guildhall_tests::numbered::{self, numbers};
use guildhall_tests::rest::text;
use guildhall_tests::{NatsServer, Server, World, eventually};
use rustix::process::Signal;
use serde_json::json;

/// Contents of the newest messages of the world's channel, oldest first, as another server has them.
async fn history(server: &Server, world: &World) -> Vec<String> {
    let messages = server
        .rest(&world.owner.token)
        .history(&world.channel)
        .await;
    let contents = messages.iter().map(|it| text(&it["content"]).to_owned());
    contents.collect()
}

#[tokio::test]
async fn i4_a_node_goes_on_where_a_killed_one_ended_with_nothing_but_nats() {
    let nats = NatsServer::start().await;
    let mut world = World::with(nats.node(), 1).await;
    let mut said = Vec::new();
    for number in 0..20 {
        let content = numbered::content("one", number);
        world.owner.rest.say(&world.channel, &content).await;
        said.push(content);
    }
    world.server.signal(Signal::KILL);
    world.server.exit().await;

    // With an empty data directory.
    let next = nats.node().start();
    assert_eq!(history(&next, &world).await, said);
    let session = guildhall_tests::Session::login(&next, &world.member().token).await;
    let (mut gateway, _) = session.into_parts();
    let owner = next.rest(&world.owner.token);
    owner.say(&world.channel, "over").await;
    gateway.until_message("over").await;
    said.push("over".to_owned());
    assert_eq!(history(&next, &world).await, said);
}

#[tokio::test]
async fn i4_while_nats_is_away_nothing_is_acknowledged_and_afterwards_nothing_is_missing() {
    let mut nats = NatsServer::start().await;
    let world = World::with(nats.node(), 1).await;
    let (mut gateway, _) = world.login(world.member()).await.into_parts();
    let before = numbered::content("one", 0);
    world.owner.rest.say(&world.channel, &before).await;
    nats.kill();
    let mut attempts = 1;
    let refused = eventually("a refusal", || {
        attempts += 1;
        let content = numbered::content("lost", attempts);
        let post = world
            .owner
            .rest
            .post(world.messages(), json!({ "content": content }));
        async move {
            let answer = post.await;
            (answer.status == 503).then_some(())
        }
    });
    refused.await;
    nats.restart().await;
    let after = numbered::content("one", 1);
    let nonce = "after";
    world
        .owner
        .rest
        .say_surely(&world.channel, &after, nonce)
        .await;
    let seen = gateway.until_message(&after).await;
    assert_eq!(numbers("one", &seen), [0]);
    let kept: Vec<String> = history(&world.server, &world).await;
    let kept: Vec<&String> = kept
        .iter()
        .filter(|it| **it == before || **it == after)
        .collect();
    assert_eq!(kept, [&before, &after]);
}

#[tokio::test]
async fn a_start_without_nats_fails_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["dev", "--json", "--port=0", "--admin-port=0", "--set"];
    let nowhere = "cluster.nats=nats://127.0.0.1:1";
    let args: Vec<&str> = args.into_iter().chain([nowhere]).collect();
    let output = guildhall_tests::server::run(dir.path(), &args);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("nats: cannot connect"), "{said}");
}
