//! Guilds that are moved between threads by themselves, because of real load.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use guildhall_tests::admin::Guild;
use guildhall_tests::numbered::content;
use guildhall_tests::rest::text;
use guildhall_tests::{Account, Session, Setup, World, eventually};
use serde_json::Value;
use tokio::task::{JoinHandle, JoinSet};

/// Requests at a time to a guild that is flooded.
const POSTERS: usize = 6;

/// Little load counts, and what it leads to is done soon: what a busy machine leaves to the server is
/// not known. The slowest reader must not be refused for being slow.
fn setup() -> Setup {
    Setup::new()
        .set("store.durability=memory")
        .set("guild.balance_min_percent=1")
        .set("guild.balance_settle_s=1")
        .set("guild.promote_percent=3")
        .set("guild.promote_delay_ms=0")
        .set("guild.promote_after_s=1")
        .set("guild.demote_percent=2")
        .set("guild.demote_after_s=1")
        .set("gateway.lane_max_frames=1000000")
        .set("gateway.lane_max_bytes=268435456")
}

/// Posts to a channel as fast as answers come, until it is told to stop.
struct Flood {
    over: Arc<AtomicBool>,
    posters: JoinSet<()>,
}

impl Flood {
    fn start(owner: &Account, channel: &str, posters: usize) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for poster in 0..posters {
            let (rest, channel, over) = (owner.rest.clone(), channel.to_owned(), Arc::clone(&over));
            tasks.spawn(async move {
                let mut number = 0;
                while !over.load(Ordering::Relaxed) {
                    // Panics where it is not answered with 200.
                    rest.say(&channel, &content(&poster.to_string(), number))
                        .await;
                    number += 1;
                }
            });
        }
        Self {
            over,
            posters: tasks,
        }
    }

    async fn stop(mut self) {
        self.over.store(true, Ordering::Relaxed);
        while let Some(done) = self.posters.join_next().await {
            done.unwrap();
        }
    }
}

/// The ids of the messages that a session is sent, up to the one that says `end`.
fn listen(mut session: Session) -> JoinHandle<Vec<String>> {
    tokio::spawn(async move {
        let mut heard = Vec::new();
        loop {
            let payload = session.next().await;
            assert_eq!(payload.op, 0, "{:?}", payload.d);
            if payload.is("MESSAGE_CREATE") {
                if payload.d["content"] == "end" {
                    return heard;
                }
                heard.push(text(&payload.d["id"]).to_owned());
            }
        }
    })
}

/// Each session heard what is in history, each once and in its order.
async fn heard_all(owner: &Account, channel: &str, listeners: Vec<JoinHandle<Vec<String>>>) {
    owner.rest.say(channel, "end").await;
    let mut history = owner.rest.history(channel).await;
    assert_eq!(history.pop().unwrap()["content"], "end");
    let history: Vec<&str> = history.iter().map(|it| text(&it["id"])).collect();
    for listener in listeners {
        let heard = listener.await.unwrap();
        let same = heard.iter().zip(&history).take_while(|(a, b)| a == b);
        assert_eq!(same.count(), history.len(), "of {} heard", heard.len());
        assert_eq!(heard.len(), history.len());
    }
}

async fn decisions(world: &World, kind: &str) -> usize {
    let label = format!("kind=\"{kind}\"");
    let metrics = world.admin.metrics().await;
    metrics.sum("guildhall_balance_decisions_total", &[&label]) as usize
}

/// Waits until the guild was moved for this reason; gives what is shown of it.
async fn moved(world: &World, reason: &str) -> Value {
    eventually(reason, || async {
        let running = world.admin.running(&world.guild).await;
        (running["placed_because"] == reason && running["moving"] == false).then_some(running)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flooded_guild_gets_a_thread_of_its_own_by_itself_and_gives_it_back() {
    let setup = setup()
        .set("node.executors=1")
        .set("guild.dedicated_executors=1");
    let world = World::with(setup, 3).await;
    let mut listeners = Vec::new();
    for member in &world.members {
        listeners.push(listen(world.login(member).await));
    }
    let (neighbour, beside) = world.other_guild().await;
    let quiet = listen(world.login(&neighbour).await);

    for round in 1..=2 {
        let flood = Flood::start(&world.owner, &world.channel, POSTERS);
        let running = moved(&world, "load").await;
        assert_eq!(running["dedicated"], true);
        assert!(running["load"].as_f64().unwrap() > 0.0, "{running}");
        assert!(running["events_per_second"].as_f64().unwrap() > 0.0);
        let said = content("q", round);
        neighbour.rest.say(&beside.channels[0], &said).await;
        flood.stop().await;
        let running = moved(&world, "quiet").await;
        assert_eq!(running["dedicated"], false);
        assert_eq!(running["executor"], 0);
        assert_eq!(decisions(&world, "promote").await, round);
        assert_eq!(decisions(&world, "demote").await, round);
    }
    heard_all(&world.owner, &world.channel, listeners).await;
    heard_all(&neighbour, &beside.channels[0], vec![quiet]).await;
    let log = world.server.log();
    assert!(log.contains("a guild keeps its thread busy"), "{log}");
    assert!(log.contains("a guild is quiet again"), "{log}");
}

/// The busy guilds' executors, by guild.
async fn executors(world: &World, guilds: &[(Account, Guild)]) -> Vec<usize> {
    let shown = world.admin.rest.get("/admin/v1/guilds?limit=1000").await;
    let shown = shown.ok();
    let shown = shown["guilds"].as_array().unwrap();
    let executor = |id: &str| {
        let guild = shown.iter().find(|it| it["id"] == id).unwrap();
        guild["executor"].as_u64().unwrap() as usize
    };
    guilds.iter().map(|(_, it)| executor(&it.id)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn busy_guilds_that_begin_on_one_thread_are_spread() {
    let setup = setup()
        .set("node.executors=2")
        .set("guild.dedicated_executors=0");
    let world = World::with(setup, 0).await;
    let mut guilds = Vec::new();
    for _ in 0..12 {
        guilds.push(world.other_guild().await);
    }
    let at = executors(&world, &guilds).await;
    let mut seats = at.iter();
    guilds.retain(|_| *seats.next().unwrap() == 0);
    assert!(guilds.len() >= 4, "they start on both: {at:?}");

    let (mut floods, mut listeners) = (Vec::new(), Vec::new());
    for (owner, guild) in &guilds {
        listeners.push(listen(world.login(owner).await));
        floods.push(Flood::start(owner, &guild.channels[0], 1));
    }
    eventually("busy guilds on both threads", || async {
        let at = executors(&world, &guilds).await;
        (at.contains(&0) && at.contains(&1)).then_some(())
    })
    .await;
    let shown = world.admin.rest.get("/admin/v1/guilds?sort=load").await;
    let shown = shown.ok();
    let busiest = shown["guilds"][0]["id"].as_str().unwrap().to_owned();
    for flood in floods {
        flood.stop().await;
    }
    for ((owner, guild), listener) in guilds.iter().zip(listeners) {
        heard_all(owner, &guild.channels[0], vec![listener]).await;
    }
    assert!(decisions(&world, "rebalance").await >= 1);
    assert_eq!(decisions(&world, "promote").await, 0);
    assert!(guilds.iter().any(|(_, it)| it.id == busiest), "{shown}");
}

/// Load alone moves nothing where that is turned off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_moved_where_balancing_is_off() {
    let setup = setup()
        .set("node.executors=1")
        .set("guild.dedicated_executors=1")
        .set("guild.balance=false");
    let world = World::with(setup, 1).await;
    let flood = Flood::start(&world.owner, &world.channel, POSTERS);
    // It is measured all the same, each second, and above the threshold for longer than the dwell.
    let mut seen: Vec<f64> = Vec::new();
    while seen.len() < 5 {
        let load = eventually("another figure", || async {
            let load = world.admin.running(&world.guild).await["load"].as_f64();
            load.filter(|load| seen.last() != Some(load))
        })
        .await;
        if load < 0.03 {
            seen.clear();
        } else {
            seen.push(load);
        }
    }
    flood.stop().await;
    let running = world.admin.running(&world.guild).await;
    assert_eq!(running["placed_because"], "started");
    assert_eq!(decisions(&world, "promote").await, 0);
}
