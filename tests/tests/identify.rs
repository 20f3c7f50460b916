//! Identify, READY, GUILD_CREATE.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use guildhall_tests::rest::text;
use guildhall_tests::{ALL_INTENTS, Gateway, Session, World};
use serde_json::{Value, json};

const GUILDS: u64 = 1;
const GUILD_MEMBERS: u64 = 1 << 1;
const GUILD_PRESENCES: u64 = 1 << 8;
const GUILD_MESSAGES: u64 = 1 << 9;
const GUILD_MESSAGE_REACTIONS: u64 = 1 << 10;
const GUILD_MESSAGE_TYPING: u64 = 1 << 11;

/// Panics where a key is missing; `?` at its end allows null.
fn has_keys(value: &Value, keys: &str) {
    for key in keys.split_whitespace() {
        let (key, may_be_null) = key
            .strip_suffix('?')
            .map_or((key, false), |key| (key, true));
        let field = value
            .get(key)
            .unwrap_or_else(|| panic!("no {key} in {value}"));
        assert!(may_be_null || !field.is_null(), "{key} is null in {value}");
    }
}

/// The close code that this Identify is answered with.
async fn refused(world: &World, data: Value) -> u16 {
    let mut gateway = Gateway::connect(&world.server).await;
    gateway.send(json!({"op": 2, "d": data})).await;
    gateway.expect_close().await
}

#[tokio::test]
async fn ready_has_every_key_that_a_library_needs() {
    let world = World::new(0).await;
    let bot = world.admin.bot(&world.server, "bot").await;
    let session = world.login(&bot).await;
    let ready = &session.ready;
    has_keys(
        ready,
        "v user guilds session_id resume_gateway_url shard application private_channels",
    );
    has_keys(
        &ready["user"],
        "id username discriminator avatar? bot flags mfa_enabled",
    );
    has_keys(&ready["application"], "id flags");
    assert_eq!(ready["v"], 10);
    assert_eq!(ready["user"]["bot"], true);
    assert_eq!(ready["application"]["id"], ready["user"]["id"]);
    assert_eq!(ready["shard"], json!([0, 1]));
    assert_eq!(ready["private_channels"], json!([]));
    assert!(text(&ready["session_id"]).len() >= 16);
}

#[tokio::test]
async fn guild_create_has_every_key_that_a_library_needs() {
    let world = World::new(2).await;
    let voice = json!({"name": "voice", "type": 2});
    world
        .owner
        .rest
        .post(world.guild_path("/channels"), voice)
        .await
        .ok();
    let session = world.login(&world.owner).await;
    let guild = &session.guilds[0];
    has_keys(
        guild,
        "id name icon? splash? owner_id afk_channel_id? afk_timeout verification_level \
         default_message_notifications explicit_content_filter roles emojis features mfa_level \
         application_id? system_channel_id? system_channel_flags rules_channel_id? \
         vanity_url_code? description? banner? premium_tier preferred_locale \
         public_updates_channel_id? nsfw_level stickers premium_progress_bar_enabled joined_at \
         large unavailable member_count voice_states members channels threads presences \
         stage_instances guild_scheduled_events",
    );
    assert_eq!(guild["unavailable"], false);
    assert_eq!(guild["member_count"], 3);
    for role in guild["roles"].as_array().unwrap() {
        has_keys(
            role,
            "id name color colors hoist position permissions managed mentionable flags",
        );
        has_keys(
            &role["colors"],
            "primary_color secondary_color? tertiary_color?",
        );
    }
    let members = guild["members"].as_array().unwrap();
    assert_eq!(members.len(), 3);
    for member in members {
        has_keys(member, "user roles joined_at deaf mute flags");
        has_keys(&member["user"], "id username discriminator avatar?");
    }
    let channels = guild["channels"].as_array().unwrap();
    assert_eq!(channels.len(), 2);
    for channel in channels {
        has_keys(channel, "id type position permission_overwrites name");
        assert!(channel.get("guild_id").is_none(), "{channel}");
        if channel["type"] == 2 {
            has_keys(channel, "bitrate user_limit");
        } else {
            has_keys(channel, "topic?");
        }
    }
}

#[tokio::test]
async fn guild_create_shows_who_is_online() {
    let world = World::new(2).await;
    let _online = world.login(world.member()).await;
    let session = world.login(&world.owner).await;
    let presences = session.guilds[0]["presences"].as_array().unwrap();
    let of = |id: &str| presences.iter().find(|it| it["user"]["id"] == id);
    let presence = of(&world.member().id).expect("the member is online");
    has_keys(presence, "user status activities client_status");
    assert_eq!(presence["status"], "online");
    assert!(
        of(&world.members[1].id).is_none(),
        "who is offline is left out"
    );
}

#[tokio::test]
async fn shards_divide_the_guilds_by_their_ids() {
    let world = World::new(0).await;
    let bot = world.admin.bot(&world.server, "bot").await;
    let mut mine = Vec::new();
    for _ in 0..12 {
        mine.push(world.admin.guild(&[&bot], &["general"]).await.id);
    }
    mine.sort_unstable();
    for shards in [1, 2, 3] {
        let mut seen = Vec::new();
        for shard in 0..shards {
            let extra = json!({"shard": [shard, shards]});
            let session = Session::login_as(&world.server, &bot.token, extra).await;
            assert_eq!(session.ready["shard"], json!([shard, shards]));
            for guild in &session.guilds {
                let id: u64 = text(&guild["id"]).parse().unwrap();
                assert_eq!((id >> 22) % shards, shard);
                seen.push(text(&guild["id"]).to_owned());
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, mine, "{shards} shards");
    }
}

#[tokio::test]
async fn a_shard_gets_the_events_of_its_own_guilds_only() {
    let world = World::new(0).await;
    let bot = world.admin.bot(&world.server, "bot").await;
    let mut channels = [None, None];
    while channels.iter().any(Option::is_none) {
        let guild = world.admin.guild(&[&bot], &["general"]).await;
        let shard = (guild.id.parse::<u64>().unwrap() >> 22) % 2;
        channels[shard as usize] = Some(guild.channels[0].clone());
    }
    let [Some(even), Some(odd)] = channels else {
        unreachable!("both are there")
    };
    let extra = |shard: u8| json!({"shard": [shard, 2]});
    let mut first = Session::login_as(&world.server, &bot.token, extra(0)).await;
    let mut second = Session::login_as(&world.server, &bot.token, extra(1)).await;
    bot.rest.say(&even, "to shard 0").await;
    bot.rest.say(&odd, "to shard 1").await;
    bot.rest.say(&even, "end of 0").await;
    bot.rest.say(&odd, "end of 1").await;
    let contents = |payloads: &[guildhall_tests::Payload]| -> Vec<String> {
        let messages = payloads
            .iter()
            .filter(|payload| payload.is("MESSAGE_CREATE"));
        messages
            .map(|payload| text(&payload.d["content"]).to_owned())
            .collect()
    };
    assert_eq!(
        contents(&first.until_message("end of 0").await),
        ["to shard 0"]
    );
    assert_eq!(
        contents(&second.until_message("end of 1").await),
        ["to shard 1"]
    );
}

#[tokio::test]
async fn impossible_shards_are_closed_with_4010() {
    let world = World::new(0).await;
    for shard in [
        json!([1, 1]),
        json!([5, 2]),
        json!([0, 0]),
        json!([0]),
        json!("0/1"),
    ] {
        let data = json!({"token": world.owner.token, "intents": 1, "shard": shard});
        assert_eq!(refused(&world, data).await, 4010, "{shard}");
    }
}

#[tokio::test]
async fn bad_tokens_are_closed_with_4004() {
    let world = World::new(0).await;
    let good = &world.owner.token;
    let mut parts: Vec<&str> = good.split('.').collect();
    let someone = "MTU3MzY1NjMzMTQ4OTkwNjY5MA";
    parts[0] = someone;
    let (forged, cut) = (parts.join("."), &good[..good.len() - 1]);
    for token in [
        "",
        "x",
        "a.b.c",
        "Bot ",
        &forged,
        cut,
        &format!("{good}A"),
        "ÿ.ÿ.ÿ",
    ] {
        let data = json!({"token": token, "intents": 1});
        assert_eq!(refused(&world, data).await, 4004, "{token}");
    }
    let mut gateway = Gateway::connect(&world.server).await;
    gateway.resume("a.b.c", "x", 1).await;
    assert_eq!(gateway.expect_close().await, 4004, "of a Resume");
}

#[tokio::test]
async fn a_second_identify_is_closed_with_4005() {
    let world = World::new(0).await;
    let mut session = world.login(&world.owner).await;
    let token = session.token.clone();
    session.identify(&token, ALL_INTENTS).await;
    assert_eq!(session.expect_close().await, 4005);
}

#[tokio::test]
async fn payloads_that_need_a_session_are_closed_with_4003_before_identify() {
    let world = World::new(0).await;
    for payload in [
        json!({"op": 3, "d": {"since": null, "activities": [], "status": "idle", "afk": false}}),
        json!({"op": 8, "d": {"guild_id": world.guild, "query": "", "limit": 0}}),
    ] {
        let mut gateway = Gateway::connect(&world.server).await;
        gateway.send(payload).await;
        assert_eq!(gateway.expect_close().await, 4003);
    }
}

#[tokio::test]
async fn an_unknown_version_is_closed_with_4012() {
    let world = World::new(0).await;
    for version in ["5", "11", "x"] {
        let path = format!("/gateway?v={version}&encoding=json");
        let mut gateway = Gateway::open(&world.server, &path).await;
        assert_eq!(gateway.expect_close().await, 4012, "{version}");
    }
}

#[tokio::test]
async fn intents_that_are_no_number_are_closed_with_4013_and_unknown_bits_are_not() {
    let world = World::new(0).await;
    for intents in [json!("all"), json!([1]), json!(-1), json!(1.5)] {
        let data = json!({"token": world.owner.token, "intents": intents});
        assert_eq!(refused(&world, data).await, 4013, "{intents}");
    }
    for intents in [53_608_447, 3_276_799, u64::from(u32::MAX), (1 << 52) - 1] {
        let mut session = Session::login_with(&world.server, &world.owner.token, intents).await;
        world.owner.rest.say(&world.channel, "still here").await;
        session.until_message("still here").await;
    }
}

#[tokio::test]
async fn a_session_gets_the_events_of_its_intents_only() {
    let world = World::new(1).await;
    let rest = &world.owner.rest;
    let cases: [(u64, &[&str]); 7] = [
        (0, &[]),
        (
            GUILDS,
            &["CHANNEL_CREATE", "CHANNEL_UPDATE", "CHANNEL_DELETE"],
        ),
        (GUILD_MEMBERS, &["GUILD_MEMBER_UPDATE"]),
        (GUILD_PRESENCES, &["PRESENCE_UPDATE"]),
        (
            GUILD_MESSAGES,
            &["MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE"],
        ),
        (
            GUILD_MESSAGE_REACTIONS,
            &["MESSAGE_REACTION_ADD", "MESSAGE_REACTION_REMOVE"],
        ),
        (GUILD_MESSAGE_TYPING, &["TYPING_START"]),
    ];
    let mut sessions = Vec::new();
    for (intents, _) in cases {
        let mut gateway = Gateway::connect(&world.server).await;
        gateway.identify(&world.owner.token, intents).await;
        gateway.expect_event("READY").await;
        sessions.push(gateway);
    }
    // Without GUILDS there is no GUILD_CREATE to wait for; op 8 is answered behind it.
    for session in &mut sessions {
        let data = json!({"guild_id": world.guild, "query": "", "limit": 1});
        session.send(json!({"op": 8, "d": data})).await;
        session.expect_event("GUILD_MEMBERS_CHUNK").await;
    }

    let member = world.login(world.member()).await;
    let made = rest
        .post(world.guild_path("/channels"), json!({"name": "new"}))
        .await
        .ok();
    let new = format!("/channels/{}", text(&made["id"]));
    rest.patch(&new, json!({"topic": "t"})).await.ok();
    let path = world.guild_path(&format!("/members/{}", world.member().id));
    rest.patch(path, json!({"nick": "nick"})).await.ok();
    let sent = rest.say(&world.channel, "x").await;
    let message = format!("{}/{}", world.messages(), text(&sent["id"]));
    rest.patch(&message, json!({"content": "y"})).await.ok();
    let reaction = format!("{message}/reactions/%F0%9F%91%8D/@me");
    rest.put(&reaction, Value::Null).await.ok();
    rest.delete(&reaction).await.ok();
    rest.post(format!("/channels/{}/typing", world.channel), json!({}))
        .await
        .ok();
    rest.delete(&message).await.ok();
    rest.delete(&new).await.ok();
    drop(member);

    for (session, (intents, wanted)) in sessions.iter_mut().zip(cases) {
        let data = json!({"guild_id": world.guild, "query": "", "limit": 1, "nonce": "end"});
        session.send(json!({"op": 8, "d": data})).await;
        let mut got: Vec<String> = Vec::new();
        loop {
            let payload = session.next().await;
            if payload.is("GUILD_MEMBERS_CHUNK") {
                break;
            }
            got.extend(payload.t);
        }
        got.dedup();
        assert_eq!(got, wanted, "intents {intents:#b}");
    }
}

#[tokio::test]
async fn large_threshold_leaves_the_members_out_of_large_guilds() {
    let world = World::new(59).await;
    for (threshold, listed) in [(50, false), (60, true), (250, true)] {
        let extra = json!({"large_threshold": threshold});
        let session = Session::login_as(&world.server, &world.owner.token, extra).await;
        let guild = &session.guilds[0];
        assert_eq!(guild["member_count"], 60);
        let members = guild["members"].as_array().unwrap();
        assert_eq!(members.len() == 60, listed, "threshold {threshold}");
        let own = |member: &Value| member["user"]["id"] == json!(world.owner.id);
        assert!(members.iter().any(own), "one's own member is always there");
    }
}

#[tokio::test]
async fn a_presence_may_come_with_identify_in_any_shape() {
    let world = World::new(0).await;
    let shapes = [
        json!(null),
        json!({"game": null, "status": "online", "since": 0, "afk": false}),
        json!({"since": {"secs_since_epoch": 1, "nanos_since_epoch": 2}, "activities": [], "status": "dnd"}),
        json!({"activities": null, "status": "offline"}),
        json!("busy"),
    ];
    for presence in shapes {
        let extra = json!({"presence": presence, "compress": false, "capabilities": 0});
        Session::login_as(&world.server, &world.owner.token, extra).await;
    }
}
