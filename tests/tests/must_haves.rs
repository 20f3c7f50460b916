//! The twenty things that each broke at least one client library when missing.
//!
//! What can be seen in one answer is tested here; where a promise has more to it, the file named after
//! it has more tests.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use guildhall_tests::raw::{self, FIN, opcode};
use guildhall_tests::rest::{snowflake, text};
use guildhall_tests::session::{expect_refusal, replay};
use guildhall_tests::{ALL_INTENTS, Answer, Gateway, RawSocket, Session, Setup, World};
use reqwest::Method;
use serde_json::{Value, json};

fn is_json(answer: &Answer) {
    let kinds: Vec<_> = answer.headers.get_all("content-type").iter().collect();
    assert_eq!(kinds, ["application/json"], "{}", answer.request);
    answer.json();
}

#[tokio::test]
async fn must_have_01_content_type_is_exactly_application_json() {
    let world = World::with(Setup::new().set("limits.messages_per_second=1"), 1).await;
    let rest = &world.owner.rest;
    let bot = world
        .server
        .rest(&format!("Bot {}", world.server.line().bot_token));
    for path in [
        "/gateway",
        "/gateway/bot",
        "/users/@me",
        "/users/@me/guilds",
    ] {
        let answer = bot.get(path).await;
        is_json(answer.has_status(200));
    }
    let path = world.messages();
    let sent = rest.post(&path, json!({"content": "x"})).await;
    is_json(sent.has_status(200));
    is_json(rest.get(&path).await.has_status(200));
    is_json(rest.get(world.guild_path("")).await.has_status(200));
    // Errors as well: libraries read their code.
    let stranger = world.server.stranger();
    is_json(stranger.get("/users/@me").await.has_status(401));
    is_json(rest.get("/channels/1").await.has_status(404));
    is_json(rest.get("/no/such/thing").await.has_status(404));
    is_json(rest.delete("/gateway/bot").await.has_status(405));
    let garbage = Some((Bytes::from_static(b"{"), "application/json"));
    is_json(
        rest.send(Method::POST, "/guilds", garbage)
            .await
            .has_status(400),
    );
    let mut limited = rest.post(&path, json!({"content": "x"})).await;
    while limited.status == 200 {
        limited = rest.post(&path, json!({"content": "x"})).await;
    }
    is_json(limited.has_status(429));
}

#[tokio::test]
async fn must_have_02_the_gateway_has_its_path_with_and_without_slash_and_urls_have_none() {
    let world = World::new(0).await;
    for path in ["/gateway", "/gateway/", "/"] {
        for query in ["", "?v=10", "?v=10&encoding=json", "?encoding=json&v=10"] {
            Gateway::connect_with(&world.server, &format!("{path}{query}")).await;
        }
    }
    let session = world.login(&world.owner).await;
    let rest = &world.owner.rest;
    let told = [
        rest.get("/gateway").await.ok()["url"].clone(),
        rest.get("/gateway/bot").await.ok()["url"].clone(),
        session.ready["resume_gateway_url"].clone(),
    ];
    let url = format!("ws://{}/gateway", world.server.address());
    assert_eq!(told, [(); 3].map(|()| json!(url)));
    // What a library makes of it to resume.
    let cut = session.cut();
    let mut gateway = Gateway::connect_with(&world.server, "/gateway/?v=10&encoding=json").await;
    gateway.resume(&cut.token, &cut.id, cut.seq).await;
    replay(&mut gateway).await;
}

#[tokio::test]
async fn must_have_03_text_and_binary_frames_with_keys_in_any_order_are_read() {
    let world = World::new(0).await;
    let token = &world.owner.token;
    let data = json!({"intents": ALL_INTENTS, "token": token, "properties": {}});
    let d_first = format!(r#"{{"d":{data},"op":2}}"#);
    let op_first = format!(r#"{{"op":2,"d":{data}}}"#);
    for payload in [&d_first, &op_first] {
        let mut text = Gateway::connect(&world.server).await;
        text.send_text(payload.clone()).await;
        Session::begin(text, token).await;
        let mut binary = Gateway::connect(&world.server).await;
        binary.send_binary(payload.clone().into_bytes()).await;
        let mut session = Session::begin(binary, token).await;
        session.send_binary(br#"{"d":1,"op":1}"#.to_vec()).await;
        session.expect_op(11).await;
    }
}

#[tokio::test]
async fn must_have_04_every_frame_carries_op_d_s_and_t() {
    // Payload::read checks the keys of everything that any test receives; here each opcode comes.
    let mut world = World::new(0).await;
    let mut session = world.login(&world.owner).await;
    session.heartbeat().await;
    let mut other = Gateway::connect(&world.server).await;
    other.resume(&session.token, "nonsense", 1).await;
    other.expect_op(9).await;
    world.server.terminate();
    session.expect_op(7).await;
    world.server.exit().await;
}

#[tokio::test]
async fn must_have_05_compressed_streams_are_served_as_binary_messages_of_one_stream() {
    let world = World::new(0).await;
    for compress in ["zlib-stream", "zstd-stream"] {
        let path = format!("/gateway?v=10&encoding=json&compress={compress}");
        let mut gateway = Gateway::connect_with(&world.server, &path).await;
        gateway.identify(&world.owner.token, ALL_INTENTS).await;
        let mut session = Session::begin(gateway, &world.owner.token).await;
        world.owner.rest.say(&world.channel, "squeezed").await;
        session.until_message("squeezed").await;
        session.heartbeat().await;
        let large = "0123456789abcdef".repeat(120);
        world.owner.rest.say(&world.channel, &large).await;
        session.until_message(&large).await;
    }
}

#[tokio::test]
async fn without_compression_who_asks_for_it_gets_plain_text() {
    let setup = Setup::new().set("gateway.compression=false");
    let world = World::with(setup, 0).await;
    let mut raw = RawSocket::connect(&world.server).await;
    raw.upgrade("/gateway?v=10&encoding=json&compress=zstd-stream")
        .await;
    let hello = raw.read_frame().await;
    assert_eq!(hello.first, FIN | opcode::TEXT);
    let hello: Value = serde_json::from_slice(&hello.payload).unwrap();
    assert_eq!(hello["op"], 10);
}

#[tokio::test]
async fn must_have_06_compress_in_identify_changes_nothing() {
    let world = World::new(0).await;
    let token = &world.owner.token;
    for query in [
        "v=10",
        "v=10&encoding=json&compress=zlib-stream",
        "v=10&encoding=json&compress=zstd-stream",
    ] {
        let path = format!("/gateway?{query}");
        let mut gateway = Gateway::connect_with(&world.server, &path).await;
        let data = json!({"token": token, "intents": ALL_INTENTS, "compress": true});
        gateway.send(json!({"op": 2, "d": data})).await;
        // The harness expects plain text, or that one stream, all the time.
        let mut session = Session::begin(gateway, token).await;
        world.owner.rest.say(&world.channel, query).await;
        session.until_message(query).await;
    }
}

#[tokio::test]
async fn must_have_07_resumed_has_an_object() {
    let world = World::new(0).await;
    let cut = world.login(&world.owner).await.cut();
    let mut gateway = cut.ask(&world.server).await;
    assert!(gateway.expect_event("RESUMED").await.is_object());
}

#[tokio::test]
async fn must_have_08_hello_is_first_and_heartbeats_before_identify_are_acknowledged() {
    let world = World::new(0).await;
    // Gateway::connect_with reads Hello as the first payload.
    let mut gateway = Gateway::connect(&world.server).await;
    for d in [json!(null), json!(251)] {
        gateway.send(json!({"op": 1, "d": d})).await;
        assert_eq!(gateway.next().await.op, 11);
    }
    gateway.identify(&world.owner.token, ALL_INTENTS).await;
    Session::begin(gateway, &world.owner.token).await;
    // The same before a Resume.
    let cut = world.login(&world.owner).await.cut();
    let mut gateway = Gateway::connect(&world.server).await;
    gateway.send(json!({"op": 1, "d": cut.seq})).await;
    assert_eq!(gateway.next().await.op, 11);
    gateway.resume(&cut.token, &cut.id, cut.seq).await;
    replay(&mut gateway).await;
    // One library does not even wait for the answer to its handshake.
    let mut raw = RawSocket::connect(&world.server).await;
    let identify = json!({"op": 2, "d": {"token": world.owner.token, "intents": ALL_INTENTS}});
    let mut bytes = RawSocket::upgrade_request("/gateway?v=10").into_bytes();
    bytes.extend(raw::frame(
        FIN | opcode::TEXT,
        identify.to_string().as_bytes(),
    ));
    raw.write(&bytes).await;
    assert_eq!(raw.head().await.status, 101);
    assert_eq!(raw.payload().await.op, 10);
    assert!(raw.payload().await.is("READY"));
}

#[tokio::test]
async fn must_have_09_tokens_are_taken_with_and_without_prefix() {
    let world = World::new(0).await;
    let bot = world.admin.bot(&world.server, "bot").await;
    for token in [bot.token.clone(), format!("Bot {}", bot.token)] {
        let session = Session::login(&world.server, &token).await;
        assert_eq!(session.user_id(), bot.id);
        // Resume with the other form than Identify.
        let mut cut = session.cut();
        cut.token = if token == bot.token {
            format!("Bot {}", bot.token)
        } else {
            bot.token.clone()
        };
        cut.resume(&world.server).await;
    }
    let me = world
        .server
        .rest(&format!("Bot {}", bot.token))
        .get("/users/@me")
        .await
        .ok();
    assert_eq!(me["id"], bot.id);
}

#[tokio::test]
async fn must_have_10_the_first_part_of_a_token_is_the_user_id() {
    let world = World::new(0).await;
    let bot = world.admin.bot(&world.server, "bot").await;
    for account in [&world.owner, &bot] {
        let parts: Vec<&str> = account.token.split('.').collect();
        assert_eq!(parts.len(), 3, "{}", account.token);
        assert!(parts.iter().all(|part| !part.is_empty()));
        let first = parts[0].trim_end_matches('=');
        // Digits encode alike in both alphabets.
        let plain = STANDARD_NO_PAD.decode(first).unwrap();
        assert_eq!(plain, URL_SAFE_NO_PAD.decode(first).unwrap());
        assert_eq!(String::from_utf8(plain).unwrap(), account.id);
        assert_eq!(world.login(account).await.user_id(), account.id);
    }
}

#[tokio::test]
async fn must_have_11_ready_has_stubs_and_the_guilds_follow_within_two_seconds() {
    let world = World::new(0).await;
    for _ in 0..4 {
        world.admin.guild(&[&world.owner], &["general"]).await;
    }
    let mut gateway = Gateway::connect(&world.server).await;
    gateway.identify(&world.owner.token, ALL_INTENTS).await;
    let ready = gateway.expect_event("READY").await;
    let mut last = Instant::now();
    let stubs = ready["guilds"].as_array().unwrap();
    assert_eq!(stubs.len(), 5);
    let mut named: Vec<&str> = Vec::new();
    for stub in stubs {
        named.push(text(&stub["id"]));
        assert_eq!(*stub, json!({"id": stub["id"], "unavailable": true}));
    }
    let mut came = Vec::new();
    for _ in stubs {
        let guild = gateway.next().await;
        assert!(guild.is("GUILD_CREATE"), "{guild:?}");
        assert!(
            last.elapsed() < Duration::from_secs(2),
            "{:?}",
            last.elapsed()
        );
        last = Instant::now();
        assert_eq!(guild.d["unavailable"], false);
        came.push(text(&guild.d["id"]).to_owned());
    }
    named.sort_unstable();
    came.sort_unstable();
    assert_eq!(named, came);
}

#[tokio::test]
async fn must_have_12_after_op_9_the_same_connection_takes_identify_or_resume() {
    let world = World::new(0).await;
    let token = &world.owner.token;
    let mut gateway = Gateway::connect(&world.server).await;
    gateway
        .resume(token, "0123456789abcdef0123456789abcdef", 5)
        .await;
    expect_refusal(&mut gateway).await;
    gateway.identify(token, ALL_INTENTS).await;
    Session::begin(gateway, token).await;

    let cut = world.login(&world.owner).await.cut();
    let mut gateway = Gateway::connect(&world.server).await;
    for _ in 0..3 {
        gateway.resume(token, "nonsense", 5).await;
        expect_refusal(&mut gateway).await;
    }
    gateway.resume(token, &cut.id, cut.seq).await;
    replay(&mut gateway).await;
}

#[tokio::test]
async fn must_have_13_a_resume_may_come_while_the_old_connection_is_open() {
    let world = World::new(0).await;
    // Often enough that old and new connection are on one worker and on two.
    for _ in 0..6 {
        let session = world.login(&world.owner).await;
        let (mut old, cut) = session.into_parts();
        let (mut new, missed) = cut.resume(&world.server).await;
        assert_eq!(missed, []);
        old.expect_close().await;
        world.owner.rest.say(&world.channel, "over here").await;
        new.until_message("over here").await;
        new.close(1000).await;
    }
}

#[tokio::test]
async fn must_have_14_the_code_of_a_client_that_closes_is_echoed() {
    let world = World::new(0).await;
    for code in [1000, 1001, 3000, 3010, 3024, 3066, 4000, 4200, 4901, 4999] {
        let gateway = Gateway::connect(&world.server).await;
        assert_eq!(gateway.close(code).await, code, "before Identify");
        let session = world.login(&world.owner).await;
        let (gateway, _) = session.into_parts();
        assert_eq!(gateway.close(code).await, code, "in a session");
    }
}

#[tokio::test]
async fn must_have_15_op_8_takes_the_guild_as_number_or_string_and_echoes_the_nonce() {
    let world = World::new(2).await;
    let mut session = world.login(&world.owner).await;
    let as_number: u64 = world.guild.parse().unwrap();
    for guild in [json!(as_number), json!(world.guild), json!([world.guild])] {
        let data = json!({"guild_id": guild, "query": "", "limit": 0, "nonce": "the nonce"});
        session.send(json!({"op": 8, "d": data})).await;
        let chunk = session.expect_event("GUILD_MEMBERS_CHUNK").await;
        assert_eq!(chunk["guild_id"], json!(world.guild));
        assert_eq!(chunk["nonce"], "the nonce");
        assert_eq!(
            (&chunk["chunk_index"], &chunk["chunk_count"]),
            (&json!(0), &json!(1))
        );
        assert_eq!(chunk["members"].as_array().unwrap().len(), 3);
    }
}

#[tokio::test]
async fn must_have_16_the_default_sounds_are_an_empty_list() {
    let world = World::new(0).await;
    let answer = world.owner.rest.get("/soundboard-default-sounds").await;
    assert_eq!(answer.ok(), json!([]));
}

/// Pages through a list of objects as a library does, until a page is empty.
async fn all_pages(
    world: &World,
    path: &str,
    cursor: &str,
    id: impl Fn(&Value) -> u64,
) -> Vec<u64> {
    let mut ids = Vec::new();
    let mut at = if cursor == "before" { u64::MAX >> 1 } else { 0 };
    loop {
        let page = world
            .owner
            .rest
            .get(format!("{path}?limit=2&{cursor}={at}"))
            .await
            .ok();
        let page: Vec<u64> = page.as_array().unwrap().iter().map(&id).collect();
        assert!(page.len() <= 2, "{path} honours its limit");
        let Some(furthest) = (if cursor == "before" {
            page.iter().min()
        } else {
            page.iter().max()
        }) else {
            return ids;
        };
        at = *furthest;
        ids.extend(page);
        assert!(ids.len() < 100, "{path} ends");
    }
}

#[tokio::test]
async fn must_have_17_lists_honour_limit_before_and_after_and_end() {
    let world = World::new(4).await;
    for number in 0..5 {
        world
            .owner
            .rest
            .say(&world.channel, &number.to_string())
            .await;
        world.admin.guild(&[&world.owner], &["general"]).await;
    }
    let by_id = |value: &Value| snowflake(&value["id"]);
    let newest_first = all_pages(&world, &world.messages(), "before", by_id).await;
    assert_eq!(newest_first.len(), 5);
    assert!(newest_first.is_sorted_by(|a, b| a > b));
    let mut from_the_start = all_pages(&world, &world.messages(), "after", by_id).await;
    from_the_start.sort_unstable_by(|a, b| b.cmp(a));
    assert_eq!(from_the_start, newest_first);

    let members = world.guild_path("/members");
    let members = all_pages(&world, &members, "after", |it| snowflake(&it["user"]["id"])).await;
    assert_eq!(members.len(), 5);
    assert!(members.is_sorted_by(|a, b| a < b), "ascending, each once");

    for cursor in ["before", "after"] {
        let mut guilds = all_pages(&world, "/users/@me/guilds", cursor, by_id).await;
        guilds.sort_unstable();
        guilds.dedup();
        assert_eq!(guilds.len(), 6, "{cursor}");
    }
}

#[tokio::test]
async fn must_have_18_a_429_has_the_headers_that_libraries_wait_by() {
    let world = World::with(Setup::new().set("limits.messages_per_second=2"), 0).await;
    let rest = &world.owner.rest;
    let mut answer = rest.post(world.messages(), json!({"content": "x"})).await;
    while answer.status == 200 {
        for header in ["limit", "remaining", "reset", "reset-after", "bucket"] {
            let header = format!("x-ratelimit-{header}");
            assert!(answer.header(&header).is_some(), "{header} of a 200");
        }
        answer = rest.post(world.messages(), json!({"content": "x"})).await;
    }
    answer.has_status(429);
    assert!(answer.header("via").is_some_and(|via| !via.is_empty()));
    let body = answer.json();
    assert_eq!(body["message"], "You are being rate limited.");
    assert_eq!(body["global"], false);
    assert!(
        body["retry_after"]
            .as_f64()
            .is_some_and(|after| after > 0.0)
    );
    assert_eq!(answer.header("x-ratelimit-scope"), Some("user"));
    assert!(answer.header("x-ratelimit-global").is_none());
    let number = |name: &str| -> f64 { answer.header(name).unwrap().parse().unwrap() };
    assert!(number("retry-after") > 0.0);
    assert!(number("x-ratelimit-limit") > 0.0);
    assert!(number("x-ratelimit-remaining") < 1.0);
    assert!(number("x-ratelimit-reset-after") > 0.0);
    assert!(number("x-ratelimit-reset") > 1_700_000_000.0);
    // An empty first part of a query, as two libraries send it.
    rest.get(format!("{}?&limit=10", world.messages()))
        .await
        .has_status(200);
}

/// Every value under one of `keys`, at any depth.
fn found<'v>(value: &'v Value, keys: &[&str], into: &mut Vec<&'v Value>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if keys.contains(&key.as_str()) {
                    into.push(value);
                }
                found(value, keys, into);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| found(value, keys, into)),
        _ => {}
    }
}

/// Checks the shape of ids, times, permissions and discriminators anywhere in a value.
fn check_shapes(value: &Value) -> usize {
    let all = |keys: &[&str]| {
        let mut values = Vec::new();
        found(value, keys, &mut values);
        values.retain(|value| !value.is_null());
        values
    };
    let ids = all(&[
        "id",
        "guild_id",
        "channel_id",
        "user_id",
        "owner_id",
        "message_id",
    ]);
    for id in &ids {
        let id = text(id);
        assert!((17..=19).contains(&id.len()), "snowflake {id}");
        assert!(
            id.bytes().all(|byte| byte.is_ascii_digit()),
            "snowflake {id}"
        );
    }
    for time in all(&["timestamp", "joined_at", "edited_timestamp"]) {
        let time = text(time).as_bytes();
        assert_eq!(time.len(), 32, "{}", String::from_utf8_lossy(time));
        let pattern = b"dddd-dd-ddTdd:dd:dd.dddddd+00:00";
        for (byte, wanted) in time.iter().zip(pattern) {
            let fits = if *wanted == b'd' {
                byte.is_ascii_digit()
            } else {
                byte == wanted
            };
            assert!(fits, "{}", String::from_utf8_lossy(time));
        }
    }
    for permissions in all(&["permissions", "allow", "deny"]) {
        text(permissions)
            .parse::<u64>()
            .expect("permissions are a decimal string");
    }
    for discriminator in all(&["discriminator"]) {
        assert_eq!(discriminator, "0");
    }
    for hash in all(&["icon", "avatar", "banner", "splash"]) {
        let hash = text(hash);
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        assert!(
            hash.len() == 32 && hash.bytes().all(hex),
            "image hash {hash}"
        );
    }
    ids.len()
}

#[tokio::test]
async fn must_have_19_ids_times_permissions_and_discriminators_have_their_shape() {
    let world = World::new(1).await;
    let mut session = world.login(&world.owner).await;
    let path = format!(
        "/channels/{}/permissions/{}",
        world.channel,
        world.member().id
    );
    let overwrite = json!({"type": 1, "allow": "1024", "deny": "0"});
    world.owner.rest.put(path, overwrite).await.ok();
    let sent = world.owner.rest.say(&world.channel, "shape").await;
    let path = format!("{}/{}", world.messages(), text(&sent["id"]));
    let edited = world
        .owner
        .rest
        .patch(&path, json!({"content": "shapelier"}))
        .await
        .ok();
    assert!(edited["edited_timestamp"].is_string());
    let update = session.expect_event("MESSAGE_UPDATE").await;
    let rest = &world.owner.rest;
    let mut seen = check_shapes(&session.ready) + check_shapes(&session.guilds[0]);
    seen += check_shapes(&sent) + check_shapes(&edited) + check_shapes(&update);
    for path in ["", "/channels", "/roles", "/members?limit=10"] {
        seen += check_shapes(&rest.get(world.guild_path(path)).await.ok());
    }
    assert!(seen > 20, "{seen} ids");
    // Ids tell when: the Discord epoch is 2015.
    let since_2015_ms = snowflake(&sent["id"]) >> 22;
    let made_ms = since_2015_ms + 1_420_070_400_000;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let off = now.as_millis().abs_diff(u128::from(made_ms));
    assert!(off < 60_000, "off by {off} ms");
}

#[tokio::test]
async fn must_have_20_guild_create_has_the_everyone_role_and_the_own_member() {
    let world = World::new(1).await;
    let bot = world.admin.bot(&world.server, "bot").await;
    let path = world.guild_path(&format!("/members/{}", bot.id));
    world.owner.rest.put(path, json!({})).await.has_status(201);
    // With no members or presences asked for either.
    for intents in [ALL_INTENTS, 1] {
        let session = Session::login_with(&world.server, &bot.token, intents).await;
        let guild = &session.guilds[0];
        let roles = guild["roles"].as_array().unwrap();
        let everyone = roles.iter().find(|role| role["id"] == guild["id"]).unwrap();
        assert_eq!(everyone["name"], "@everyone");
        let members = guild["members"].as_array().unwrap();
        assert!(
            members
                .iter()
                .any(|member| member["user"]["id"] == json!(bot.id))
        );
    }
}
