//! What happens in channels, as sessions see it.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use guildhall_tests::rest::{snowflake, text};
use guildhall_tests::{Payload, Session, World};
use serde_json::{Value, json};

const THUMBS_UP: &str = "%F0%9F%91%8D";

fn has_keys(value: &Value, keys: &str) {
    for key in keys.split_whitespace() {
        assert!(value.get(key).is_some(), "no {key} in {value}");
    }
}

#[tokio::test]
async fn a_message_reaches_every_session_in_order_with_all_its_keys() {
    let world = World::new(3).await;
    let mut sessions = Vec::new();
    for account in world.members.iter().chain([&world.owner]) {
        sessions.push(world.login(account).await);
    }
    for number in 0..20 {
        world
            .owner
            .rest
            .say(&world.channel, &number.to_string())
            .await;
    }
    for session in &mut sessions {
        for number in 0..20 {
            let message = session.expect_event("MESSAGE_CREATE").await;
            assert_eq!(message["content"], number.to_string());
            has_keys(
                &message,
                "id type channel_id author content timestamp edited_timestamp tts mention_everyone \
                 mentions mention_roles attachments embeds pinned flags guild_id member",
            );
            has_keys(&message["author"], "id username discriminator avatar");
            has_keys(&message["member"], "roles joined_at deaf mute flags");
            assert_eq!(message["guild_id"], json!(world.guild));
            assert_eq!(message["author"]["id"], json!(world.owner.id));
        }
    }
}

#[tokio::test]
async fn what_rest_answers_is_what_sessions_and_history_show() {
    let world = World::new(1).await;
    let mut session = world.login(world.member()).await;
    let body = json!({"content": "hello", "nonce": "n-1", "tts": false});
    let answer = world.owner.rest.post(world.messages(), body).await.ok();
    let event = session.expect_event("MESSAGE_CREATE").await;
    assert_eq!(
        (&answer["nonce"], &event["nonce"]),
        (&json!("n-1"), &json!("n-1"))
    );
    let path = format!("{}/{}", world.messages(), text(&answer["id"]));
    let read = world.owner.rest.get(&path).await.ok();
    for (key, value) in read.as_object().unwrap() {
        assert_eq!(&answer[key], value, "{key} of the answer");
        assert_eq!(&event[key], value, "{key} of the event");
    }
}

#[tokio::test]
async fn a_nonce_that_is_enforced_makes_a_retry_the_same_message() {
    let world = World::new(0).await;
    let mut session = world.login(&world.owner).await;
    let body = json!({"content": "once", "nonce": "retry", "enforce_nonce": true});
    let first = world
        .owner
        .rest
        .post(world.messages(), body.clone())
        .await
        .ok();
    let again = world.owner.rest.post(world.messages(), body).await.ok();
    assert_eq!(first["id"], again["id"]);
    world.owner.rest.say(&world.channel, "over").await;
    let before = session.until_message("over").await;
    assert_eq!(
        before.iter().filter(|it| it.is("MESSAGE_CREATE")).count(),
        1
    );
    assert_eq!(world.owner.rest.history(&world.channel).await.len(), 2);
}

#[tokio::test]
async fn an_edit_sends_the_whole_message_with_its_time() {
    let world = World::new(1).await;
    let mut session = world.login(world.member()).await;
    let sent = world.owner.rest.say(&world.channel, "helo").await;
    let path = format!("{}/{}", world.messages(), text(&sent["id"]));
    let edited = world
        .owner
        .rest
        .patch(&path, json!({"content": "hello"}))
        .await
        .ok();
    let update = session.expect_event("MESSAGE_UPDATE").await;
    has_keys(
        &update,
        "id channel_id guild_id author content timestamp edited_timestamp type tts mentions \
         mention_roles mention_everyone attachments embeds pinned member",
    );
    assert_eq!(
        (&update["id"], &update["content"]),
        (&sent["id"], &json!("hello"))
    );
    assert!(update["edited_timestamp"].is_string());
    assert_eq!(update["edited_timestamp"], edited["edited_timestamp"]);
    assert_eq!(world.owner.rest.get(&path).await.ok()["content"], "hello");
    // Only the author may.
    let others = world
        .member()
        .rest
        .patch(&path, json!({"content": "mine"}))
        .await;
    others.is_error(403, 50_005);
}

#[tokio::test]
async fn a_delete_names_the_message_and_it_is_gone() {
    let world = World::new(1).await;
    let mut session = world.login(world.member()).await;
    let sent = world.owner.rest.say(&world.channel, "oops").await;
    let path = format!("{}/{}", world.messages(), text(&sent["id"]));
    world
        .member()
        .rest
        .delete(&path)
        .await
        .is_error(403, 50_013);
    let answer = world.owner.rest.delete(&path).await;
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    let deleted = session.expect_event("MESSAGE_DELETE").await;
    let wanted = json!({"id": sent["id"], "channel_id": world.channel, "guild_id": world.guild});
    assert_eq!(deleted, wanted);
    world.owner.rest.get(&path).await.is_error(404, 10_008);
    world.owner.rest.delete(&path).await.is_error(404, 10_008);
    assert_eq!(world.owner.rest.history(&world.channel).await.len(), 0);
}

#[tokio::test]
async fn a_bulk_delete_is_one_event() {
    let world = World::new(1).await;
    let mut session = world.login(world.member()).await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(
            world
                .owner
                .rest
                .say(&world.channel, &number.to_string())
                .await["id"]
                .clone(),
        );
    }
    let kept = ids.pop().unwrap();
    let path = format!("{}/bulk-delete", world.messages());
    world
        .member()
        .rest
        .post(&path, json!({"messages": ids}))
        .await
        .is_error(403, 50_013);
    let one = json!({"messages": [ids[0]]});
    world
        .owner
        .rest
        .post(&path, one)
        .await
        .is_error(400, 50_016);
    let answer = world.owner.rest.post(&path, json!({"messages": ids})).await;
    assert_eq!(answer.status, 204);
    let deleted = session.expect_event("MESSAGE_DELETE_BULK").await;
    let mut named: Vec<u64> = deleted["ids"]
        .as_array()
        .unwrap()
        .iter()
        .map(snowflake)
        .collect();
    named.sort_unstable();
    assert_eq!(named, ids.iter().map(snowflake).collect::<Vec<_>>());
    assert_eq!(deleted["channel_id"], json!(world.channel));
    assert_eq!(deleted["guild_id"], json!(world.guild));
    let history = world.owner.rest.history(&world.channel).await;
    assert_eq!(history.len(), 1);
    assert_eq!(history[0]["id"], kept);
}

#[tokio::test]
async fn reactions_are_added_and_removed_once() {
    let world = World::new(1).await;
    let mut session = world.login(&world.owner).await;
    let sent = world.owner.rest.say(&world.channel, "like me").await;
    let message = format!("{}/{}", world.messages(), text(&sent["id"]));
    let reaction = format!("{message}/reactions/{THUMBS_UP}");
    let mine = format!("{reaction}/@me");
    let member = world.member();
    for _ in 0..2 {
        let answer = member.rest.put(&mine, Value::Null).await;
        assert_eq!((answer.status, answer.body.len()), (204, 0));
    }
    let added = session.expect_event("MESSAGE_REACTION_ADD").await;
    has_keys(
        &added,
        "user_id channel_id message_id guild_id emoji member burst type",
    );
    has_keys(&added["member"], "user roles joined_at deaf mute flags");
    assert_eq!(added["emoji"]["name"], "👍");
    assert_eq!(added["user_id"], json!(member.id));
    assert_eq!(added["message_id"], sent["id"]);
    let users = world.owner.rest.get(&reaction).await.ok();
    assert_eq!(users.as_array().unwrap().len(), 1);
    let read = world.owner.rest.get(&message).await.ok();
    assert_eq!(read["reactions"][0]["count"], 1);
    for _ in 0..2 {
        member.rest.delete(&mine).await.has_status(204);
    }
    let removed = session.expect_event("MESSAGE_REACTION_REMOVE").await;
    has_keys(
        &removed,
        "user_id channel_id message_id guild_id emoji burst type",
    );
    world.owner.rest.say(&world.channel, "over").await;
    let rest = session.until_message("over").await;
    let again = rest
        .iter()
        .filter(|payload| payload.t.as_deref() != Some("MESSAGE_CREATE"));
    assert_eq!(again.count(), 0, "each is told once");
    let odd = format!("{message}/reactions/nonsense/@me");
    member
        .rest
        .put(odd, Value::Null)
        .await
        .is_error(400, 10_014);
}

#[tokio::test]
async fn typing_is_told_to_the_others() {
    let world = World::new(1).await;
    let mut session = world.login(&world.owner).await;
    let path = format!("/channels/{}/typing", world.channel);
    let answer = world.member().rest.post(path, json!({})).await;
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    let typing = session.expect_event("TYPING_START").await;
    has_keys(&typing, "channel_id guild_id user_id timestamp member");
    has_keys(&typing["member"], "user roles joined_at deaf mute flags");
    assert_eq!(typing["user_id"], json!(world.member().id));
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let at = typing["timestamp"].as_u64().unwrap();
    assert!(now.as_secs().abs_diff(at) < 60, "{at} is in seconds");
}

#[tokio::test]
async fn a_presence_update_reaches_the_others_and_later_logins() {
    let world = World::new(1).await;
    let mut watcher = world.login(&world.owner).await;
    let mut session = world.login(world.member()).await;
    let is_member = |presence: &Value| presence["user"]["id"] == json!(world.member().id);
    let online = watcher
        .expect_event_where("PRESENCE_UPDATE", is_member)
        .await;
    has_keys(&online, "user guild_id status activities client_status");
    assert_eq!(online["status"], "online");
    let activity = json!({"name": "chess", "type": 0});
    let data = json!({"since": null, "activities": [activity], "status": "idle", "afk": false});
    session.send(json!({"op": 3, "d": data})).await;
    let idle = watcher
        .expect_event_where("PRESENCE_UPDATE", is_member)
        .await;
    assert_eq!(idle["status"], "idle");
    assert_eq!(idle["activities"][0]["name"], "chess");
    let later = world.login(&world.owner).await;
    let presences = later.guilds[0]["presences"].as_array().unwrap();
    let shown = presences
        .iter()
        .find(|presence| is_member(presence))
        .unwrap();
    assert_eq!(shown["status"], "idle");
    // Who is invisible looks offline.
    session
        .send(json!({"op": 3, "d": {"since": null, "activities": [], "status": "invisible", "afk": false}}))
        .await;
    let gone = watcher
        .expect_event_where("PRESENCE_UPDATE", is_member)
        .await;
    assert_eq!(gone["status"], "offline");
}

#[tokio::test]
async fn logging_out_is_going_offline() {
    let world = World::new(1).await;
    let mut watcher = world.login(&world.owner).await;
    let session = world.login(world.member()).await;
    let is_member = |presence: &Value| presence["user"]["id"] == json!(world.member().id);
    watcher
        .expect_event_where("PRESENCE_UPDATE", is_member)
        .await;
    session.log_out().await;
    let offline = watcher
        .expect_event_where("PRESENCE_UPDATE", is_member)
        .await;
    assert_eq!(offline["status"], "offline");
}

#[tokio::test]
async fn a_direct_message_reaches_both_and_nobody_else() {
    let world = World::new(2).await;
    let (alice, bob) = (&world.members[0], &world.members[1]);
    let mut sessions: Vec<Session> = Vec::new();
    for account in [alice, bob, &world.owner] {
        sessions.push(world.login(account).await);
    }
    let open = json!({"recipient_id": bob.id});
    let channel = alice
        .rest
        .post("/users/@me/channels", open.clone())
        .await
        .ok();
    assert_eq!(channel["type"], 1);
    assert_eq!(channel["recipients"][0]["id"], json!(bob.id));
    let again = alice.rest.post("/users/@me/channels", open).await.ok();
    assert_eq!(again["id"], channel["id"], "there is one between two");
    let id = text(&channel["id"]);
    alice.rest.say(id, "between us").await;
    bob.rest.say(id, "yes").await;
    world.owner.rest.say(&world.channel, "public").await;
    let told: Vec<Vec<Payload>> = {
        let mut told = Vec::new();
        for session in &mut sessions {
            told.push(session.until_message("public").await);
        }
        told
    };
    let direct = |payloads: &[Payload]| -> Vec<Value> {
        let messages = payloads
            .iter()
            .filter(|payload| payload.is("MESSAGE_CREATE"));
        messages.map(|payload| payload.d.clone()).collect()
    };
    for both in &told[..2] {
        let messages = direct(both);
        let contents: Vec<&str> = messages.iter().map(|it| text(&it["content"])).collect();
        assert_eq!(contents, ["between us", "yes"]);
        for message in messages {
            assert!(
                message.get("guild_id").is_none(),
                "absent in direct messages: {message}"
            );
        }
    }
    assert_eq!(direct(&told[2]), Vec::<Value>::new());
    world
        .owner
        .rest
        .get(format!("/channels/{id}/messages"))
        .await
        .is_error(403, 50_001);
    assert_eq!(bob.rest.history(id).await.len(), 2);
}

#[tokio::test]
async fn history_pages_before_after_and_around() {
    let world = World::new(0).await;
    let mut ids = Vec::new();
    for number in 0..9 {
        let sent = world
            .owner
            .rest
            .say(&world.channel, &number.to_string())
            .await;
        ids.push(text(&sent["id"]).to_owned());
    }
    let page = async |query: &str| -> Vec<usize> {
        let path = format!("{}?{query}", world.messages());
        let page = world.owner.rest.get(path).await.ok();
        let messages = page.as_array().unwrap().iter();
        messages
            .map(|it| text(&it["content"]).parse().unwrap())
            .collect()
    };
    assert_eq!(page("").await, [8, 7, 6, 5, 4, 3, 2, 1, 0]);
    assert_eq!(page("limit=3").await, [8, 7, 6]);
    assert_eq!(page(&format!("limit=3&before={}", ids[5])).await, [4, 3, 2]);
    assert_eq!(page(&format!("limit=3&after={}", ids[2])).await, [5, 4, 3]);
    let around = page(&format!("limit=3&around={}", ids[4])).await;
    assert_eq!(around, [5, 4, 3]);
    assert_eq!(page(&format!("before={}", ids[0])).await, [0; 0]);
    assert_eq!(page(&format!("after={}", ids[8])).await, [0; 0]);
}
