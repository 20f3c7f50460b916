//! Op 8: GUILD_MEMBERS_CHUNK.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use guildhall_tests::rest::text;
use guildhall_tests::{Session, World};
use serde_json::{Value, json};

/// Asks and gives the one chunk of the answer.
async fn ask(session: &mut Session, guild: &str, extra: Value) -> Value {
    let mut data = json!({"guild_id": guild});
    for (key, value) in extra.as_object().unwrap() {
        data[key] = value.clone();
    }
    session.send(json!({"op": 8, "d": data})).await;
    session.expect_event("GUILD_MEMBERS_CHUNK").await
}

fn names(chunk: &Value) -> Vec<&str> {
    let members = chunk["members"].as_array().unwrap();
    let mut names: Vec<&str> = members
        .iter()
        .map(|member| text(&member["user"]["username"]))
        .collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn by_query_limit_and_user_ids() {
    let world = World::new(11).await;
    let mut session = world.login(&world.owner).await;
    let guild = world.guild.clone();
    let all = ask(&mut session, &guild, json!({"query": "", "limit": 0})).await;
    assert_eq!(names(&all).len(), 12);
    assert!(all.get("presences").is_none(), "not asked for");
    // user-1, user-10, user-11, user-12, whatever the case.
    for query in ["user-1", "USER-1"] {
        let some = ask(&mut session, &guild, json!({"query": query, "limit": 100})).await;
        assert_eq!(names(&some), ["user-1", "user-10", "user-11", "user-12"]);
    }
    let limited = ask(&mut session, &guild, json!({"query": "user", "limit": 5})).await;
    assert_eq!(names(&limited).len(), 5);
    let none = ask(&mut session, &guild, json!({"query": "nobody", "limit": 5})).await;
    assert_eq!(names(&none), [""; 0]);
    assert_eq!(
        (&none["chunk_index"], &none["chunk_count"]),
        (&json!(0), &json!(1))
    );

    let member = world.member();
    let by_id = json!({"user_ids": [member.id, "12345678901234567"], "nonce": "ids"});
    let found = ask(&mut session, &guild, by_id).await;
    assert_eq!(names(&found), [member.name.as_str()]);
    assert_eq!(found["not_found"], json!(["12345678901234567"]));
    assert_eq!(found["nonce"], "ids");
    let one = ask(&mut session, &guild, json!({"user_ids": member.id})).await;
    assert_eq!(names(&one), [member.name.as_str()]);
}

#[tokio::test]
async fn presences_come_where_they_are_asked_for() {
    let world = World::new(1).await;
    let mut session = world.login(&world.owner).await;
    let asked = json!({"query": "", "limit": 0, "presences": true});
    let chunk = ask(&mut session, &world.guild, asked).await;
    let presences = chunk["presences"].as_array().unwrap();
    let own = |presence: &&Value| presence["user"]["id"] == json!(world.owner.id);
    assert_eq!(presences.iter().find(own).unwrap()["status"], "online");
}

#[tokio::test]
async fn large_guilds_come_in_chunks_of_a_thousand() {
    let world = World::new(0).await;
    let mut accounts = world.admin.users(&world.server, 2_500, "many").await;
    accounts.push(world.owner.clone());
    let members: Vec<_> = accounts.iter().rev().collect();
    let guild = world.admin.guild(&members, &["general"]).await;
    let mut session = world.login(&world.owner).await;
    let data = json!({"guild_id": guild.id, "query": "", "limit": 0, "nonce": "chunks"});
    session.send(json!({"op": 8, "d": data})).await;
    let mut ids = Vec::new();
    for index in 0..3 {
        let chunk = session.expect_event("GUILD_MEMBERS_CHUNK").await;
        assert_eq!(chunk["chunk_index"], index);
        assert_eq!(chunk["chunk_count"], 3);
        assert_eq!(chunk["nonce"], "chunks");
        let members = chunk["members"].as_array().unwrap();
        assert!(members.len() <= 1_000);
        ids.extend(members.iter().map(|it| text(&it["user"]["id"]).to_owned()));
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 2_501);
}

#[tokio::test]
async fn a_guild_that_one_is_not_in_is_not_answered() {
    let world = World::new(0).await;
    let (_, other) = world.other_guild().await;
    let mut session = world.login(&world.owner).await;
    for guild in [&other.id, "12345678901234567"] {
        let data = json!({"guild_id": guild, "query": "", "limit": 0, "nonce": "not mine"});
        session.send(json!({"op": 8, "d": data})).await;
    }
    let own = ask(
        &mut session,
        &world.guild,
        json!({"query": "", "limit": 0, "nonce": "mine"}),
    );
    assert_eq!(own.await["nonce"], "mine", "and nothing came before it");
}
