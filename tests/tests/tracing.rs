//! What the log says, for people and for programs.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use guildhall_tests::{Server, Setup, World, eventually};
use serde_json::Value;

/// The lines of a log in JSON that are wanted, once there are any.
async fn lines(server: &Server, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
    eventually("a line in the log", || {
        let log = server.log();
        let all = log
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let found: Vec<Value> = all.filter(&wanted).collect();
        async move { (!found.is_empty()).then_some(found) }
    })
    .await
}

/// A world with one member, whose server logs in JSON.
async fn logged(setting: &str) -> World {
    let setup = Setup::new().set("log.format=json").set(setting);
    World::with(setup, 1).await
}

/// A request has a number in its response and its line, and the guild that it is about.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_and_connections_have_lines_at_debug() {
    let world = logged("log.filter=guildhall_server=debug").await;
    let session = world.login(world.member()).await;
    let path = format!("/channels/{}/messages", world.channel);
    let answer = world.member().rest.get(&path).await;
    let other = world.member().rest.get(&path).await;
    let id = answer.header("x-request-id").unwrap().to_owned();
    assert_eq!(id.len(), 16);
    assert_ne!(other.header("x-request-id"), Some(&*id));
    let found = lines(&world.server, |line| line["fields"]["request"] == *id).await;
    assert_eq!(found.len(), 1);
    let fields = &found[0]["fields"];
    assert_eq!(fields["guild"], world.guild.as_str());
    assert_eq!(
        (&fields["method"], &fields["status"]),
        (&"GET".into(), &200.into())
    );
    let local = session.local_address().to_string();
    let taken = lines(&world.server, |line| line["fields"]["address"] == *local).await;
    assert_eq!(taken[0]["fields"]["message"], "connection taken");
    drop(session);
    lines(&world.server, |line| {
        line["fields"]["message"] == "connection gone"
    })
    .await;
}

/// By default there is no line for a request or a connection, and fan-outs are told of where that is set.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fan_outs_are_told_of_by_their_size_and_nothing_else_by_default() {
    let world = logged("log.deliveries_every=2").await;
    let mut one = world.login(world.member()).await;
    let mut other = world.login(&world.owner).await;
    for text in ["first", "second", "third", "fourth"] {
        world.owner.rest.say(&world.channel, text).await;
        one.until_message(text).await;
        other.until_message(text).await;
    }
    let found = lines(&world.server, |line| {
        line["fields"]["message"] == "a fan-out"
    })
    .await;
    for line in &found {
        assert_eq!(line["fields"]["guild"], world.guild.as_str());
    }
    let log = world.server.log();
    assert!(!log.contains("connection taken") && !log.contains("x-request-id"));
    assert!(!log.contains("\"request\""), "{log}");
}
