//! The API with real guilds behind it.

use super::limits::RATE_HEADERS;
use super::*;

pub(super) const BOB: UserId = UserId::new(1_000_000_000_000_000_002);

/// A request of a user's, below `/api/v10`.
pub(super) async fn call(
    api: &Fixture,
    user: UserId,
    method: &str,
    path: &str,
    body: Value,
) -> Response {
    let mut request = TestRequest::default()
        .method(method.parse().unwrap())
        .uri(&format!("/api/v10{path}"))
        .insert_header(("Authorization", api.token(user)));
    if !body.is_null() {
        request = request.set_json(body);
    }
    api.send(request).await
}

pub(super) async fn json_of(
    api: &Fixture,
    user: UserId,
    method: &str,
    path: &str,
    body: Value,
) -> Value {
    let response = call(api, user, method, path, body).await;
    assert!(
        response.status.is_success(),
        "{method} {path}: {}",
        response.json()
    );
    response.json()
}

pub(super) async fn done(api: &Fixture, user: UserId, method: &str, path: &str, body: Value) {
    let response = call(api, user, method, path, body).await;
    let text = String::from_utf8_lossy(&response.bytes).into_owned();
    assert_eq!(response.status, 204, "{method} {path}: {text}");
    assert!(response.bytes.is_empty());
    assert_eq!(response.header("content-type"), None);
}

pub(super) fn id(value: &Value) -> String {
    value["id"].as_str().unwrap().to_owned()
}

/// Alice's guild with Bob in it, and its only channel.
pub(super) async fn guild_of_two(api: &Fixture) -> (String, String) {
    for user in [ALICE, BOB] {
        call(api, user, "GET", "/users/@me", Value::Null).await;
    }
    let guild = id(&json_of(api, ALICE, "POST", "/guilds", json!({"name": "home"})).await);
    let member = format!("/guilds/{guild}/members/{BOB}");
    let added = call(api, ALICE, "PUT", &member, json!({"nick": "b"})).await;
    assert_eq!(added.status, 201);
    assert_eq!(added.json()["nick"], "b");
    let path = format!("/guilds/{guild}/channels");
    let channels = json_of(api, ALICE, "GET", &path, Value::Null).await;
    assert_eq!(channels[0]["name"], "general");
    assert_eq!(channels[0]["guild_id"], guild);
    (guild, id(&channels[0]))
}

#[actix_web::test]
async fn a_guild_is_made_shown_changed_left_and_deleted() {
    let api = Fixture::live();
    let (guild, channel) = guild_of_two(&api).await;
    let guild_id: GuildId = guild.parse().unwrap();
    assert_eq!(
        *api.notices.0.lock().unwrap(),
        [(ALICE, guild_id), (BOB, guild_id)]
    );
    let path = format!("/guilds/{guild}");
    let again = format!("{path}/members/{BOB}");
    done(&api, ALICE, "PUT", &again, json!({})).await;
    let shown = json_of(
        &api,
        BOB,
        "GET",
        &format!("{path}?with_counts=True"),
        Value::Null,
    )
    .await;
    assert_eq!(shown["approximate_member_count"], 2);
    assert_eq!(shown["owner_id"], ALICE.to_string());
    let changed = json!({"name": "house", "description": "d"});
    assert_eq!(
        call(&api, BOB, "PATCH", &path, changed.clone())
            .await
            .status,
        403
    );
    let shown = json_of(&api, ALICE, "PATCH", &path, changed).await;
    assert_eq!(
        (&shown["name"], &shown["description"]),
        (&json!("house"), &json!("d"))
    );

    let list = json_of(
        &api,
        BOB,
        "GET",
        "/users/@me/guilds?with_counts=1",
        Value::Null,
    )
    .await;
    assert_eq!(list[0]["name"], "house");
    assert_eq!(list[0]["owner"], false);
    assert_eq!(list[0]["approximate_member_count"], 2);
    assert_eq!(list[0]["permissions"], "2248473465835073");
    let keys = list[0].as_object().unwrap();
    assert!(keys.contains_key("icon") && !keys.contains_key("roles"));
    let list = json_of(&api, ALICE, "GET", "/users/@me/guilds", Value::Null).await;
    assert_eq!(list[0]["owner"], true);

    let leave = format!("/users/@me/guilds/{guild}");
    done(&api, BOB, "DELETE", &leave, Value::Null).await;
    assert!(!api.directory.is_member(BOB, guild_id));
    let response = call(&api, BOB, "GET", &path, Value::Null).await;
    response.is_error(404, 10_004, "Unknown Guild");
    assert_eq!(
        call(&api, ALICE, "DELETE", &leave, Value::Null)
            .await
            .status,
        400
    );
    assert!(api.directory.is_member(ALICE, guild_id));
    done(&api, ALICE, "DELETE", &path, Value::Null).await;
    assert_eq!(api.directory.guild_of(channel.parse().unwrap()), None);
    assert_eq!(api.directory.sizes().memberships, 0);
}

#[actix_web::test]
async fn guilds_are_listed_in_pages_both_ways() {
    let api = Fixture::live();
    let mut ids = Vec::new();
    for n in 0..5 {
        let name = json!({"name": format!("guild {n}")});
        ids.push(id(&json_of(&api, ALICE, "POST", "/guilds", name).await));
    }
    for (query, expected) in [
        ("limit=2".to_owned(), &ids[..2]),
        (format!("limit=2&after={}", ids[1]), &ids[2..4]),
        (format!("after={}", ids[4]), &ids[..0]),
        (format!("limit=2&before={}", ids[4]), &ids[2..4]),
        (format!("before={}", ids[0]), &ids[..0]),
        (format!("after={}&before={}", ids[0], ids[4]), &ids[1..4]),
    ] {
        let path = format!("/users/@me/guilds?{query}");
        let list = json_of(&api, ALICE, "GET", &path, Value::Null).await;
        let found: Vec<_> = list.as_array().unwrap().iter().map(id).collect();
        assert_eq!(found, expected, "{query}");
    }
}

#[actix_web::test]
async fn a_refused_creation_leaves_nothing_in_the_directory() {
    let api = Fixture::live();
    let response = call(&api, ALICE, "POST", "/guilds", json!({"name": "x"})).await;
    response.is_field_error("name");
    assert_eq!(api.directory.sizes().memberships, 0);
    assert_eq!(api.directory.sizes().channels, 0);
    let (guild, _) = guild_of_two(&api).await;
    let before = api.directory.sizes();
    let path = format!("/guilds/{guild}/channels");
    let named = |name: &str| json!({"name": name, "type": 0});
    assert_eq!(call(&api, BOB, "POST", &path, named("x")).await.status, 403);
    let long = "x".repeat(101);
    assert_eq!(
        call(&api, ALICE, "POST", &path, named(&long)).await.status,
        400
    );
    assert_eq!(api.directory.sizes(), before);
    // A member stays one whose second addition is refused.
    let path = format!("/guilds/{guild}/members/{ALICE}");
    done(&api, BOB, "PUT", &path, json!({})).await;
    let roles = json!({"roles": [guild]});
    let stranger = UserId::new(77);
    call(&api, stranger, "GET", "/users/@me", Value::Null).await;
    let path = format!("/guilds/{guild}/members/{stranger}");
    assert_ne!(call(&api, BOB, "PUT", &path, roles).await.status, 201);
    assert_eq!(api.directory.guilds_of(stranger), []);
    assert!(api.directory.is_member(ALICE, guild.parse().unwrap()));
}

#[actix_web::test]
async fn channels_and_overwrites() {
    let api = Fixture::live();
    let (guild, general) = guild_of_two(&api).await;
    let path = format!("/guilds/{guild}/channels");
    let made = call(
        &api,
        ALICE,
        "POST",
        &path,
        json!({"name": "hidden", "topic": "t"}),
    )
    .await;
    assert_eq!(made.status, 201);
    let hidden = format!("/channels/{}", id(&made.json()));
    assert_eq!(
        json_of(&api, BOB, "GET", &hidden, Value::Null).await["topic"],
        "t"
    );

    let overwrite = format!("{hidden}/permissions/{guild}");
    let deny = json!({"type": 0, "allow": "0", "deny": "1024"});
    done(&api, ALICE, "PUT", &overwrite, deny).await;
    let response = call(&api, BOB, "GET", &hidden, Value::Null).await;
    response.is_error(403, 50_001, "Missing Access");
    let seen = json_of(&api, BOB, "GET", &path, Value::Null).await;
    assert_eq!(seen.as_array().unwrap().len(), 1);
    done(&api, ALICE, "DELETE", &overwrite, Value::Null).await;
    json_of(&api, BOB, "GET", &hidden, Value::Null).await;

    let edited = json_of(
        &api,
        ALICE,
        "PATCH",
        &hidden,
        json!({"topic": null, "nsfw": true}),
    )
    .await;
    assert_eq!(
        (&edited["topic"], &edited["nsfw"]),
        (&Value::Null, &json!(true))
    );
    let moved = json!([{"id": general, "position": 7}, {"id": id(&made.json()), "position": 0}]);
    done(&api, ALICE, "PATCH", &path, moved).await;
    let shown = json_of(
        &api,
        ALICE,
        "GET",
        &format!("/channels/{general}"),
        Value::Null,
    )
    .await;
    assert_eq!(shown["position"], 7);

    let gone = call(&api, ALICE, "DELETE", &hidden, Value::Null).await;
    assert_eq!(
        (gone.status.as_u16(), id(&gone.json())),
        (200, id(&made.json()))
    );
    let response = call(&api, ALICE, "GET", &hidden, Value::Null).await;
    response.is_error(404, 10_003, "Unknown Channel");
}

#[actix_web::test]
async fn messages_are_sent_read_edited_and_deleted() {
    let api = Fixture::live();
    let (_, channel) = guild_of_two(&api).await;
    let path = format!("/channels/{channel}/messages");
    let mut ids = Vec::new();
    for n in 0..5 {
        let body = json!({"content": format!("m{n}"), "nonce": format!("n{n}"),
            "enforce_nonce": true, "embeds": [{"title": "t"}], "tts": false});
        let message = json_of(&api, ALICE, "POST", &path, body.clone()).await;
        assert_eq!(message["nonce"], format!("n{n}"));
        assert_eq!(message["embeds"], json!([{"type": "rich", "title": "t"}]));
        let again = json_of(&api, ALICE, "POST", &path, body).await;
        assert_eq!(again["id"], message["id"]);
        ids.push(id(&message));
    }
    for (query, expected) in [
        ("limit=2".to_owned(), vec![4, 3]),
        (format!("&before={}&limit=2", ids[3]), vec![2, 1]),
        (format!("after={}&limit=2", ids[1]), vec![3, 2]),
        ("after=0&limit=2".to_owned(), vec![1, 0]),
        (format!("around={}&limit=3", ids[2]), vec![3, 2, 1]),
        (format!("before={}", ids[0]), vec![]),
    ] {
        let page = format!("{path}?{query}");
        let list = json_of(&api, BOB, "GET", &page, Value::Null).await;
        let found: Vec<_> = list.as_array().unwrap().iter().map(id).collect();
        let expected: Vec<_> = expected.iter().map(|n: &usize| ids[*n].clone()).collect();
        assert_eq!(found, expected, "{query}");
    }
    let one = format!("{path}/{}", ids[0]);
    assert_eq!(
        json_of(&api, BOB, "GET", &one, Value::Null).await["content"],
        "m0"
    );
    assert_eq!(
        call(&api, BOB, "PATCH", &one, json!({"content": "x"}))
            .await
            .status,
        403
    );
    let edited = json_of(
        &api,
        ALICE,
        "PATCH",
        &one,
        json!({"content": "x", "embeds": null}),
    )
    .await;
    assert_eq!(
        (&edited["content"], &edited["embeds"]),
        (&json!("x"), &json!([]))
    );
    assert!(edited["edited_timestamp"].is_string());
    let reply = json!({"content": "r", "message_reference": {"message_id": ids[0]}});
    let reply = json_of(&api, BOB, "POST", &path, reply).await;
    assert_eq!(reply["referenced_message"]["id"], ids[0]);

    let empty = call(&api, ALICE, "POST", &path, json!({"content": null})).await;
    empty.is_error(400, 50_006, "Cannot send an empty message");
    let long = json!({"content": "x".repeat(2_001)});
    call(&api, ALICE, "POST", &path, long)
        .await
        .is_field_error("content");

    done(&api, ALICE, "DELETE", &one, Value::Null).await;
    let response = call(&api, ALICE, "GET", &one, Value::Null).await;
    response.is_error(404, 10_008, "Unknown Message");
    let bulk = json!({"messages": [ids[1], ids[2]]});
    done(&api, ALICE, "POST", &format!("{path}/bulk-delete"), bulk).await;
    let left = json_of(&api, BOB, "GET", &path, Value::Null).await;
    assert_eq!(left.as_array().unwrap().len(), 3);
    done(
        &api,
        BOB,
        "POST",
        &format!("/channels/{channel}/typing"),
        Value::Null,
    )
    .await;
}

#[actix_web::test]
async fn slow_mode_says_how_long_to_wait() {
    let api = Fixture::live();
    let (_, channel) = guild_of_two(&api).await;
    let slow = json!({"rate_limit_per_user": 60});
    json_of(&api, ALICE, "PATCH", &format!("/channels/{channel}"), slow).await;
    let path = format!("/channels/{channel}/messages");
    json_of(&api, BOB, "POST", &path, json!({"content": "x"})).await;
    let refused = call(&api, BOB, "POST", &path, json!({"content": "x"})).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json()["code"]),
        (429, &json!(20_016))
    );
    let wait = refused.json()["retry_after"].as_f64().unwrap();
    assert!(wait > 0.0 && wait <= 60.0);
    let header: f64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!(header >= wait && header < wait + 1.0);
    assert_eq!(refused.header("via"), Some("1.1 guildhall"));
    for name in RATE_HEADERS {
        assert!(refused.header(name).is_some(), "{name}");
    }
}

#[actix_web::test]
async fn reactions_are_given_listed_and_taken() {
    let api = Fixture::live();
    let (_, channel) = guild_of_two(&api).await;
    let path = format!("/channels/{channel}/messages");
    let message = json_of(&api, ALICE, "POST", &path, json!({"content": "x"})).await;
    let emoji = format!("{path}/{}/reactions/%F0%9F%91%8D", id(&message));
    let custom = format!("{path}/{}/reactions/blob:77", id(&message));
    for user in [ALICE, BOB] {
        done(&api, user, "PUT", &format!("{emoji}/%40me"), Value::Null).await;
    }
    done(&api, BOB, "PUT", &format!("{custom}/@me"), Value::Null).await;
    let list = json_of(&api, ALICE, "GET", &emoji, Value::Null).await;
    let users: Vec<_> = list.as_array().unwrap().iter().map(id).collect();
    assert_eq!(users, [ALICE.to_string(), BOB.to_string()]);
    let page = format!("{emoji}?limit=1&after={ALICE}");
    let list = json_of(&api, ALICE, "GET", &page, Value::Null).await;
    assert_eq!(list.as_array().unwrap().len(), 1);
    let shown = format!("{path}/{}", id(&message));
    let shown = json_of(&api, ALICE, "GET", &shown, Value::Null).await;
    assert_eq!(
        shown["reactions"][0]["emoji"],
        json!({"id": null, "name": "👍"})
    );
    assert_eq!(shown["reactions"][0]["count"], 2);
    assert_eq!(
        shown["reactions"][1]["emoji"],
        json!({"id": "77", "name": "blob"})
    );
    done(&api, BOB, "DELETE", &format!("{emoji}/@me"), Value::Null).await;
    let other = format!("{emoji}/{ALICE}");
    assert_eq!(
        call(&api, BOB, "DELETE", &other, Value::Null).await.status,
        403
    );
    done(
        &api,
        ALICE,
        "DELETE",
        &format!("{custom}/{BOB}"),
        Value::Null,
    )
    .await;
    let list = json_of(&api, ALICE, "GET", &custom, Value::Null).await;
    assert_eq!(list, json!([]));
}
