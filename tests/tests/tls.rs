//! TLS on both listeners, with clients that check the certificate.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use guildhall_tests::server::run;
use guildhall_tests::wire::Wire;
use guildhall_tests::{Gateway, Identity, Received, Session, Setup, World, eventually};
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Messages that do not fit into the sockets' buffers.
const MANY: usize = 4_000;

/// A session over wss, with compression and without: what it is told to come back to is wss, a Resume works, and a
/// message that is sent over https arrives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_run_over_wss_and_are_told_to_come_back_there() {
    let world = World::with(Setup::new().tls(&Identity::new()), 1).await;
    let line = world.server.line();
    assert!(line.gateway.starts_with("wss://"), "{line:?}");
    assert!(line.api.starts_with("https://"), "{line:?}");
    assert!(line.admin.starts_with("https://"), "{line:?}");
    let told = world.server.stranger().get("/gateway").await.ok();
    assert_eq!(told["url"], line.gateway.as_str());
    for query in ["", "&compress=zlib-stream"] {
        let path = format!("/gateway?v=10&encoding=json{query}");
        let mut gateway = Gateway::connect_with(&world.server, &path).await;
        let token = &world.member().token;
        gateway.identify(token, guildhall_tests::ALL_INTENTS).await;
        let mut session = Session::begin(gateway, token).await;
        assert_eq!(session.ready["resume_gateway_url"], line.gateway.as_str());
        world.owner.rest.say(&world.channel, "over https").await;
        session.until_message("over https").await;
        let (gateway, cut) = session.into_parts();
        gateway.reset();
        world.owner.rest.say(&world.channel, "missed").await;
        let mut back = Gateway::connect_with(&world.server, &path).await;
        back.resume(&cut.token, &cut.id, cut.seq).await;
        back.until_message("missed").await;
        back.expect_event("RESUMED").await;
        assert_eq!(back.close(1000).await, 1000);
    }
}

/// What a client does not read waits in the session's outbox, not in TLS, and comes in order once it reads: with each
/// write that the socket took in part, the rest of what was encrypted goes first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_a_slow_reader_over_wss_gets_everything_in_order() {
    let setup = Setup::new()
        .tls(&Identity::new())
        .set("gateway.lane_max_bytes=67108864");
    let world = World::with(setup, 1).await;
    let mut slow = world.login(world.member()).await;
    let filling = "x".repeat(1_900);
    let report = format!("/admin/v1/sessions/{}", slow.id);
    let mut sent = 0;
    loop {
        for _ in 0..100 {
            let text = format!("{sent} {filling}");
            world.owner.rest.say(&world.channel, &text).await;
            sent += 1;
        }
        let seen = world.admin.rest.get(&report).await.ok();
        if seen["pending_events"].as_u64().unwrap() >= 300 {
            break;
        }
        assert!(sent < 5 * MANY, "{seen}");
    }
    for expected in 0..sent {
        let message = slow.expect_event("MESSAGE_CREATE").await;
        let content = message["content"].as_str().unwrap();
        assert_eq!(content.split(' ').next().unwrap(), expected.to_string());
    }
    let seen = world.admin.rest.get(&report).await.ok();
    assert_eq!(seen["pending_events"], 0, "{seen}");
}

/// SIGHUP: a new certificate is shown to who connects from then on, a bad one is not, and neither disturbs a session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_read_anew_and_sessions_stay() {
    let (old, new) = (Identity::new(), Identity::new());
    let setup = Setup::new().tls(&old).trust(&new);
    let world = World::with(setup, 1).await;
    let (server, address) = (&world.server, world.server.address());
    let mut session = world.login(world.member()).await;
    let connects = |identity: &Identity| {
        let tls = identity.trusted();
        async move { Wire::connect(address, Some(tls)).await.is_ok() }
    };
    assert!(connects(&old).await && !connects(&new).await);

    std::fs::write(Identity::paths(&server.folder()).0, "no certificate").unwrap();
    server.signal(Signal::HUP);
    let failures = "guildhall_reload_failures_total";
    eventually("the failure's metric", || async {
        (world.admin.metrics().await.sum(failures, &[]) >= 2.0).then_some(())
    })
    .await;
    assert!(server.log().contains("the certificate stays as it was"));
    assert!(!server.log().contains("BEGIN PRIVATE KEY"));
    assert!(connects(&old).await && !connects(&new).await);

    new.write(&server.folder());
    server.signal(Signal::HUP);
    eventually("the new certificate", || async {
        connects(&new).await.then_some(())
    })
    .await;
    assert!(!connects(&old).await);
    world.owner.rest.say(&world.channel, "still here").await;
    session.until_message("still here").await;
    assert_eq!(session.heartbeat().await, []);
}

/// Who does not speak TLS gets nothing, is counted, and others go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_text_on_a_tls_port_is_refused_and_counted() {
    let world = World::with(Setup::new().tls(&Identity::new()), 1).await;
    let mut session = world.login(world.member()).await;
    for request in [
        "GET /api/v10/gateway HTTP/1.1\r\nHost: x\r\n\r\n",
        "\u{16}\u{3}\u{1}",
    ] {
        let mut wire = Wire::connect(world.server.address(), None).await.unwrap();
        wire.write_all(request.as_bytes()).await.unwrap();
        wire.shutdown().await.unwrap();
        let mut answer = Vec::new();
        // The connection may end by a reset.
        let _ = wire.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    }
    let dialled = Gateway::dial(world.server.address(), "/gateway?v=10").await;
    assert!(dialled.is_err());
    // A client may see its connection's end before the server has counted it.
    eventually("three failures", || async {
        let metrics = world.admin.metrics().await;
        (metrics.sum("guildhall_tls_handshake_failures_total", &[]) >= 3.0).then_some(())
    })
    .await;
    world.owner.rest.say(&world.channel, "here").await;
    session.until_message("here").await;
}

/// A session over wss that ends by the server's close is told so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closes_reach_a_client_over_wss() {
    let world = World::with(Setup::new().tls(&Identity::new()), 1).await;
    let mut gateway = Gateway::connect(&world.server).await;
    gateway.identify("no token", 1).await;
    assert_eq!(gateway.expect_close().await, 4004);
    let mut session = world.login(world.member()).await;
    world.server.terminate();
    loop {
        match session.receive().await {
            Received::Payload(_) => {}
            Received::Closed(code) => break assert_eq!(code, 4000),
            Received::Lost => panic!("lost without a close"),
        }
    }
}

/// A pair that does not go together is refused at the start and by the check, with the names of the files.
#[test]
fn a_bad_pair_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    Identity::new().write(folder.path());
    let (certificate, key) = Identity::paths(folder.path());
    let other = Identity::new();
    let args = |command: &'static [&'static str]| {
        let mut args: Vec<String> = command.iter().map(ToString::to_string).collect();
        for (name, path) in [("cert", &certificate), ("key", &key)] {
            args.push("--set".to_owned());
            args.push(format!("listen.tls_{name}={}", path.display()));
        }
        args
    };
    let check = args(&["config", "--check"]);
    let check: Vec<&str> = check.iter().map(String::as_str).collect();
    let good = run(folder.path(), &check);
    assert!(good.status.success(), "{good:?}");
    std::fs::write(&key, &other.key).unwrap();
    let serve = args(&["serve", "--port=0", "--admin-port=0"]);
    let serve: Vec<&str> = serve.iter().map(String::as_str).collect();
    for args in [&check, &serve] {
        let bad = run(folder.path(), args);
        let told = String::from_utf8_lossy(&bad.stderr).into_owned();
        assert_eq!(bad.status.code(), Some(1), "{told}");
        assert!(told.contains("server.key"), "{told}");
    }
    let half = run(folder.path(), &check[..4]);
    assert_eq!(half.status.code(), Some(64), "{half:?}");
}
