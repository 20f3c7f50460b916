//! Members, roles, and conversations between two users.

use super::guilds::{BOB, call, done, guild_of_two, id, json_of};
use super::*;

#[actix_web::test]
async fn members_and_roles() {
    let api = Fixture::live();
    let (guild, _) = guild_of_two(&api).await;
    let path = format!("/guilds/{guild}");
    let role = json!({"name": "mod", "permissions": "8192", "color": 255, "hoist": true});
    let role = call(&api, ALICE, "POST", &format!("{path}/roles"), role).await;
    assert_eq!(
        (role.status.as_u16(), &role.json()["permissions"]),
        (200, &json!("8192"))
    );
    let role = id(&role.json());
    let bob = format!("{path}/members/{BOB}");
    done(
        &api,
        ALICE,
        "PUT",
        &format!("{bob}/roles/{role}"),
        Value::Null,
    )
    .await;
    let member = json_of(&api, ALICE, "GET", &bob, Value::Null).await;
    assert_eq!(member["roles"], json!([role]));
    let list = json_of(&api, BOB, "GET", "/users/@me/guilds", Value::Null).await;
    let permissions: u64 = list[0]["permissions"].as_str().unwrap().parse().unwrap();
    assert_eq!(permissions, 2_248_473_465_835_073 + 8_192);
    done(
        &api,
        ALICE,
        "DELETE",
        &format!("{bob}/roles/{role}"),
        Value::Null,
    )
    .await;

    let one_role = format!("{path}/roles/{role}");
    let renamed = json_of(
        &api,
        ALICE,
        "PATCH",
        &one_role,
        json!({"name": "m", "color": null}),
    )
    .await;
    assert_eq!(
        (&renamed["name"], &renamed["color"]),
        (&json!("m"), &json!(255))
    );
    assert_eq!(
        json_of(&api, BOB, "GET", &one_role, Value::Null).await["name"],
        "m"
    );
    let moved = json!([{"id": role, "position": 1}]);
    let roles = json_of(&api, ALICE, "PATCH", &format!("{path}/roles"), moved).await;
    assert_eq!(roles.as_array().unwrap().len(), 2);
    assert_eq!(
        call(&api, BOB, "DELETE", &one_role, Value::Null)
            .await
            .status,
        403
    );
    done(&api, ALICE, "DELETE", &one_role, Value::Null).await;
    let response = call(&api, BOB, "GET", &one_role, Value::Null).await;
    response.is_error(404, 10_011, "Unknown Role");

    let members = format!("{path}/members");
    let page = json_of(&api, BOB, "GET", &members, Value::Null).await;
    assert_eq!(page.as_array().unwrap().len(), 1);
    let page = format!("{members}?limit=1000&after={ALICE}");
    let page = json_of(&api, BOB, "GET", &page, Value::Null).await;
    assert_eq!(id(&page[0]["user"]), BOB.to_string());
    let page = format!("{members}?limit=1000&after={BOB}");
    assert_eq!(
        json_of(&api, BOB, "GET", &page, Value::Null).await,
        json!([])
    );
    let found = format!("{members}/search?query=user-&limit=10");
    let found = json_of(&api, BOB, "GET", &found, Value::Null).await;
    assert_eq!(found.as_array().unwrap().len(), 2);

    let me = format!("{members}/@me");
    let renamed = json_of(&api, BOB, "PATCH", &me, json!({"nick": "bobby"})).await;
    assert_eq!(renamed["nick"], "bobby");
    let me = format!("/users/@me/guilds/{guild}/member");
    assert_eq!(
        json_of(&api, BOB, "GET", &me, Value::Null).await["nick"],
        "bobby"
    );
    let alice = format!("{members}/{ALICE}");
    assert_eq!(
        call(&api, BOB, "DELETE", &alice, Value::Null).await.status,
        403
    );
    assert!(api.directory.is_member(ALICE, guild.parse().unwrap()));
    done(&api, ALICE, "DELETE", &bob, Value::Null).await;
    assert_eq!(api.directory.guilds_of(BOB), []);
    let response = call(&api, ALICE, "GET", &bob, Value::Null).await;
    response.is_error(404, 10_007, "Unknown Member");
}

#[actix_web::test]
async fn a_direct_channel_is_made_once_for_both() {
    let api = Fixture::live();
    for user in [ALICE, BOB] {
        call(&api, user, "GET", "/users/@me", Value::Null).await;
    }
    let path = "/users/@me/channels";
    let (to_bob, to_alice) = (json!({"recipient_id": BOB}), json!({"recipient_id": ALICE}));
    let (one, other) = tokio::join!(
        call(&api, ALICE, "POST", path, to_bob.clone()),
        call(&api, BOB, "POST", path, to_alice)
    );
    assert_eq!((one.status.as_u16(), other.status.as_u16()), (200, 200));
    let (one, other) = (one.json(), other.json());
    assert_eq!(one["id"], other["id"]);
    assert_eq!((&one["type"], one.get("guild_id")), (&json!(1), None));
    assert_eq!(one["recipients"][0]["id"], BOB.to_string());
    assert_eq!(other["recipients"][0]["id"], ALICE.to_string());
    assert_eq!(
        json_of(&api, ALICE, "POST", path, to_bob).await["id"],
        one["id"]
    );
    let guild = GuildId::new(id(&one).parse().unwrap());
    for user in [ALICE, BOB] {
        assert!(api.notices.0.lock().unwrap().contains(&(user, guild)));
        let list = json_of(&api, user, "GET", path, Value::Null).await;
        assert_eq!(list.as_array().unwrap().len(), 1);
    }
    assert_eq!(
        json_of(&api, ALICE, "GET", "/users/@me/guilds", Value::Null).await,
        json!([])
    );

    let messages = format!("/channels/{}/messages", id(&one));
    json_of(&api, ALICE, "POST", &messages, json!({"content": "psst"})).await;
    let history = json_of(&api, BOB, "GET", &messages, Value::Null).await;
    assert_eq!(history[0]["content"], "psst");
    let stranger = call(&api, UserId::new(77), "GET", &messages, Value::Null).await;
    stranger.is_error(403, 50_001, "Missing Access");
    let as_guild = call(&api, ALICE, "GET", &format!("/guilds/{guild}"), Value::Null).await;
    as_guild.is_error(404, 10_004, "Unknown Guild");
    let closed = format!("/channels/{guild}");
    json_of(&api, ALICE, "DELETE", &closed, Value::Null).await;
    json_of(&api, BOB, "GET", &closed, Value::Null).await;
}
