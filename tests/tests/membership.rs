//! Guilds that are joined, left, made and deleted while sessions are online.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use guildhall_tests::{Gateway, World, eventually};
use serde_json::{Value, json};

#[tokio::test]
async fn who_joins_while_online_gets_guild_create_without_unavailable() {
    let world = World::new(0).await;
    let newcomer = world.outsider().await;
    let mut session = world.login(&newcomer).await;
    assert_eq!(session.guilds.len(), 0);
    let mut owner = world.login(&world.owner).await;
    let path = world.guild_path(&format!("/members/{}", newcomer.id));
    world.owner.rest.put(&path, json!({})).await.has_status(201);
    let guild = session.expect_event("GUILD_CREATE").await;
    assert_eq!(guild["id"], json!(world.guild));
    assert!(guild.get("unavailable").is_none(), "{guild}");
    assert_eq!(guild["member_count"], 2);
    let added = owner.expect_event("GUILD_MEMBER_ADD").await;
    assert_eq!(added["user"]["id"], json!(newcomer.id));
    assert_eq!(added["guild_id"], json!(world.guild));
    for key in ["roles", "joined_at", "deaf", "mute", "flags"] {
        assert!(!added[key].is_null(), "{key} in {added}");
    }
    world.owner.rest.say(&world.channel, "welcome").await;
    session.until_message("welcome").await;
    // Joining again changes nothing.
    world.owner.rest.put(&path, json!({})).await.has_status(204);
}

#[tokio::test]
async fn every_session_of_who_joins_gets_the_guild() {
    let world = World::new(0).await;
    let newcomer = world.outsider().await;
    let mut sessions = Vec::new();
    // Several, so that both workers have some.
    for _ in 0..4 {
        sessions.push(world.login(&newcomer).await);
    }
    let path = world.guild_path(&format!("/members/{}", newcomer.id));
    world.owner.rest.put(&path, json!({})).await.ok();
    for session in &mut sessions {
        let guild = session.expect_event("GUILD_CREATE").await;
        assert!(guild.get("unavailable").is_none());
    }
    world.owner.rest.say(&world.channel, "to all of you").await;
    for session in &mut sessions {
        let before = session.until_message("to all of you").await;
        let creates = before.iter().filter(|payload| payload.is("GUILD_CREATE"));
        assert_eq!(creates.count(), 0, "once each");
    }
}

#[tokio::test]
async fn who_is_removed_gets_guild_delete_and_nothing_after_it() {
    let world = World::new(1).await;
    let member = world.member();
    let mut session = world.login(member).await;
    let mut owner = world.login(&world.owner).await;
    let path = world.guild_path(&format!("/members/{}", member.id));
    world.owner.rest.delete(&path).await.has_status(204);
    let gone = session.expect_event("GUILD_DELETE").await;
    assert_eq!(
        gone,
        json!({"id": world.guild}),
        "no `unavailable`: it will not come back"
    );
    let removed = owner.expect_event("GUILD_MEMBER_REMOVE").await;
    assert_eq!(removed["guild_id"], json!(world.guild));
    assert_eq!(removed["user"]["id"], json!(member.id));
    assert_eq!(removed["user"]["username"], json!(member.name));
    world
        .owner
        .rest
        .say(&world.channel, "among ourselves")
        .await;
    owner.until_message("among ourselves").await;
    assert_eq!(session.heartbeat().await, [], "nothing after GUILD_DELETE");
    member
        .rest
        .get(world.guild_path(""))
        .await
        .is_error(404, 10_004);
    member
        .rest
        .get(world.messages())
        .await
        .is_error(403, 50_001);
    // A new login does not see it either; who comes back does.
    assert_eq!(world.login(member).await.guilds.len(), 0);
    world.owner.rest.put(&path, json!({})).await.has_status(201);
    session.expect_event("GUILD_CREATE").await;
}

#[tokio::test]
async fn who_leaves_gets_guild_delete() {
    let world = World::new(1).await;
    let mut session = world.login(world.member()).await;
    let mut owner = world.login(&world.owner).await;
    let path = format!("/users/@me/guilds/{}", world.guild);
    world.member().rest.delete(path).await.has_status(204);
    session.expect_event("GUILD_DELETE").await;
    owner.expect_event("GUILD_MEMBER_REMOVE").await;
    let guilds = world.member().rest.get("/users/@me/guilds").await.ok();
    assert_eq!(guilds, json!([]));
}

#[tokio::test]
async fn a_guild_made_while_online_comes_and_one_deleted_goes() {
    let world = World::new(1).await;
    let mut owner = world.login(&world.owner).await;
    let made = world
        .owner
        .rest
        .post("/guilds", json!({"name": "Second"}))
        .await;
    let made = made.has_status(201).json();
    let guild = owner.expect_event("GUILD_CREATE").await;
    assert_eq!(
        (&guild["id"], &guild["name"]),
        (&made["id"], &json!("Second"))
    );
    assert!(guild.get("unavailable").is_none());

    let mut member = world.login(world.member()).await;
    let path = world.guild_path("");
    world.member().rest.delete(&path).await.has_status(403);
    world.owner.rest.delete(&path).await.has_status(204);
    for session in [&mut owner, &mut member] {
        let gone = session.expect_event("GUILD_DELETE").await;
        assert_eq!(gone, json!({"id": world.guild}));
    }
    world.owner.rest.get(&path).await.is_error(404, 10_004);
    world
        .owner
        .rest
        .get(world.messages())
        .await
        .is_error(404, 10_003);
    assert_eq!(world.login(&world.owner).await.guilds.len(), 1);
}

#[tokio::test]
async fn the_operator_s_guilds_come_and_go_too() {
    let world = World::new(0).await;
    let someone = world.outsider().await;
    let mut session = world.login(&someone).await;
    let guild = world.admin.guild(&[&someone], &["here", "there"]).await;
    let created = session.expect_event("GUILD_CREATE").await;
    assert_eq!(created["id"], json!(guild.id));
    assert_eq!(created["channels"].as_array().unwrap().len(), 2);
    let path = format!("/admin/v1/guilds/{}", guild.id);
    world.admin.rest.delete(&path).await.has_status(204);
    session.expect_event("GUILD_DELETE").await;
    world.admin.rest.delete(&path).await.has_status(404);
}

#[tokio::test]
async fn changes_of_guild_channels_and_roles_are_told() {
    let world = World::new(1).await;
    let rest = &world.owner.rest;
    let mut session = world.login(world.member()).await;
    rest.patch(world.guild_path(""), json!({"name": "Renamed"}))
        .await
        .ok();
    assert_eq!(
        session.expect_event("GUILD_UPDATE").await["name"],
        "Renamed"
    );

    let made = rest
        .post(world.guild_path("/channels"), json!({"name": "new"}))
        .await;
    let made = made.has_status(201).json();
    let path = format!("/channels/{}", made["id"].as_str().unwrap());
    let created = session.expect_event("CHANNEL_CREATE").await;
    assert_eq!(
        (&created["id"], &created["guild_id"]),
        (&made["id"], &json!(world.guild))
    );
    rest.patch(&path, json!({"topic": "about"})).await.ok();
    assert_eq!(
        session.expect_event("CHANNEL_UPDATE").await["topic"],
        "about"
    );
    rest.delete(&path).await.has_status(200);
    let deleted = session.expect_event("CHANNEL_DELETE").await;
    for key in [
        "id",
        "guild_id",
        "type",
        "name",
        "position",
        "permission_overwrites",
    ] {
        assert!(!deleted[key].is_null(), "{key} in {deleted}");
    }

    let role = rest
        .post(world.guild_path("/roles"), json!({"name": "role"}))
        .await
        .ok();
    assert_eq!(
        session.expect_event("GUILD_ROLE_CREATE").await["role"]["id"],
        role["id"]
    );
    let path = world.guild_path(&format!("/roles/{}", role["id"].as_str().unwrap()));
    rest.patch(&path, json!({"name": "rule"})).await.ok();
    let updated = session.expect_event("GUILD_ROLE_UPDATE").await;
    assert_eq!(updated["role"]["name"], "rule");
    rest.delete(&path).await.has_status(204);
    let deleted = session.expect_event("GUILD_ROLE_DELETE").await;
    assert_eq!(
        deleted,
        json!({"guild_id": world.guild, "role_id": role["id"]})
    );

    let path = world.guild_path(&format!("/members/{}", world.member().id));
    rest.patch(path, json!({"nick": "Nick"})).await.ok();
    let updated = session.expect_event("GUILD_MEMBER_UPDATE").await;
    assert_eq!(
        (&updated["nick"], &updated["guild_id"]),
        (&json!("Nick"), &json!(world.guild))
    );
    for key in ["user", "roles", "joined_at"] {
        assert!(!updated[key].is_null(), "{key} in {updated}");
    }
}

#[tokio::test]
async fn who_may_not_manage_is_refused_and_nothing_changes() {
    let world = World::new(2).await;
    let rest = &world.member().rest;
    let other = world.guild_path(&format!("/members/{}", world.members[1].id));
    let channel = format!("/channels/{}", world.channel);
    rest.patch(world.guild_path(""), json!({"name": "Mine"}))
        .await
        .is_error(403, 50_013);
    rest.post(world.guild_path("/channels"), json!({"name": "mine"}))
        .await
        .is_error(403, 50_013);
    rest.patch(&channel, json!({"name": "mine"}))
        .await
        .is_error(403, 50_013);
    rest.delete(&channel).await.is_error(403, 50_013);
    rest.post(world.guild_path("/roles"), json!({"name": "mine"}))
        .await
        .is_error(403, 50_013);
    rest.delete(&other).await.is_error(403, 50_013);
    let overwrite = json!({"type": 0, "allow": "0", "deny": "1024"});
    rest.put(format!("{channel}/permissions/{}", world.guild), overwrite)
        .await
        .is_error(403, 50_013);
    let guild = world.owner.rest.get(world.guild_path("")).await.ok();
    assert_eq!(guild["name"], "Test guild");
    assert_eq!(guild["roles"].as_array().unwrap().len(), 1);
    let channels = world
        .owner
        .rest
        .get(world.guild_path("/channels"))
        .await
        .ok();
    assert_eq!(channels.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_session_whose_client_is_away_stays_online_for_the_resume_window_only() {
    let setup = guildhall_tests::Setup::new().set("gateway.resume_window_s=0");
    let world = World::with(setup, 1).await;
    let mut watcher = world.login(&world.owner).await;
    let session = world.login(world.member()).await;
    let is_member = |presence: &Value| presence["user"]["id"] == json!(world.member().id);
    let online = watcher
        .expect_event_where("PRESENCE_UPDATE", is_member)
        .await;
    assert_eq!(online["status"], "online");
    let cut = session.cut();
    let offline = watcher
        .expect_event_where("PRESENCE_UPDATE", is_member)
        .await;
    assert_eq!(offline["status"], "offline");
    cut.is_refused(&world.server).await;
    eventually("a session that has expired", || async {
        let path = format!("/admin/v1/sessions/{}", cut.id);
        (world.admin.rest.get(path).await.status == 404).then_some(())
    })
    .await;
    Gateway::connect(&world.server).await;
}
