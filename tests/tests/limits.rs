//! What one client may ask for, who may ask at all, and how long it may take: from outside, over raw sockets where a
//! library would not let a test do it.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use guildhall_tests::raw::Head;
use guildhall_tests::server::run;
use guildhall_tests::{ALL_INTENTS, Gateway, RawSocket, Server, Session, Setup, World, eventually};
use serde_json::json;

/// The answer to a request with these lines of headers.
async fn ask(socket: &mut RawSocket, line: &str, headers: &[&str]) -> Head {
    let request = format!("{line} HTTP/1.1\r\n{}\r\n\r\n", headers.join("\r\n"));
    socket.write(request.as_bytes()).await;
    socket.head().await
}

async fn upgraded(server: &Server, origin: Option<&str>) -> u16 {
    let mut request = RawSocket::upgrade_request("/gateway?v=10&encoding=json");
    if let Some(origin) = origin {
        request = request.replace("\r\n\r\n", &format!("\r\nOrigin: {origin}\r\n\r\n"));
    }
    let mut socket = RawSocket::connect(server).await;
    socket.write(request.as_bytes()).await;
    socket.head().await.status
}

fn header<'a>(head: &'a Head, name: &str) -> Option<&'a str> {
    let found = head
        .headers
        .iter()
        .find(|(given, _)| given.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_an_address_has_only_so_many_connections() {
    let world = World::with(Setup::new().set("limits.connections_per_address=3"), 1).await;
    let server = &world.server;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(RawSocket::gateway(server).await);
    }
    assert_eq!(upgraded(server, None).await, 503);
    let elsewhere = RawSocket::connect_from(server, [127, 0, 0, 9].into()).await;
    elsewhere.greeted().await;
    let refused = "guildhall_connections_refused_total";
    assert_eq!(world.admin.metrics().await.sum(refused, &[]) as u64, 1);
    held.pop();
    eventually("a place that was given back", || async {
        (upgraded(server, None).await == 101).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_starts_only_so_many_sessions_a_day_and_may_still_resume() {
    let world = World::with(Setup::new().set("limits.identifies_per_day=2"), 2).await;
    let member = world.member();
    let left = async || {
        let told = member.rest.get("/gateway/bot").await.ok();
        assert_eq!(told["session_start_limit"]["total"], 2);
        told["session_start_limit"]["remaining"].clone()
    };
    assert_eq!(left().await, 2);
    let first = world.login(member).await;
    let _second = world.login(member).await;
    assert_eq!(left().await, 0);
    let mut third = Gateway::connect(&world.server).await;
    third.identify(&member.token, ALL_INTENTS).await;
    assert_eq!(third.expect_op(9).await.d, json!(false));
    let cut = first.cut();
    let mut back = Gateway::connect(&world.server).await;
    back.resume(&cut.token, &cut.id, cut.seq).await;
    back.expect_event("RESUMED").await;
    world.login(&world.members[1]).await;
    let limited = "guildhall_identifies_limited_total";
    assert_eq!(world.admin.metrics().await.sum(limited, &[]) as u64, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_other_origins_are_let_in_only_where_they_are_listed() {
    let listed = "https://app.example.org";
    let setup = Setup::new().set(format!("listen.allowed_origins={listed}"));
    let world = World::with(setup, 1).await;
    let server = &world.server;
    assert_eq!(upgraded(server, None).await, 101);
    assert_eq!(upgraded(server, Some(listed)).await, 101);
    let host = RawSocket::upgrade_request("/");
    let host = host.split("Host: ").nth(1).unwrap();
    let own = format!("http://{}", host.split('\r').next().unwrap());
    assert_eq!(upgraded(server, Some(&own)).await, 101);
    for foreign in ["https://evil.example", "http://app.example.org", "null"] {
        assert_eq!(upgraded(server, Some(foreign)).await, 403, "{foreign}");
    }
    let refused = "guildhall_origins_refused_total";
    assert_eq!(world.admin.metrics().await.sum(refused, &[]) as u64, 3);

    let mut socket = RawSocket::connect(server).await;
    for (origin, allowed) in [(listed, Some(listed)), ("https://evil.example", None)] {
        let headers = ["Host: x", &format!("Origin: {origin}")];
        let head = ask(&mut socket, "GET /api/v10/gateway", &headers).await;
        assert_eq!(header(&head, "access-control-allow-origin"), allowed);
        socket.body(&head).await;
    }

    // The operator's feed, with the right token, from a page of somebody else's.
    let mut socket = RawSocket::connect_to(server.admin_address()).await;
    let path = format!("/admin/v1/live?token={}", server.line().admin_token);
    let request = RawSocket::upgrade_request(&path);
    let foreign = request.replace("\r\n\r\n", "\r\nOrigin: https://evil.example\r\n\r\n");
    socket.write(foreign.as_bytes()).await;
    assert_eq!(socket.head().await.status, 403);
    let mut socket = RawSocket::connect_to(server.admin_address()).await;
    socket.write(request.as_bytes()).await;
    assert_eq!(socket.head().await.status, 101);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_too_long_for_a_request_is_not_waited_for() {
    let setup = Setup::new()
        .set("limits.head_timeout_s=1")
        .set("limits.body_timeout_s=1");
    let world = World::with(setup, 1).await;
    let mut slow_head = RawSocket::connect(&world.server).await;
    slow_head
        .write(b"GET /api/v10/gateway HTTP/1.1\r\nHost:")
        .await;
    let answer = slow_head.try_head().await;
    assert!(answer.is_none_or(|head| head.status == 408));

    let mut slow_body = RawSocket::connect(&world.server).await;
    let line = format!("POST /api/v10/channels/{}/messages", world.channel);
    let token = format!("Authorization: {}", world.member().token);
    let headers = [
        "Host: x",
        &token,
        "Content-Type: application/json",
        "Content-Length: 20",
    ];
    let head = ask(&mut slow_body, &line, &headers).await;
    assert_eq!(head.status, 408);

    let large = format!("Content-Length: {}", 200 << 20);
    let mut too_large = RawSocket::connect(&world.server).await;
    let headers = ["Host: x", &token, "Content-Type: application/json", &large];
    let head = ask(&mut too_large, &line, &headers).await;
    assert!(matches!(head.status, 408 | 413), "{}", head.status);
}

/// The operator's listener has its own port and token, and is on loopback unless told otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_is_apart_by_listener_and_token() {
    let world = World::new(1).await;
    let (server, line) = (&world.server, world.server.line());
    assert!(server.admin_address().ip().is_loopback());
    assert_ne!(server.admin_address().port(), server.address().port());
    for path in ["/admin/v1/guilds", "/admin/v1/users", "/metrics"] {
        for token in [None, Some(&*line.bot_token), Some(&*world.member().token)] {
            let answer = server.operator(token).get(path).await;
            assert_eq!(answer.status, 401, "{path}");
        }
        let main = line.api.replace("/api/v10", path);
        let main = main.trim_start_matches("http://");
        let (_, path) = main.split_once('/').unwrap();
        let mut socket = RawSocket::connect(server).await;
        let head = ask(&mut socket, &format!("GET /{path}"), &["Host: x"]).await;
        assert_eq!(head.status, 404);
    }
    let with_operators = server.rest(&line.admin_token);
    with_operators.get("/users/@me").await.has_status(401);
    let folder = tempfile::tempdir().unwrap();
    let shown = run(folder.path(), &["config"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    let admin = shown.split("[admin]").nth(1).unwrap();
    assert!(admin.contains("host = \"127.0.0.1\""), "{admin}");
    assert!(!shown.contains(&line.admin_token));
}

/// Every page and every file of it, and what is not there, on both listeners.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_is_served_under_a_strict_policy() {
    let world = World::new(1).await;
    let server = &world.server;
    for address in [server.address(), server.admin_address()] {
        let host = format!("Host: {address}");
        let mut socket = RawSocket::connect_to(address).await;
        let head = ask(&mut socket, "GET /", &[&host]).await;
        let page = String::from_utf8(socket.body(&head).await).unwrap();
        let mut paths = vec!["/".to_owned()];
        for part in page.split(['"', '\'']) {
            let is_file = [".js", ".css", ".svg"]
                .iter()
                .any(|end| part.ends_with(end));
            if part.starts_with('/') && is_file {
                paths.push(part.to_owned());
            }
        }
        assert!(paths.len() >= 3, "{page}");
        for path in paths {
            let head = ask(&mut socket, &format!("GET {path}"), &[&host]).await;
            socket.body(&head).await;
            assert_eq!(head.status, 200, "{path}");
            let policy = header(&head, "content-security-policy").unwrap();
            assert!(policy.starts_with("default-src 'none';"), "{policy}");
            assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
            assert!(!policy.contains("unsafe"), "{policy}");
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "DENY"),
                ("referrer-policy", "no-referrer"),
                ("cross-origin-opener-policy", "same-origin"),
                ("cross-origin-resource-policy", "same-origin"),
            ] {
                assert_eq!(header(&head, name), Some(value), "{path}");
            }
        }
        for path in [
            "/nothing",
            "/api/v10/nothing",
            "/api/v10/users/@me",
            "/admin/v1/nodes",
        ] {
            let head = ask(&mut socket, &format!("GET {path}"), &[&host]).await;
            socket.body(&head).await;
            assert!(matches!(head.status, 401 | 404), "{path}");
            assert_eq!(
                header(&head, "x-content-type-options"),
                Some("nosniff"),
                "{path}"
            );
        }
    }
}

/// What `dev` tells its chat page is not told to a page whose name was made to lead here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_is_told_to_no_strange_name() {
    let world = World::new(1).await;
    let port = world.server.address().port();
    let mut socket = RawSocket::connect(&world.server).await;
    for (host, status) in [
        (format!("127.0.0.1:{port}"), 200),
        (format!("localhost:{port}"), 200),
        (format!("[::1]:{port}"), 200),
        (format!("rebound.example:{port}"), 404),
        ("rebound.example".to_owned(), 404),
    ] {
        let head = ask(&mut socket, "GET /demo.json", &[&format!("Host: {host}")]).await;
        socket.body(&head).await;
        assert_eq!(head.status, status, "{host}");
    }
    let mut session = Session::login(&world.server, &world.server.line().user_tokens[0]).await;
    session.heartbeat().await;
}
