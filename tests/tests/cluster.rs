//! Nodes that keep everything on NATS: one, and three of a cluster.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::io::{BufRead, BufReader};

use guildhall_tests::numbered::{self, numbers};
use guildhall_tests::rest::text;
use guildhall_tests::{
    Account, Admin, Gateway, NatsServer, Rest, Server, Session, World, eventually,
};
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

/// Three nodes of one cluster.
struct Three {
    nodes: Vec<Server>,
    _nats: NatsServer,
}

const NAMES: [&str; 3] = ["node-a", "node-b", "node-c"];

impl Three {
    async fn start() -> Self {
        let nats = NatsServer::start().await;
        let node = |(name, number)| {
            nats.node()
                .set(format!("node.name={name}"))
                .set(format!("node.number={number}"))
                .set("cluster.heartbeat_ms=200")
                .set("cluster.dead_after_ms=1500")
                .start()
        };
        let nodes: Vec<Server> = NAMES.into_iter().zip(1..).map(node).collect();
        let three = Self { nodes, _nats: nats };
        three.agree(&NAMES).await;
        three
    }

    /// Waits until these nodes have the same list of themselves.
    async fn agree(&self, names: &[&str]) {
        for (node, name) in self.nodes.iter().zip(NAMES) {
            if !names.contains(&name) {
                continue;
            }
            eventually("the same ring", || async {
                let ring = Admin::of(node).rest.get("/admin/v1/ring").await.ok();
                let members = ring["members"].as_array().unwrap();
                let members: Vec<&str> = members.iter().map(|it| text(&it["name"])).collect();
                (members == names).then_some(())
            })
            .await;
        }
    }

    async fn owner(&self, node: usize, guild: &str) -> String {
        let path = format!("/admin/v1/placement?guild={guild}");
        let placement = Admin::of(&self.nodes[node]).rest.get(path).await.ok();
        text(&placement["node"]).to_owned()
    }
}

/// A guild that the last node owns, an owner and a member.
struct Scene {
    three: Three,
    guild: String,
    channel: String,
    owner: Account,
    member: Account,
}

impl Scene {
    async fn new() -> Self {
        let three = Three::start().await;
        let first = &three.nodes[0];
        let admin = Admin::of(first);
        let mut accounts = admin.users(first, 2, "user").await;
        let all: Vec<&Account> = accounts.iter().collect();
        let guild = loop {
            let made = admin.guild(&all, &["general"]).await;
            if three.owner(0, &made.id).await == NAMES[2] {
                break made;
            }
        };
        for node in 1..3 {
            assert_eq!(three.owner(node, &guild.id).await, NAMES[2]);
        }
        let (member, owner) = (accounts.pop().unwrap(), accounts.pop().unwrap());
        let channel = guild.channels[0].clone();
        let scene = Self {
            three,
            guild: guild.id,
            channel,
            owner,
            member,
        };
        // What one node wrote into the directory the others have a moment later.
        for node in &scene.three.nodes {
            let rest = node.rest(&scene.owner.token);
            let path = format!("/channels/{}", scene.channel);
            eventually("the channel on every node", || async {
                (rest.get(&path).await.status == 200).then_some(())
            })
            .await;
        }
        scene
    }

    /// Posts messages at a node, each until it is taken.
    async fn say(&self, node: usize, numbers: std::ops::Range<usize>) {
        let rest = self.three.nodes[node].rest(&self.owner.token);
        for number in numbers {
            let content = numbered::content("one", number);
            rest.say_surely(&self.channel, &content, &content).await;
        }
    }

    async fn history(&self, node: usize) -> Vec<usize> {
        let rest = self.three.nodes[node].rest(&self.owner.token);
        let messages = rest.history(&self.channel).await;
        let numbers = messages.iter().filter_map(|it| numbered::number("one", it));
        numbers.collect()
    }

    async fn login(&self, node: usize) -> Gateway {
        let session = Session::login(&self.three.nodes[node], &self.member.token).await;
        session.into_parts().0
    }
}

/// Reads up to message `last` and gives the numbers of all messages of the series.
async fn hear(gateway: &mut Gateway, last: usize) -> Vec<usize> {
    let seen = gateway.until_message(&numbered::content("one", last)).await;
    let mut heard = numbers("one", &seen);
    heard.push(last);
    heard
}

fn all(range: std::ops::Range<usize>) -> Vec<usize> {
    range.collect()
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
    let dev = std::process::Command::new(guildhall_tests::binary::path())
        .args([
            "dev",
            "--json",
            "--nodes",
            "3",
            "--port=0",
            "--admin-port=0",
        ])
        .arg("--data")
        .arg(dir.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut dev = Dev(dev);
    let mut output = BufReader::new(dev.0.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
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
            (*generation == 4 && one.ok()["node"] == other.ok()["node"]).then_some(())
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
