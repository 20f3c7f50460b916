//! A restart of the server: sessions go on after a clean one, and after a crash.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::sync::Arc;
use std::time::{Duration, Instant};

use guildhall_tests::numbered::{self, numbers};
use guildhall_tests::rest::text;
use guildhall_tests::{
    ALL_INTENTS, Account, Admin, Cut, DEADLINE, Gateway, Payload, Received, Server, Session, Setup,
    World, within,
};
use rustix::process::Signal;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

async fn say_all(world: &World, channel: &str, series: &str, range: std::ops::Range<usize>) {
    for number in range {
        let content = numbered::content(series, number);
        world.owner.rest.say(channel, &content).await;
    }
}

/// Stops the server as an operator does and starts another in its place.
async fn restart(world: &mut World, setup: Setup) {
    world.server.terminate();
    let status = world.server.exit().await;
    assert!(status.success(), "{status}");
    start_again(world, setup);
}

fn start_again(world: &mut World, setup: Setup) {
    world.server = setup.after(&world.server).start();
    world.admin = Admin::of(&world.server);
    // Without connections to the server before.
    let server = &world.server;
    for account in world.members.iter_mut().chain([&mut world.owner]) {
        account.rest = server.rest(&account.token);
    }
}

/// Reads on to the close of a stopping server; gives what came before and what it takes to resume.
async fn read_to_the_end(session: Session) -> (Vec<Payload>, Cut) {
    let (mut gateway, mut cut) = session.into_parts();
    let mut seen = Vec::new();
    loop {
        match within("the end of a connection", gateway.receive()).await {
            Received::Payload(payload) => seen.push(payload),
            Received::Closed(code) => {
                assert_eq!(code, 4000, "a code to resume after");
                break;
            }
            Received::Lost => panic!("lost without a close"),
        }
    }
    assert!(seen.iter().any(|payload| payload.op == 7));
    cut.seq = gateway.seq();
    (seen, cut)
}

#[tokio::test]
async fn i10_sessions_go_on_after_a_clean_restart() {
    let mut world = World::new(3).await;
    let everyone: Vec<&Account> = world.members.iter().chain([&world.owner]).collect();
    let other = world.admin.guild(&everyone, &["other"]).await;
    let (channel, other) = (world.channel.clone(), other.channels[0].clone());
    let reads = world.login(&world.members[0]).await;
    let stops = world.login(&world.members[1]).await;
    let gone = world.login(&world.members[2]).await.cut();
    let stops = stops.cut();
    say_all(&world, &channel, "one", 0..10).await;
    say_all(&world, &other, "two", 0..5).await;
    let (reading, ()) = tokio::join!(read_to_the_end(reads), restart(&mut world, Setup::new()));
    let (seen, reads) = reading;
    assert_eq!(numbers("one", &seen), (0..10).collect::<Vec<_>>());
    say_all(&world, &channel, "one", 10..20).await;
    say_all(&world, &other, "two", 5..8).await;

    let (mut gateway, missed) = reads.resume(&world.server).await;
    assert_eq!(numbers("one", &missed), (10..20).collect::<Vec<_>>());
    assert_eq!(numbers("two", &missed), [5, 6, 7]);
    say_all(&world, &channel, "one", 20..22).await;
    world.owner.rest.say(&channel, "over").await;
    let live = gateway.until_message("over").await;
    assert_eq!(numbers("one", &live), [20, 21]);
    for cut in [stops, gone] {
        let (mut gateway, missed) = cut.resume(&world.server).await;
        assert_eq!(numbers("one", &missed), (0..22).collect::<Vec<_>>());
        assert_eq!(numbers("two", &missed), (0..8).collect::<Vec<_>>());
        world.owner.rest.say(&other, &cut.id).await;
        let live = gateway.until_message(&cut.id).await;
        assert_eq!(numbers("one", &live), [0; 0], "not twice");
    }
    let figures = world.admin.metrics().await;
    let figure =
        |name: &str, label: &str| figures.sum(&format!("guildhall_{name}_total"), &[label]);
    assert!(figure("identifies", "").abs() < 0.5);
    assert!((figure("resumes", "outcome=\"whole\"") - 3.0).abs() < 0.5);
}

#[tokio::test]
async fn i10_a_session_may_wait_through_two_restarts_but_not_longer_than_its_window() {
    let mut world = World::new(2).await;
    let channel = world.channel.clone();
    let cut = world.login(&world.members[0]).await.cut();
    say_all(&world, &channel, "m", 0..3).await;
    restart(&mut world, Setup::new()).await;
    restart(&mut world, Setup::new()).await;
    let stranger = Cut {
        token: world.owner.token.clone(),
        ..cut.clone()
    };
    stranger.is_refused(&world.server).await;
    let ahead = world.login(&world.members[1]).await.cut();
    let (_, missed) = cut.resume(&world.server).await;
    assert_eq!(numbers("m", &missed), [0, 1, 2]);
    // The window counts from the moment when the connection ended, whichever server it was.
    restart(&mut world, Setup::new().set("gateway.resume_window_s=0")).await;
    for cut in [cut, ahead] {
        cut.is_refused(&world.server).await;
    }
}

#[tokio::test]
async fn i10_a_seq_that_was_never_sent_is_refused_after_a_restart_too() {
    let mut world = World::new(0).await;
    let mut cut = world.login(&world.owner).await.cut();
    restart(&mut world, Setup::new()).await;
    cut.seq += 1_000;
    cut.is_refused(&world.server).await;
}

/// Kills the server and starts another in its place.
async fn crash(world: &mut World) {
    world.server.signal(Signal::KILL);
    world.server.exit().await;
    start_again(world, Setup::new());
}

#[tokio::test]
async fn i10_sessions_go_on_after_a_crash_and_after_the_next_one() {
    let mut world = World::new(4).await;
    let everyone: Vec<&Account> = world.members.iter().chain([&world.owner]).collect();
    let other = world.admin.guild(&everyone, &["other"]).await;
    let (channel, other) = (world.channel.clone(), other.channels[0].clone());
    let reads = world.login(&world.members[0]).await;
    let stays_away = world.login(&world.members[1]).await.cut();
    let ended = world.login(&world.members[2]).await;
    say_all(&world, &channel, "one", 0..10).await;
    say_all(&world, &other, "two", 0..5).await;
    let (mut gateway, mut cut) = reads.into_parts();
    world.owner.rest.say(&other, "so far").await;
    let seen = gateway.until_message("so far").await;
    assert_eq!(numbers("one", &seen), (0..10).collect::<Vec<_>>());
    cut.seq = gateway.seq();
    let over = Cut {
        id: ended.id.clone(),
        token: ended.token.clone(),
        seq: ended.seq(),
    };
    ended.log_out().await;
    // Handed to the session, but not read by the client.
    say_all(&world, &channel, "one", 10..14).await;
    crash(&mut world).await;
    drop(gateway);
    say_all(&world, &channel, "one", 14..16).await;
    let (mut gateway, missed) = cut.resume(&world.server).await;
    assert_eq!(numbers("one", &missed), (10..16).collect::<Vec<_>>());
    assert_eq!(numbers("two", &missed), [0; 0]);
    world.owner.rest.say(&channel, "here").await;
    let live = gateway.until_message("here").await;
    assert_eq!(numbers("one", &live), [0; 0], "not twice");
    cut.seq = gateway.seq();
    over.is_refused(&world.server).await;

    say_all(&world, &other, "two", 5..8).await;
    crash(&mut world).await;
    let (mut gateway, missed) = cut.resume(&world.server).await;
    assert_eq!(numbers("one", &missed), [0; 0]);
    assert_eq!(numbers("two", &missed), [5, 6, 7]);
    // This one was not there between the two crashes.
    let (_, missed) = stays_away.resume(&world.server).await;
    assert_eq!(numbers("one", &missed), (0..16).collect::<Vec<_>>());
    assert_eq!(numbers("two", &missed), (0..8).collect::<Vec<_>>());
    world.owner.rest.say(&channel, "over").await;
    let live = gateway.until_message("over").await;
    assert_eq!(numbers("one", &live), [0; 0]);
}

#[tokio::test]
async fn i10_sessions_go_on_after_a_crash_and_a_clean_stop_that_comes_before_them() {
    let mut world = World::new(3).await;
    let channel = world.channel.clone();
    let [comes, stays_away, ends] = [0, 1, 2].map(|member| world.members[member].clone());
    let comes = world.login(&comes).await.cut();
    let stays_away = world.login(&stays_away).await.cut();
    let ends = world.login(&ends).await.cut();
    say_all(&world, &channel, "m", 0..4).await;
    crash(&mut world).await;
    let (mut gateway, missed) = comes.resume(&world.server).await;
    assert_eq!(numbers("m", &missed), [0, 1, 2, 3]);
    let (over, _) = ends.resume(&world.server).await;
    over.close(1000).await;
    say_all(&world, &channel, "m", 4..6).await;
    world.owner.rest.say(&channel, "so far").await;
    let seen = gateway.until_message("so far").await;
    assert_eq!(numbers("m", &seen), [4, 5]);
    let comes = Cut {
        seq: gateway.seq(),
        ..comes
    };
    restart(&mut world, Setup::new()).await;
    say_all(&world, &channel, "m", 6..8).await;
    let (_, missed) = comes.resume(&world.server).await;
    assert_eq!(numbers("m", &missed), [6, 7]);
    let (_, missed) = stays_away.resume(&world.server).await;
    assert_eq!(numbers("m", &missed), (0..8).collect::<Vec<_>>());
    ends.is_refused(&world.server).await;

    // And once more: what the stop left is good for a crash as well.
    crash(&mut world).await;
    say_all(&world, &channel, "m", 8..9).await;
    let (_, missed) = stays_away.resume(&world.server).await;
    assert_eq!(numbers("m", &missed), (0..9).collect::<Vec<_>>());
}

#[tokio::test]
async fn i3_visibility_after_a_crash_is_that_of_each_moment() {
    let mut world = World::new(2).await;
    let hidden = json!([{"id": world.guild, "type": 0, "allow": "0", "deny": "1024"}]);
    let secret = world.channel_with("secret", hidden).await;
    let member = world.member().id.clone();
    let path = format!("/channels/{secret}/permissions/{member}");
    let view = json!({"type": 1, "allow": "1024", "deny": "0"});
    let cut = world.login(world.member()).await.cut();
    let outsider = world.login(&world.members[1]).await.cut();
    say_all(&world, &secret, "s", 0..2).await;
    world.owner.rest.put(&path, view).await.ok();
    say_all(&world, &secret, "s", 2..4).await;
    crash(&mut world).await;
    say_all(&world, &secret, "s", 4..6).await;
    world.owner.rest.delete(&path).await.ok();
    say_all(&world, &secret, "s", 6..8).await;
    let (_, missed) = cut.resume(&world.server).await;
    assert_eq!(numbers("s", &missed), [2, 3, 4, 5]);
    let (_, missed) = outsider.resume(&world.server).await;
    assert_eq!(numbers("s", &missed), [0; 0]);
}

#[tokio::test]
async fn i10_after_a_crash_a_session_that_may_lack_an_event_of_its_own_is_refused() {
    let mut world = World::new(1).await;
    let mut cut = world.login(world.member()).await.cut();
    let whole = cut.clone();
    // As if GUILD_CREATE had not arrived.
    cut.seq -= 1;
    crash(&mut world).await;
    let mut gateway = cut.is_refused(&world.server).await;
    gateway.identify(&cut.token, ALL_INTENTS).await;
    let ready = gateway.expect_event("READY").await;
    assert_ne!(text(&ready["session_id"]), cut.id);
    // Refused is ended.
    whole.is_refused(&world.server).await;
}

#[tokio::test]
async fn i10_what_a_clean_stop_wrote_is_for_the_next_start_alone() {
    let mut world = World::new(1).await;
    let cut = world.login(world.member()).await.cut();
    restart(&mut world, Setup::new()).await;
    let (gateway, _) = cut.resume(&world.server).await;
    let (mut gateway, seq) = (gateway, cut.seq);
    say_all(&world, &world.channel.clone(), "m", 0..3).await;
    world.owner.rest.say(&world.channel, "seen").await;
    gateway.until_message("seen").await;
    let now = Cut {
        seq: gateway.seq(),
        ..cut
    };
    assert!(now.seq > seq);
    crash(&mut world).await;
    say_all(&world, &world.channel.clone(), "m", 3..5).await;
    let (_, missed) = now.resume(&world.server).await;
    assert_eq!(numbers("m", &missed), [3, 4]);
}

#[tokio::test]
async fn i10_a_long_stretch_comes_whole_before_resumed_or_is_refused_without_it() {
    const MESSAGES: usize = 1_500;
    let mut world = World::new(1).await;
    let channel = world.channel.clone();
    let cut = world.login(world.member()).await.cut();
    restart(&mut world, Setup::new()).await;
    say_all(&world, &channel, "m", 0..MESSAGES).await;
    let mut gateway = cut.ask(&world.server).await;
    let mut seen = Vec::new();
    loop {
        let payload = gateway.next().await;
        if payload.op == 9 {
            assert!(!seen.iter().any(|it: &Payload| it.is("RESUMED")));
            gateway.identify(&cut.token, ALL_INTENTS).await;
            Session::begin(gateway, &cut.token).await;
            return;
        }
        if payload.is("RESUMED") {
            assert_eq!(numbers("m", &seen), (0..MESSAGES).collect::<Vec<_>>());
            return;
        }
        seen.push(payload);
    }
}

#[tokio::test]
async fn a_client_that_comes_back_to_the_stopping_server_keeps_its_session() {
    let setup = Setup::new().set("gateway.reconnect_grace_ms=3000");
    let mut world = World::with(setup, 1).await;
    let mut session = world.login(world.member()).await;
    world.server.terminate();
    session.expect_op(7).await;
    let cut = session.cut();
    let mut gateway = cut.ask(&world.server).await;
    // Where the server has nothing left to wait for, its end may come before it has read the Resume:
    // the client is not refused in any case.
    match within("the end", gateway.receive()).await {
        Received::Closed(code) => assert_eq!(code, 4000),
        Received::Lost => {}
        Received::Payload(other) => panic!("the end of the connection expected, got {other:?}"),
    }
    assert!(world.server.exit().await.success());
    start_again(&mut world, Setup::new());
    cut.resume(&world.server).await;
}

#[tokio::test]
async fn guilds_joined_after_the_sessions_were_taken_are_told() {
    let mut world = World::new(1).await;
    let cut = world.login(world.member()).await.cut();
    restart(&mut world, Setup::new()).await;
    // Nobody has the session: it cannot be told now.
    let guild = world
        .admin
        .guild(&[&world.owner, world.member()], &["new"])
        .await;
    let mut gateway = cut.ask(&world.server).await;
    let made = gateway.expect_event("GUILD_CREATE").await;
    assert_eq!(text(&made["id"]), guild.id);
    world.owner.rest.say(&guild.channels[0], "hello").await;
    gateway.until_message("hello").await;
}

/// Sessions of the great restart.
const SESSIONS: usize = 1_000;
/// Members of each guild.
const PER_GUILD: usize = 20;
/// Tasks that send.
const POSTERS: usize = 10;
/// Between two messages of one of them: 200 a second altogether.
const PAUSE: Duration = Duration::from_millis(50);
/// Before the stop, and after the start.
const STRETCH: Duration = Duration::from_secs(2);

/// One client of the great restart.
struct Client {
    cut: Cut,
    ids: Vec<String>,
    /// When the last message before the stop and the first after it came.
    pause: Option<(Instant, Instant)>,
    resumed: Option<Instant>,
}

impl Client {
    async fn run(
        mut self,
        mut gateway: Gateway,
        mut servers: watch::Receiver<Option<Arc<Server>>>,
    ) -> Self {
        let mut last = Instant::now();
        let mut resumes = 0;
        loop {
            let received = tokio::time::timeout(DEADLINE, gateway.receive()).await;
            match received.expect("something comes") {
                Received::Payload(payload) => {
                    assert_ne!(payload.op, 9, "a Resume was refused");
                    self.cut.seq = gateway.seq();
                    if payload.is("RESUMED") {
                        self.resumed = Some(Instant::now());
                    }
                    if !payload.is("MESSAGE_CREATE") {
                        continue;
                    }
                    if payload.d["content"] == "end" {
                        assert!(self.resumed.is_some(), "RESUMED never came");
                        return self;
                    }
                    if resumes == 1 && self.pause.is_none() {
                        self.pause = Some((last, Instant::now()));
                    }
                    last = Instant::now();
                    self.ids.push(text(&payload.d["id"]).to_owned());
                }
                Received::Closed(_) | Received::Lost => {
                    assert_eq!(resumes, 0, "closed a second time");
                    resumes = 1;
                    within("another server", servers.changed()).await.unwrap();
                    let server = servers.borrow_and_update().clone().unwrap();
                    gateway = self.cut.ask(&server).await;
                }
            }
        }
    }
}

#[allow(clippy::too_many_lines)] // one story
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i3_i10_a_thousand_sessions_resume_after_a_restart_under_load() {
    let setup = || Setup::new().set("gateway.reconnect_grace_ms=500");
    let mut server = setup().start();
    let admin = Admin::of(&server);
    let accounts = admin.users(&server, SESSIONS, "user").await;
    let mut channels = Vec::new();
    for members in accounts.chunks(PER_GUILD) {
        let members: Vec<&Account> = members.iter().collect();
        let guild = admin.guild(&members, &["general"]).await;
        channels.push((guild.channels[0].clone(), members[0].clone()));
    }
    let mut logins = JoinSet::new();
    let mut sessions = Vec::new();
    let shared = Arc::new(server);
    for account in &accounts {
        let (server, token) = (Arc::clone(&shared), account.token.clone());
        logins.spawn(async move { Session::login(&server, &token).await });
        if logins.len() >= 50 {
            sessions.push(logins.join_next().await.unwrap().unwrap());
        }
    }
    sessions.extend(logins.join_all().await);
    server = Arc::into_inner(shared).unwrap();
    let rest_again: Vec<_> = channels.iter().map(|(_, it)| it.rest.clone()).collect();

    let (servers, watched) = watch::channel(None);
    let mut clients = JoinSet::new();
    for session in sessions {
        let user = session.user_id().to_owned();
        let (gateway, cut) = session.into_parts();
        let client = Client {
            cut,
            ids: Vec::new(),
            pause: None,
            resumed: None,
        };
        let run = client.run(gateway, watched.clone());
        clients.spawn(async move { (user, run.await) });
    }
    let (stop, stopped) = watch::channel(false);
    let mut posters = JoinSet::new();
    for poster in 0..POSTERS {
        let own: Vec<_> = channels
            .iter()
            .zip(&rest_again)
            .skip(poster)
            .step_by(POSTERS)
            .map(|((channel, _), rest)| (channel.clone(), rest.clone()))
            .collect();
        let stopped = stopped.clone();
        posters.spawn(async move {
            let mut ticks = tokio::time::interval(PAUSE);
            let mut number = 0;
            while !*stopped.borrow() {
                ticks.tick().await;
                let (channel, rest) = &own[number % own.len()];
                let content = format!("{poster}-{number}");
                rest.say_surely(channel, &content, &content).await;
                number += 1;
            }
            number
        });
    }
    tokio::time::sleep(STRETCH).await;
    let stopping = Instant::now();
    server.terminate();
    assert!(server.exit().await.success());
    let stopped_after = stopping.elapsed();
    let next = Arc::new(setup().after(&server).start());
    let started_after = stopping.elapsed();
    servers.send(Some(Arc::clone(&next))).unwrap();
    tokio::time::sleep(STRETCH).await;
    stop.send(true).unwrap();
    let sent: usize = posters.join_all().await.iter().sum();
    for ((channel, _), rest) in channels.iter().zip(&rest_again) {
        rest.say_surely(channel, "end", "end").await;
    }
    let mut histories = Vec::new();
    for ((channel, _), rest) in channels.iter().zip(&rest_again) {
        let mut history = rest.history(channel).await;
        assert_eq!(history.pop().unwrap()["content"], "end");
        let ids: Vec<String> = history
            .iter()
            .map(|it| text(&it["id"]).to_owned())
            .collect();
        histories.push(ids);
    }
    assert_eq!(histories.iter().map(Vec::len).sum::<usize>(), sent);
    let (mut longest, mut last_resumed) = (Duration::ZERO, Duration::ZERO);
    let mut guild_of = std::collections::HashMap::new();
    for (number, members) in accounts.chunks(PER_GUILD).enumerate() {
        guild_of.extend(members.iter().map(|it| (it.id.clone(), number)));
    }
    while let Some(done) = clients.join_next().await {
        let (user, client) = done.unwrap();
        assert_eq!(client.ids, histories[guild_of[&user]], "of {user}");
        if let Some((before, after)) = client.pause {
            longest = longest.max(after - before);
        }
        last_resumed = last_resumed.max(client.resumed.unwrap() - stopping);
    }
    println!(
        "{SESSIONS} sessions, {sent} messages: stopped after {stopped_after:?}, started again after \
         {started_after:?}, all resumed after {last_resumed:?}; longest pause between two messages \
         of a session {longest:?}"
    );
    let admin = Admin::of(&next);
    let figures = admin.metrics().await;
    assert!(figures.sum("guildhall_identifies_total", &[]).abs() < 0.5);
    let resumed = figures.sum("guildhall_resumes_total", &["outcome=\"whole\""]);
    assert!((resumed - SESSIONS as f64).abs() < 0.5, "{resumed}");
}
