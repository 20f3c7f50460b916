//! What docs/protocol.md says of events and opcodes: everything that Discord documents is there, and true.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use guildhall_tests::rest::text;
use guildhall_tests::session::expect_refusal;
use guildhall_tests::{Gateway, Payload, World};
use rustix::process::Signal;
use serde_json::{Value, json};

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(path).unwrap()
}

/// Discord's list.
fn official(name: &str) -> Vec<String> {
    let list = file(&format!("fixtures/discord/{name}.txt"));
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

/// Rows of the table below a heading, in cells.
fn table(heading: &str) -> Vec<Vec<String>> {
    let page = file("../docs/protocol.md");
    let section = page.split(&format!("\n### {heading}\n")).nth(1).unwrap();
    let rows = section
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2);
    let cells = |row: &str| row.split('|').map(|cell| cell.trim().to_owned()).collect();
    rows.map(|row| cells(row.trim_matches('|'))).collect()
}

fn is_done(state: &str) -> bool {
    match state {
        "done" => true,
        "left out" => false,
        other => panic!("state {other}"),
    }
}

/// Each event, and whether it is done.
fn events() -> BTreeMap<String, bool> {
    let mut states = BTreeMap::new();
    for row in table("Dispatch events") {
        let earlier = states.insert(row[0].clone(), is_done(&row[1]));
        assert_eq!(earlier, None, "{} is there twice", row[0]);
    }
    states
}

/// Each opcode as in Discord's list, and whether it is done.
fn opcodes() -> BTreeMap<String, bool> {
    let mut states = BTreeMap::new();
    for row in table("Opcodes") {
        let name = format!("{} {} {}", row[0], row[2], row[1]);
        let earlier = states.insert(name, is_done(&row[3]));
        assert_eq!(earlier, None, "{row:?} is there twice");
    }
    states
}

#[test]
fn every_event_and_opcode_of_discord_has_its_row() {
    for (list, rows, least) in [("events", events(), 79), ("opcodes", opcodes(), 14)] {
        let official: BTreeSet<String> = official(list).into_iter().collect();
        let rows: BTreeSet<String> = rows.into_keys().collect();
        assert!(official.len() >= least);
        let lacking: Vec<_> = official.difference(&rows).collect();
        let strange: Vec<_> = rows.difference(&official).collect();
        assert!(lacking.is_empty(), "the table lacks {lacking:?}");
        assert!(strange.is_empty(), "Discord has no {strange:?}");
    }
}

/// What came, by name and by opcode.
#[derive(Default)]
struct Seen {
    events: BTreeSet<String>,
    opcodes: BTreeSet<u64>,
}

impl Seen {
    fn note(&mut self, payload: &Payload) {
        self.opcodes.insert(payload.op);
        self.events.extend(payload.t.clone());
    }

    /// Reads on to what is wanted.
    async fn until(&mut self, gateway: &mut Gateway, wanted: impl Fn(&Payload) -> bool) {
        loop {
            let payload = gateway.next().await;
            self.note(&payload);
            if wanted(&payload) {
                return;
            }
        }
    }
}

/// Has the owner change everything in the guild that makes an event.
async fn change_everything(world: &World) {
    let rest = &world.owner.rest;
    let guild = |rest: &str| world.guild_path(rest);
    rest.patch(guild(""), json!({"name": "New"})).await.ok();

    let body = json!({"name": "role"});
    let role = rest.post(guild("/roles"), body.clone()).await.ok();
    let role = guild(&format!("/roles/{}", text(&role["id"])));
    rest.patch(&role, json!({"name": "other"})).await.ok();
    rest.delete(&role).await.has_status(204);

    let channel = rest.post(guild("/channels"), body).await.ok();
    let channel = format!("/channels/{}", text(&channel["id"]));
    rest.patch(&channel, json!({"name": "other"})).await.ok();
    rest.delete(&channel).await.has_status(200);

    let newcomer = world.outsider().await;
    let member = guild(&format!("/members/{}", newcomer.id));
    rest.put(&member, json!({})).await.has_status(201);
    rest.patch(&member, json!({"nick": "Nick"})).await.ok();
    rest.delete(&member).await.has_status(204);

    let mut messages = Vec::new();
    for content in ["one", "two", "three"] {
        messages.push(rest.say(&world.channel, content).await["id"].clone());
    }
    let message = format!("{}/{}", world.messages(), text(&messages[0]));
    rest.patch(&message, json!({"content": "1"})).await.ok();
    let reaction = format!("{message}/reactions/%F0%9F%91%8D/@me");
    rest.put(&reaction, Value::Null).await.has_status(204);
    rest.delete(&reaction).await.has_status(204);
    rest.delete(&message).await.has_status(204);
    let bulk = format!("{}/bulk-delete", world.messages());
    let body = json!({"messages": messages[1..]});
    rest.post(&bulk, body).await.has_status(204);
}

#[tokio::test]
async fn what_the_table_calls_done_is_what_the_server_sends() {
    let mut seen = Seen::default();
    let mut world = World::new(1).await;
    let member = world.member();
    let watcher = world.login(member).await;
    let doer = world.login(&world.owner).await;
    // Every opcode of a client, those that are ignored as well.
    let (mut gateway, cut) = watcher.into_parts();
    for op in [4, 31, 43, 99] {
        gateway.send(json!({"op": op, "d": {}})).await;
    }
    change_everything(&world).await;
    world.owner.rest.say(&world.channel, "over").await;
    let is_over = |payload: &Payload| payload.d["content"] == "over";
    seen.until(&mut gateway, is_over).await;
    let typing = format!("/channels/{}/typing", world.channel);
    world.owner.rest.post(typing, json!({})).await;
    seen.until(&mut gateway, |it| it.is("TYPING_START")).await;
    let mut owner = doer.into_parts().0;
    let presence = json!({"since": null, "activities": [], "status": "idle", "afk": false});
    owner.send(json!({"op": 3, "d": presence})).await;
    seen.until(&mut gateway, |it| it.d["status"] == "idle")
        .await;
    let members = json!({"guild_id": world.guild, "query": "", "limit": 0});
    gateway.send(json!({"op": 8, "d": members})).await;
    seen.until(&mut gateway, |it| it.is("GUILD_MEMBERS_CHUNK"))
        .await;
    gateway.send(json!({"op": 1, "d": gateway.seq()})).await;
    seen.until(&mut gateway, |it| it.op == 11).await;

    // The session comes back, and nobody else's does.
    let seq = gateway.seq();
    gateway.reset();
    let mut gateway = Gateway::connect(&world.server).await;
    gateway.resume(&cut.token, &cut.id, seq).await;
    seen.until(&mut gateway, |it| it.is("RESUMED")).await;
    let mut stranger = Gateway::connect(&world.server).await;
    stranger.resume(&cut.token, "nobody's", 1).await;
    expect_refusal(&mut stranger).await;
    seen.opcodes.insert(9);
    // A login, seen from Hello on; `connect` reads that one and panics where another comes.
    seen.opcodes.insert(10);
    stranger
        .identify(&cut.token, guildhall_tests::ALL_INTENTS)
        .await;
    seen.until(&mut stranger, |it| it.is("GUILD_CREATE")).await;

    let guild = world.guild_path("");
    world.owner.rest.delete(&guild).await.has_status(204);
    seen.until(&mut gateway, |it| it.is("GUILD_DELETE")).await;
    world.server.signal(Signal::TERM);
    seen.until(&mut gateway, |it| it.op == 7).await;
    world.server.exit().await;

    let done: BTreeSet<String> = events()
        .into_iter()
        .filter_map(|(event, done)| done.then_some(event))
        .collect();
    assert_eq!(seen.events, done);
    let done: BTreeSet<u64> = opcodes()
        .into_iter()
        .filter(|(name, done)| *done && name.contains(" server "))
        .map(|(name, _)| name.split(' ').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(seen.opcodes, done);
}
