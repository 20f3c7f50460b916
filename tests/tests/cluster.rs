//! Nodes that keep everything on NATS: one, and three of a cluster.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::io::{BufRead, BufReader};

use guildhall_tests::cluster::{NAMES, Scene, all, hear};
use guildhall_tests::numbered::{self, numbers};
use guildhall_tests::rest::text;
use guildhall_tests::{Admin, NatsServer, Rest, Server, Session, World, eventually};
use rustix::process::{Pid, Signal, kill_process};
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
    let session = Session::login(&next, &world.member().token).await;
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

#[tokio::test]
async fn i3_a_session_of_one_node_hears_what_is_posted_at_another_in_a_guild_of_a_third() {
    let scene = Scene::new().await;
    let mut gateway = scene.login(0).await;
    scene.say(1, 0..30).await;
    assert_eq!(hear(&mut gateway, 29).await, all(0..30));
    for node in 0..3 {
        assert_eq!(scene.history(node).await, all(0..30));
    }
    // Who joins while connected elsewhere hears of it.
    let made = Admin::of(&scene.three.nodes[1])
        .guild(&[&scene.owner, &scene.member], &["second"])
        .await;
    let joined = |guild: &serde_json::Value| guild["id"] == made.id.as_str();
    gateway.expect_event_where("GUILD_CREATE", joined).await;
}

#[tokio::test]
async fn i4_a_guild_goes_on_after_its_node_was_killed() {
    let mut scene = Scene::new().await;
    let mut gateway = scene.login(0).await;
    scene.say(1, 0..20).await;
    scene.three.nodes[2].signal(Signal::KILL);
    let killed = std::time::Instant::now();
    scene.say(1, 20..21).await;
    let pause = killed.elapsed();
    assert!(pause.as_secs() < 5, "served again after {pause:?}");
    scene.say(0, 21..40).await;
    assert_eq!(hear(&mut gateway, 39).await, all(0..40));
    scene.three.nodes[2].exit().await;
    scene.three.agree(&NAMES[..2]).await;
    let owner = scene.three.owner(0, &scene.guild).await;
    assert_eq!(scene.three.owner(1, &scene.guild).await, owner);
    for node in 0..2 {
        assert_eq!(scene.history(node).await, all(0..40));
    }
    println!("served again after {pause:?}");
}

#[tokio::test]
async fn i1_a_node_that_was_stopped_and_goes_on_writes_nothing_to_what_others_have_taken() {
    let scene = Scene::new().await;
    let mut gateway = scene.login(0).await;
    scene.say(2, 0..10).await;
    let stopped = &scene.three.nodes[2];
    stopped.signal(Signal::STOP);
    // Asked while it stands still: it reads this when it goes on, and believes that the guild is its own.
    let (rest, channel) = (stopped.rest(&scene.owner.token), scene.channel.clone());
    let late = tokio::spawn(async move {
        let body = json!({ "content": "late" });
        rest.post(format!("/channels/{channel}/messages"), body)
            .await
    });
    scene.say(1, 10..30).await;
    scene.three.agree(&NAMES[..2]).await;
    stopped.signal(Signal::CONT);
    let late = late.await.unwrap();
    scene.say(0, 30..40).await;
    scene.three.agree(&NAMES).await;
    scene.say(2, 40..50).await;
    let seen = gateway.until_message(&numbered::content("one", 49)).await;
    assert_eq!(numbers("one", &seen), all(0..49));
    // Where it was acknowledged it is there: by the node that had the guild then.
    let heard = seen
        .iter()
        .any(|it| it.is("MESSAGE_CREATE") && it.d["content"] == "late");
    assert!(
        heard || late.status != 200,
        "an acknowledged message was not heard"
    );
    for node in 0..3 {
        assert_eq!(scene.history(node).await, all(0..50));
    }
}

#[tokio::test]
async fn i4_a_node_that_is_drained_hands_its_guilds_over() {
    let mut scene = Scene::new().await;
    let mut gateway = scene.login(0).await;
    scene.say(1, 0..10).await;
    scene.three.nodes[2].terminate();
    scene.say(1, 10..30).await;
    assert_eq!(hear(&mut gateway, 29).await, all(0..30));
    let status = scene.three.nodes[2].exit().await;
    assert!(status.success(), "{status}");
    scene.three.agree(&NAMES[..2]).await;
    assert_eq!(scene.history(0).await, all(0..30));
}

/// A process that ends others with itself, when it is asked to.
struct Dev(std::process::Child);

impl Dev {
    /// Starts three nodes, and gives the line that says where they are.
    fn start(dir: &std::path::Path) -> (Self, serde_json::Value) {
        let dev = std::process::Command::new(guildhall_tests::binary::path())
            .args(["dev", "--json", "--nodes=3", "--port=0", "--admin-port=0"])
            .arg("--data")
            .arg(dir)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut dev = Self(dev);
        let mut output = BufReader::new(dev.0.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        (dev, serde_json::from_str(&line).unwrap())
    }

    fn terminate(&self) {
        let pid = Pid::from_raw(self.0.id().try_into().unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            self.terminate();
        }
    }
}

#[tokio::test]
async fn dev_starts_a_cluster_and_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let (mut dev, line) = Dev::start(dir.path());
    let nodes = line["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 2);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let rest = |base: &serde_json::Value, authorization: &str| {
        Rest::new(http.clone(), text(base), Some(authorization))
    };
    let operator = format!("Bearer {}", text(&line["admin_token"]));
    let bot = format!("Bot {}", text(&line["bot_token"]));
    let placement = format!("/admin/v1/placement?guild={}", text(&line["guild_id"]));
    let channel = text(&line["channel_id"]);
    let first = rest(&line["admin"], &operator);
    for node in nodes {
        let elsewhere = rest(&node["admin"], &operator);
        eventually("the same owner everywhere", || async {
            let (one, other) = (first.get(&placement).await, elsewhere.get(&placement).await);
            let generation = &one.ok()["generation"];
            let same =
                *generation == other.ok()["generation"] && one.ok()["node"] == other.ok()["node"];
            same.then_some(())
        })
        .await;
        let content = text(&node["name"]);
        rest(&node["api"], &bot)
            .say_surely(channel, content, content)
            .await;
    }
    let messages = rest(&line["api"], &bot).history(channel).await;
    let said: Vec<&str> = messages.iter().map(|it| text(&it["content"])).collect();
    assert_eq!(said, ["node-2", "node-3"]);

    dev.terminate();
    let ended = eventually("the end of the cluster", || {
        let ended = dev.0.try_wait().unwrap();
        async move { ended }
    });
    assert!(ended.await.success());
    for node in nodes {
        let address = text(&node["admin"]).strip_prefix("http://").unwrap();
        assert!(std::net::TcpStream::connect(address).is_err(), "{address}");
    }
}

#[tokio::test]
async fn what_dev_started_ends_with_it_also_where_it_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut dev, line) = Dev::start(dir.path());
    let nodes = line["nodes"].as_array().unwrap();
    let answers = |node: &serde_json::Value| {
        let address = text(&node["admin"]).strip_prefix("http://").unwrap();
        std::net::TcpStream::connect(address).is_ok()
    };
    assert!(nodes.iter().all(answers));
    dev.0.kill().unwrap();
    dev.0.wait().unwrap();
    eventually("the end of the other nodes", || {
        let gone = !nodes.iter().any(answers);
        async move { gone.then_some(()) }
    })
    .await;
    // Nobody writes there any more, NATS included: another cluster can be started.
    let (again, _) = Dev::start(dir.path());
    drop(again);
}
