//! What a node knows of the others, and what it does about one that does not answer.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::time::{Duration, Instant};

use guildhall_tests::cluster::{NAMES, Scene, Three};
use guildhall_tests::rest::{Answer, text};
use guildhall_tests::{Admin, eventually, numbered};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Nodes that are not taken for dead while a test has them stand still.
const PATIENT: &[&str] = &[
    "cluster.dead_after_ms=60000",
    "guild.request_timeout_ms=600",
];

async fn overview(scene: &Scene, node: usize, query: &str) -> Value {
    let operator = Admin::of(&scene.three.nodes[node]).rest;
    let path = format!("/admin/v1/cluster?{query}");
    operator.get(path).await.ok()
}

fn names(list: &Value) -> Vec<&str> {
    let list = list.as_array().unwrap().iter();
    list.map(|it| text(&it["name"])).collect()
}

#[tokio::test]
async fn figures_of_all_nodes_come_together_and_a_node_that_stands_still_is_named() {
    let scene = Scene::with(Three::start_with(PATIENT).await).await;
    let mut sessions = Vec::new();
    for node in 0..3 {
        sessions.push(scene.login(node).await);
    }
    scene.say(0, 0..10).await;
    for node in 0..3 {
        let all = eventually("sessions of all nodes", || async {
            let all = overview(&scene, node, "top=100").await;
            (all["sessions"] == 3).then_some(all)
        })
        .await;
        assert_eq!(all["partial"], false, "{all}");
        assert_eq!(names(&all["nodes"]), NAMES);
        let guilds: u64 = all["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["guilds"].as_u64().unwrap())
            .sum();
        assert_eq!(all["guilds"].as_u64().unwrap(), guilds);
        let top = all["top_guilds"].as_array().unwrap();
        let busy = top.iter().find(|it| it["id"] == scene.guild.as_str());
        assert_eq!(busy.unwrap()["node"], NAMES[2], "{all}");
        assert_eq!(busy.unwrap()["sessions"], 3, "{all}");
        // Appends were made on the guild's node, and the requests for them at the first.
        let count = |what: &str| all["latencies"][what]["count"].as_u64().unwrap();
        assert!(
            count("append") >= 10 && count("peer_request") >= 10,
            "{all}"
        );
    }
    let nodes = Admin::of(&scene.three.nodes[0]).rest;
    let nodes = nodes.get("/admin/v1/nodes").await.ok();
    assert_eq!(nodes["nodes"][1]["zone"], "zone-of-node-b");

    scene.three.nodes[1].signal(Signal::STOP);
    let asked = Instant::now();
    let part = overview(&scene, 0, "timeout_ms=300").await;
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(part["partial"], true, "{part}");
    assert_eq!(names(&part["missing"]), [NAMES[1]]);
    assert_eq!(part["missing"][0]["reason"], "node node-b does not answer");
    assert_eq!(names(&part["nodes"]), [NAMES[0], NAMES[2]]);
    assert_eq!(part["sessions"], 2, "{part}");
    scene.three.nodes[1].signal(Signal::CONT);
    eventually("the node is back", || async {
        let all = overview(&scene, 0, "").await;
        (all["partial"] == false).then_some(())
    })
    .await;
}

/// Posts a message at the first node, once; answers how long that took, too.
async fn post(scene: &Scene, channel: &str, number: usize) -> (Answer, Duration) {
    let rest = scene.three.nodes[0].rest(&scene.owner.token);
    let body = json!({ "content": numbered::content("at-a", number) });
    let asked = Instant::now();
    let answer = rest
        .post(format!("/channels/{channel}/messages"), body)
        .await;
    (answer, asked.elapsed())
}

#[tokio::test]
async fn requests_to_a_node_that_does_not_answer_fail_at_once_until_it_does_and_others_go_on() {
    let scene = Scene::with(Three::start_with(PATIENT).await).await;
    let admin = Admin::of(&scene.three.nodes[0]);
    let other = loop {
        let made = admin.guild(&[&scene.owner], &["general"]).await;
        if scene.three.owner(0, &made.id).await == NAMES[1] {
            break made.channels[0].clone();
        }
    };
    scene.three.nodes[2].signal(Signal::STOP);
    let open = || async {
        let figures = admin.metrics().await;
        let open = |node: &str| {
            figures.sum(
                "guildhall_peer_breaker_open",
                &[&format!("node=\"{node}\"")],
            )
        };
        assert!(open(NAMES[1]) < 0.5, "the other node answers");
        open(NAMES[2]) > 0.5
    };
    let mut waited = 0;
    for number in 0.. {
        let (answer, took) = post(&scene, &scene.channel, number).await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert_eq!(answer.headers["retry-after"], "1", "{answer:?}");
        assert_eq!(post(&scene, &other, number).await.0.status, 200);
        if took < Duration::from_millis(500) {
            break;
        }
        waited += 1;
        assert!(number < 20, "the node is asked again and again");
    }
    assert_eq!(waited, 5, "as many as it takes to find that out");
    assert!(open().await);
    // Nobody waits for it now.
    for number in 100..120 {
        let (answer, took) = post(&scene, &scene.channel, number).await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(took < Duration::from_millis(500), "{took:?}");
        assert_eq!(post(&scene, &other, number).await.0.status, 200);
    }
    let figures = admin.metrics().await;
    let requests = |outcome: &str| {
        let label = format!("outcome=\"{outcome}\"");
        figures.sum("guildhall_peer_requests_total", &[&label]) as usize
    };
    assert_eq!(requests("timed_out"), 5);
    assert!(
        requests("breaker_open") >= 21,
        "{}",
        requests("breaker_open")
    );

    scene.three.nodes[2].signal(Signal::CONT);
    let mut number = 200;
    eventually("the node is asked again", || {
        number += 1;
        let posted = post(&scene, &scene.channel, number);
        async move { (posted.await.0.status == 200).then_some(()) }
    })
    .await;
    assert!(!open().await);
}
