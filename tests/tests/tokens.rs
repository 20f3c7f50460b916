//! Tokens that others sign, tokens for some guilds only, and tokens that are taken back.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use guildhall_tests::jwt::{self, EdKey, claims, hs256, now, rs256};
use guildhall_tests::rest::text;
use guildhall_tests::{ALL_INTENTS, Gateway, Session, Setup, World, eventually};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

fn with_secret() -> Setup {
    Setup::new()
        .set(format!("auth.jwt_secret={}", jwt::SECRET))
        .set("auth.jwt_leeway_s=0")
}

/// How a login with this token is closed.
async fn refusal(world: &World, token: &str) -> u16 {
    let mut gateway = Gateway::connect(&world.server).await;
    gateway.identify(token, ALL_INTENTS).await;
    gateway.expect_close().await
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_hs256_eddsa_and_rs256_log_in_and_others_do_not() {
    let folder = TempDir::new().unwrap();
    let (pem, set) = (folder.path().join("key.pem"), folder.path().join("keys"));
    let ed = EdKey::new("ed");
    std::fs::write(&pem, jwt::RSA_PUBLIC).unwrap();
    std::fs::write(&set, json!({"keys": [ed.public]}).to_string()).unwrap();
    let setup = with_secret()
        .set(format!("auth.jwt_public_key={}", pem.display()))
        .set(format!("auth.jwt_keys={}", set.display()))
        .set("auth.jwt_issuer=accounts");
    let world = World::with(setup, 1).await;
    let member = world.member();
    let good = with(claims(&member.id), "iss", json!("accounts"));
    for token in [hs256(&good), ed.sign(&good), rs256(&good)] {
        let mut session = Session::login(&world.server, &token).await;
        assert_eq!(session.user_id(), member.id);
        let rest = world.server.rest(&format!("Bearer {token}"));
        rest.say(&world.channel, "by a web token").await;
        session.until_message("by a web token").await;
    }
    for (what, token) in [
        ("no issuer", hs256(&claims(&member.id))),
        ("over", hs256(&with(good.clone(), "exp", json!(now() - 1)))),
        (
            "not yet",
            hs256(&with(good.clone(), "nbf", json!(now() + 60))),
        ),
        ("no end", hs256(&with(good.clone(), "exp", json!(null)))),
        ("another key", EdKey::new("ed").sign(&good)),
        ("no user", hs256(&with(good.clone(), "sub", json!("0")))),
    ] {
        assert_eq!(refusal(&world, &token).await, 4004, "{what}");
        let rest = world.server.rest(&token);
        rest.get("/users/@me").await.has_status(401);
    }
    let refused = world.admin.metrics().await;
    assert_eq!(
        refused.sum("guildhall_tokens_refused_total", &[]) as u64,
        12
    );
}

/// A token with a list of guilds: its session has those and no other, and REST answers for those alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_for_one_guild_shows_nothing_of_others() {
    let world = World::with(with_secret(), 1).await;
    let member = world.member();
    let other = world.admin.guild(&[member], &["elsewhere"]).await;
    let token = hs256(&with(claims(&member.id), "guilds", json!([world.guild])));
    let mut full = world.login(member).await;
    assert_eq!(full.guilds.len(), 2);
    let mut session = Session::login(&world.server, &token).await;
    assert_eq!(session.guilds.len(), 1);
    assert_eq!(session.guilds[0]["id"], world.guild.as_str());

    let rest = world.server.rest(&token);
    let listed = rest.get("/users/@me/guilds").await.ok();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let path = format!("/guilds/{}", other.id);
    rest.get(&path).await.is_error(404, 10_004);
    let path = format!("/channels/{}/messages", other.channels[0]);
    rest.get(&path).await.is_error(403, 50_001);
    rest.post("/guilds", json!({"name": "mine"}))
        .await
        .is_error(403, 50_001);
    let direct = json!({"recipient_id": world.owner.id});
    rest.post("/users/@me/channels", direct)
        .await
        .is_error(403, 50_001);

    // A guild that is joined later, and a message in the other one: the full session sees both.
    let third = world.admin.guild(&[member], &["third"]).await;
    full.expect_event_where("GUILD_CREATE", |it| it["id"] == third.id.as_str())
        .await;
    member.rest.say(&other.channels[0], "elsewhere").await;
    full.until_message("elsewhere").await;
    rest.say(&world.channel, "here").await;
    let before = session.until_message("here").await;
    let named = before.iter().map(|it| it.d.to_string());
    for seen in named {
        assert!(
            !seen.contains(&third.id) && !seen.contains(&other.id),
            "{seen}"
        );
    }

    // A session with more guilds is not resumed by it: the replay could tell of them.
    let cut = full.cut();
    let mut gateway = Gateway::connect(&world.server).await;
    gateway.resume(&token, &cut.id, cut.seq).await;
    assert_eq!(gateway.expect_op(9).await.d, json!(false));
    let cut = session.cut();
    let mut gateway = Gateway::connect(&world.server).await;
    gateway.resume(&token, &cut.id, cut.seq).await;
    gateway.expect_event("RESUMED").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_with_its_token() {
    let world = World::with(with_secret(), 1).await;
    let token = hs256(&with(claims(&world.member().id), "exp", json!(now() + 3)));
    let mut session = Session::login(&world.server, &token).await;
    assert_eq!(session.expect_close().await, 4004);
    let id = session.id.clone();
    let mut gateway = Gateway::connect(&world.server).await;
    gateway.resume(&token, &id, 1).await;
    assert_eq!(gateway.expect_close().await, 4004);
    let mut gateway = Gateway::connect(&world.server).await;
    gateway.resume(&world.member().token, &id, 1).await;
    assert_eq!(gateway.expect_op(9).await.d, json!(false), "it is over");
}

/// A revoked token is good for nothing at once, its sessions end, those of others stay; after a restart it is so still.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_ends_its_sessions_and_stays_revoked() {
    let world = World::with(with_secret(), 2).await;
    let [one, other] = &world.members[..] else {
        panic!("two members");
    };
    let second = hs256(&claims(&one.id));
    let mut revoked = world.login(one).await;
    let mut same_user = Session::login(&world.server, &second).await;
    let mut bystander = world.login(other).await;
    let revoke = async |body: Value| world.admin.rest.post("/admin/v1/tokens/revoke", body).await;
    let answer = revoke(json!({"token": one.token})).await.ok();
    assert_eq!(answer, json!({"user_id": one.id}));
    one.rest.get("/users/@me").await.has_status(401);
    assert_eq!(revoked.expect_close().await, 4004);
    assert_eq!(refusal(&world, &one.token).await, 4004);
    world.owner.rest.say(&world.channel, "others go on").await;
    same_user.until_message("others go on").await;
    bystander.until_message("others go on").await;

    // All of a user that were signed until now; one that is signed later is good.
    let answer = revoke(json!({"user_id": one.id})).await.ok();
    let until = answer["until"].as_u64().unwrap();
    assert!(until.abs_diff(now()) < 5, "{answer}");
    assert_eq!(same_user.expect_close().await, 4004);
    let later = hs256(&with(claims(&one.id), "iat", json!(until + 1)));
    Session::login(&world.server, &later).await;

    for bad in [
        json!({"token": "nonsense"}),
        json!({"user_id": one.id, "until": now() + 600}),
        json!({}),
        json!({"user_id": one.id, "unitl": 1}),
    ] {
        revoke(bad).await.has_status(400);
    }
    let stranger = world.server.operator(None);
    let body = json!({"user_id": one.id});
    let refused = stranger.post("/admin/v1/tokens/revoke", body).await;
    refused.has_status(401);

    let mut server = world.server;
    server.terminate();
    assert!(server.exit().await.success());
    let again = with_secret().after(&server).start();
    again
        .rest(&one.token)
        .get("/users/@me")
        .await
        .has_status(401);
    again.rest(&second).get("/users/@me").await.has_status(401);
    again.rest(&later).get("/users/@me").await.has_status(200);
    again
        .rest(&other.token)
        .get("/users/@me")
        .await
        .has_status(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_read_anew_at_sighup_and_bad_ones_leave_those_before() {
    let folder = TempDir::new().unwrap();
    let set = folder.path().join("keys");
    let (old, new) = (EdKey::new("old"), EdKey::new("new"));
    let write = |key: &EdKey| {
        std::fs::write(&set, json!({"keys": [key.public]}).to_string()).unwrap();
    };
    write(&old);
    let setup = Setup::new().set(format!("auth.jwt_keys={}", set.display()));
    let world = World::with(setup, 1).await;
    let claims = claims(&world.member().id);
    let good = async |key: &EdKey| {
        let rest = world.server.rest(&key.sign(&claims));
        rest.get("/users/@me").await.status == 200
    };
    assert!(good(&old).await && !good(&new).await);
    std::fs::write(&set, "{}").unwrap();
    world.server.signal(Signal::HUP);
    eventually("the failure's metric", || async {
        let metrics = world.admin.metrics().await;
        (metrics.sum("guildhall_reload_failures_total", &[]) >= 1.0).then_some(())
    })
    .await;
    assert!(good(&old).await);
    write(&new);
    world.server.signal(Signal::HUP);
    eventually("the new key", || async { good(&new).await.then_some(()) }).await;
    assert!(!good(&old).await);
}

/// With every line of the log written, none has a token or a secret.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_ever_in_the_log() {
    let setup = with_secret().set("log.filter=trace");
    let world = World::with(setup, 1).await;
    let member = world.member();
    let web = hs256(&claims(&member.id));
    let mut secrets = vec![
        jwt::SECRET.to_owned(),
        world.server.line().admin_token.clone(),
        member.token.clone(),
        web.clone(),
    ];
    let kept = std::fs::read_to_string(world.server.data().join("auth-secret")).unwrap();
    secrets.push(kept.trim().to_owned());
    let mut session = world.login(member).await;
    Session::login(&world.server, &web).await.log_out().await;
    member.rest.say(&world.channel, "hello").await;
    session.until_message("hello").await;
    let bad = format!("{}x", member.token);
    assert_eq!(refusal(&world, &bad).await, 4004);
    world
        .server
        .rest(&bad)
        .get("/users/@me")
        .await
        .has_status(401);
    secrets.push(bad);
    let revoke = json!({"token": member.token});
    let revoked = world
        .admin
        .rest
        .post("/admin/v1/tokens/revoke", revoke)
        .await;
    assert_eq!(text(&revoked.ok()["user_id"]), member.id);
    assert_eq!(session.expect_close().await, 4004);
    let mut server = world.server;
    server.terminate();
    server.exit().await;
    let log = server.log();
    assert!(log.contains("TRACE") && log.contains("tokens revoked"));
    for secret in secrets {
        // Also not a part of one.
        let part = &secret[secret.len() - 20..];
        assert!(!log.contains(part), "{part} is in the log");
    }
}
