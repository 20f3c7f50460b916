//! Accounts, applications and what libraries ask for at login.

use super::*;

#[actix_web::test]
async fn an_account_is_made_at_its_first_request() {
    let api = Fixture::new();
    let me = api.ask(get("/api/v10/users/@me")).await.json();
    assert_eq!(
        me,
        json!({
            "id": ALICE.to_string(), "username": format!("user-{ALICE}"), "discriminator": "0",
            "global_name": null, "avatar": null, "bot": false, "public_flags": 0, "flags": 0,
            "mfa_enabled": false, "verified": true, "email": null, "locale": "en-US",
            "premium_type": 0,
        })
    );
    let bot = api.ask_as_bot(get("/api/v10/users/@me")).await.json();
    assert_eq!(bot["bot"], true);
    assert_eq!(bot["username"], format!("bot-{BOT}"));
    assert_eq!(api.directory.sizes().users, 2);
}

#[actix_web::test]
async fn accounts_are_seen_by_others_and_renamed_by_their_owner() {
    let api = Fixture::new();
    api.ask(get("/api/v10/users/@me")).await;
    let patch = |body| {
        TestRequest::patch()
            .uri("/api/v10/users/@me")
            .set_json(body)
    };
    let renamed = api.ask(patch(json!({"username": " alice ", "avatar": null})));
    assert_eq!(renamed.await.json()["username"], "alice");
    let path = format!("/api/v10/users/{ALICE}");
    let seen = api.ask_as_bot(get(&path)).await;
    assert_eq!(seen.json()["username"], "alice");
    assert_eq!(seen.json().get("email"), None);
    for name in ["", "a", "x\u{7}y", &"a".repeat(33)] {
        let refused = api.ask(patch(json!({ "username": name }))).await;
        refused.is_field_error("username");
    }
    assert_eq!(api.ask(patch(json!({}))).await.json()["username"], "alice");
    let unknown = api.ask(get("/api/v10/users/5")).await;
    unknown.is_error(404, 10_013, "Unknown User");
    let malformed = api.ask(get("/api/v10/users/five")).await;
    malformed.is_field_error("user_id");
}

#[actix_web::test]
async fn the_gateway_is_told_with_shards_for_the_guilds() {
    let api = Fixture::with(Settings {
        guilds_per_shard: 2,
        ..generous()
    });
    let bot = || api.ask_as_bot(get("/api/v10/gateway/bot"));
    assert_eq!(
        bot().await.json(),
        json!({
            "url": "ws://127.0.0.1:8080/gateway", "shards": 1,
            "session_start_limit": {
                "total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": 16,
            },
        })
    );
    for n in 1..=5 {
        let guild = GuildId::new(n);
        api.directory.add_members(guild, vec![BOT]).await.unwrap();
    }
    assert_eq!(bot().await.json()["shards"], 3);
    let stranger = api.send(get("/api/v10/gateway/bot")).await;
    stranger.is_error(401, 0, "401: Unauthorized");
}

#[actix_web::test]
async fn the_application_has_every_key_that_a_library_reads() {
    let api = Fixture::new();
    for path in [
        "/api/v10/oauth2/applications/@me",
        "/api/v10/applications/@me",
    ] {
        let app = api.ask_as_bot(get(path)).await.json();
        assert_eq!(app["id"], BOT.to_string());
        assert_eq!(app["owner"]["discriminator"], "0");
        assert_eq!(app["flags"], 565_248);
        for key in [
            "name",
            "icon",
            "description",
            "bot_public",
            "bot_require_code_grant",
            "verify_key",
            "team",
            "rpc_origins",
            "approximate_guild_count",
            "approximate_user_install_count",
        ] {
            assert!(app.get(key).is_some(), "{key}");
        }
        let refused = api.ask(get(path)).await;
        refused.is_error(403, 20_002, "Only bots can use this endpoint");
    }
}

#[actix_web::test]
async fn commands_are_answered_as_if_stored() {
    let api = Fixture::new();
    for path in [
        format!("/api/v10/applications/{BOT}/commands?with_localizations=true"),
        format!("/api/v10/applications/{BOT}/guilds/{GUILD}/commands"),
    ] {
        assert_eq!(api.ask_as_bot(get(&path)).await.json(), json!([]));
        let command = json!({"name": "ping", "description": "d"});
        let put = TestRequest::put().uri(&path).set_json([&command, &command]);
        let stored = api.ask_as_bot(put).await;
        assert_eq!(stored.status, 200);
        let list = stored.json();
        assert_eq!(list.as_array().unwrap().len(), 2);
        assert_ne!(list[0]["id"], list[1]["id"]);
        let made = api.ask_as_bot(post(&path).set_json(&command)).await;
        assert_eq!(made.status, 201);
        let made = made.json();
        assert_eq!((&made["name"], &made["type"]), (&json!("ping"), &json!(1)));
        assert_eq!(made["application_id"], BOT.to_string());
        assert_eq!(made.get("guild_id").is_some(), path.contains("guilds"));
        let put = TestRequest::put().uri(&path).set_json([json!({})]);
        api.ask_as_bot(put).await.is_field_error("0.name");
    }
    let other = api.ask_as_bot(get("/api/v10/applications/5/commands"));
    other.await.is_error(403, 50_001, "Missing Access");
}

#[actix_web::test]
async fn lists_without_content_are_empty_lists() {
    let api = Fixture::new();
    for path in [
        "/api/v10/soundboard-default-sounds",
        "/api/v10/users/@me/guilds?after=0&limit=200&with_counts=true",
        "/api/v10/users/@me/channels",
    ] {
        let response = api.ask(get(path)).await;
        assert_eq!(
            (response.status.as_u16(), response.json()),
            (200, json!([]))
        );
    }
    let response = api.ask(get("/api/v10/users/@me/guilds?limit=201")).await;
    response.is_field_error("limit");
}

#[actix_web::test]
async fn direct_channels_need_another_known_recipient() {
    let api = Fixture::new();
    let open = |body| post("/api/v10/users/@me/channels").set_json(body);
    api.ask(open(json!({})))
        .await
        .is_field_error("recipient_id");
    let unknown = api.ask(open(json!({"recipient_id": "5"}))).await;
    unknown.is_error(404, 10_013, "Unknown User");
    let own = api.ask(open(json!({"recipients": [ALICE]}))).await;
    own.is_error(400, 50_033, "Invalid Recipient(s)");
    let many = api.ask(open(json!({"recipients": ["5", "6"]}))).await;
    many.is_error(400, 50_033, "Invalid Recipient(s)");
}
