//! Guilds that go from node to node while they are in use.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use guildhall_tests::cluster::{NAMES, Scene, Three, all, hear};
use guildhall_tests::numbered::{self, numbers};
use guildhall_tests::rest::text;
use guildhall_tests::{Admin, Rest, eventually};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Moves the scene's guild, asked for at a node.
async fn move_to(scene: &Scene, at: usize, node: Option<&str>) -> guildhall_tests::rest::Answer {
    let path = format!("/admin/v1/guilds/{}/move", scene.guild);
    let operator = Admin::of(&scene.three.nodes[at]).rest;
    operator.post(path, json!({ "node": node })).await
}

/// The moves of the scene's guild that a node knows of, the newest first, and the pauses of all.
async fn moves(scene: &Scene, at: usize) -> (Vec<Value>, Value) {
    let operator = Admin::of(&scene.three.nodes[at]).rest;
    let mut said = operator.get("/admin/v1/moves").await.ok();
    let pause = said["pause"].take();
    let moves = said["moves"].as_array().unwrap().iter();
    let moves = moves.filter(|it| it["id"] == scene.guild.as_str());
    (moves.cloned().collect(), pause)
}

/// Posts numbered messages, each once, until it is told to stop: every one must be taken. Answers how many.
async fn post(rest: Rest, channel: String, series: &'static str, stop: Arc<AtomicBool>) -> usize {
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let body = json!({ "content": numbered::content(series, number) });
        let answer = rest
            .post(format!("/channels/{channel}/messages"), body)
            .await;
        assert_eq!(answer.status, 200, "{series}-{number}: {answer:?}");
        number += 1;
    }
    number
}

#[tokio::test]
async fn i3_i4_a_guild_moved_from_node_to_node_under_load_loses_and_refuses_nothing() {
    let scene = Scene::new().await;
    let mut sessions = vec![
        scene.login(0).await,
        scene.login(1).await,
        scene.login(2).await,
    ];
    let stop = Arc::new(AtomicBool::new(false));
    let series = ["at-a", "at-b", "at-c"];
    let posters = series
        .into_iter()
        .zip(&scene.three.nodes)
        .map(|(series, node)| {
            let rest = node.rest(&scene.owner.token);
            tokio::spawn(post(rest, scene.channel.clone(), series, Arc::clone(&stop)))
        });
    let posters: Vec<_> = posters.collect();
    let count = 30;
    for number in 0..count {
        // Asked for anywhere.
        let answer = move_to(&scene, number % 2, Some(NAMES[number % 3])).await;
        let moved = answer.ok();
        assert_eq!(moved["to"], NAMES[number % 3]);
        assert!(moved["pause_ms"].is_number(), "{moved}");
    }
    stop.store(true, Ordering::Relaxed);
    let mut posted = Vec::new();
    for poster in posters {
        posted.push(poster.await.unwrap());
    }
    scene.say(0, 0..1).await;
    for gateway in &mut sessions {
        let seen = gateway.until_message("one-0").await;
        for (series, posted) in series.into_iter().zip(&posted) {
            assert_eq!(numbers(series, &seen), all(0..*posted), "{series}");
        }
    }
    for (at, name) in NAMES.into_iter().enumerate() {
        assert_eq!(
            scene.three.owner(at, &scene.guild).await,
            NAMES[(count - 1) % 3]
        );
        let known = eventually("all moves on every node", || async {
            let (moves, pause) = moves(&scene, at).await;
            (moves.len() == count).then_some((moves, pause))
        });
        let (known, pause) = known.await;
        assert_eq!(text(&known[0]["to"]), NAMES[(count - 1) % 3]);
        println!("seen from {name}: {pause}");
    }
    println!("posted {posted:?}");
    // It is where the ring has it: only the pin goes.
    let unpinned = move_to(&scene, 1, None).await.ok();
    assert_eq!(unpinned["pause_ms"], Value::Null, "{unpinned}");
    assert_eq!(move_to(&scene, 1, None).await.status, 409, "not pinned");
}

#[tokio::test]
async fn a_move_that_cannot_be_made_leaves_the_guild_where_it_is() {
    let mut scene = Scene::new().await;
    let mut gateway = scene.login(0).await;
    scene.say(0, 0..3).await;
    assert_eq!(move_to(&scene, 0, Some("node-z")).await.status, 404);
    assert_eq!(
        move_to(&scene, 0, None).await.status,
        409,
        "it is not pinned"
    );
    // A node that stands still does not read the guild ahead, and is taken off the list.
    scene.three.nodes[1].signal(Signal::STOP);
    let answer = move_to(&scene, 0, Some(NAMES[1])).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(scene.three.owner(0, &scene.guild).await, NAMES[2]);
    scene.say(0, 3..6).await;
    scene.three.nodes[1].signal(Signal::KILL);
    scene.three.nodes[1].exit().await;
    assert_eq!(hear(&mut gateway, 5).await, all(0..6));
    assert!(moves(&scene, 0).await.0.is_empty());
}

#[tokio::test]
async fn a_pinned_guild_stays_where_it_is_until_its_node_goes() {
    let mut scene = Scene::new().await;
    let mut gateway = scene.login(0).await;
    move_to(&scene, 0, Some(NAMES[1])).await.ok();
    scene.three.start_node(3);
    let four = ["node-a", "node-b", "node-c", "node-d"];
    scene.three.agree(&four).await;
    for at in 0..4 {
        assert_eq!(scene.three.owner(at, &scene.guild).await, NAMES[1]);
    }
    scene.say(3, 0..10).await;
    scene.three.nodes[1].terminate();
    scene.say(0, 10..20).await;
    let status = scene.three.nodes[1].exit().await;
    assert!(status.success(), "{status}");
    assert_eq!(hear(&mut gateway, 19).await, all(0..20));
    // The pin is kept for when it is back.
    scene.three.start_node(1);
    scene.three.agree(&four).await;
    assert_eq!(scene.three.owner(0, &scene.guild).await, NAMES[1]);
    scene.say(2, 20..30).await;
    assert_eq!(hear(&mut gateway, 29).await, all(20..30));
}

#[tokio::test]
async fn i4_nodes_that_come_and_leave_take_guilds_over_without_a_refusal() {
    let mut scene = Scene::new().await;
    let mut gateway = scene.login(0).await;
    let stop = Arc::new(AtomicBool::new(false));
    let rest = scene.three.nodes[0].rest(&scene.owner.token);
    let poster = tokio::spawn(post(rest, scene.channel.clone(), "one", Arc::clone(&stop)));
    scene.three.start_node(3);
    scene
        .three
        .agree(&["node-a", "node-b", "node-c", "node-d"])
        .await;
    // The guild's own node, and then whichever has it, but the poster's.
    let mut left = vec!["node-a", "node-b", "node-c", "node-d"];
    for _ in 0..2 {
        let owner = scene.three.owner(0, &scene.guild).await;
        let goes = if owner == NAMES[0] {
            left[1].to_owned()
        } else {
            owner
        };
        let index = usize::from(goes.as_bytes()[5] - b'a');
        scene.three.nodes[index].terminate();
        let status = scene.three.nodes[index].exit().await;
        assert!(status.success(), "{status}");
        left.retain(|name| *name != goes);
        scene.three.agree(&left).await;
    }
    stop.store(true, Ordering::Relaxed);
    let count = poster.await.unwrap();
    assert_eq!(hear(&mut gateway, count - 1).await, all(0..count));
    let (known, pause) = moves(&scene, 0).await;
    println!("{count} messages, {pause}");
    assert!(known.iter().any(|it| it["reason"] == "nodes"), "{known:?}");
}

#[tokio::test]
async fn i4_many_guilds_are_refused_nothing_while_nodes_come_and_leave() {
    const GUILDS: usize = 24;
    const POSTERS: usize = 4;
    let three = Three::start_with(&["limits.rest_per_second=10000"]).await;
    let mut scene = Scene::with(three).await;
    let admin = Admin::of(&scene.three.nodes[0]);
    let mut channels = Vec::new();
    for _ in 0..GUILDS {
        let made = admin.guild(&[&scene.owner], &["general"]).await;
        channels.push(made.channels[0].clone());
    }
    let stop = Arc::new(AtomicBool::new(false));
    let posters = channels.chunks(GUILDS / POSTERS).map(|channels| {
        let rest = scene.three.nodes[0].rest(&scene.owner.token);
        let (channels, stop) = (channels.to_vec(), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                let channel = &channels[count % channels.len()];
                let body = json!({ "content": numbered::content("many", count) });
                let path = format!("/channels/{channel}/messages");
                let answer = rest.post(path, body).await;
                // Beyond the rate that a user may post at.
                if answer.status == 429 {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    continue;
                }
                assert_eq!(answer.status, 200, "{count}: {answer:?}");
                count += 1;
            }
            count
        })
    });
    let posters: Vec<_> = posters.collect();
    scene.three.start_node(3);
    let mut left = vec!["node-a", "node-b", "node-c", "node-d"];
    scene.three.agree(&left).await;
    for index in [1, 3] {
        scene.three.nodes[index].terminate();
        let status = scene.three.nodes[index].exit().await;
        assert!(status.success(), "{status}");
        left.retain(|name| name.as_bytes()[5] != b'a' + index as u8);
        scene.three.agree(&left).await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut posted = Vec::new();
    for poster in posters {
        posted.push(poster.await.unwrap());
    }
    println!("posted {posted:?}");
    assert!(posted.iter().sum::<usize>() > GUILDS, "{posted:?}");
    // Each guild has all that was posted to it, in its order.
    let rest = scene.three.nodes[0].rest(&scene.owner.token);
    for (number, channel) in channels.iter().enumerate() {
        let (by, at) = (number / (GUILDS / POSTERS), number % (GUILDS / POSTERS));
        let messages = rest.history(channel).await;
        let has: Vec<usize> = messages
            .iter()
            .filter_map(|it| numbered::number("many", it))
            .collect();
        let wanted = (at..posted[by]).step_by(GUILDS / POSTERS);
        assert!(wanted.eq(has.iter().copied()), "{channel}: {has:?}");
    }
}
