//! Private channels: who may not view a channel never hears of it.

#![allow(clippy::unwrap_used)] // a panic is how a test fails

use guildhall_tests::rest::text;
use guildhall_tests::{Account, Payload, Session, World};
use serde_json::{Value, json};

/// VIEW_CHANNEL.
const VIEW: &str = "1024";

/// A world with a channel that only the owner sees.
struct Scene {
    world: World,
    secret: String,
}

impl Scene {
    async fn new(members: usize) -> Self {
        let world = World::new(members).await;
        let overwrites = json!([{"id": world.guild, "type": 0, "allow": "0", "deny": VIEW}]);
        let secret = world.channel_with("secret", overwrites).await;
        Self { world, secret }
    }

    /// Lets a member or role view the secret channel, or forbids it.
    async fn overwrite(&self, id: &str, kind: u8, view: bool) {
        let (allow, deny) = if view { (VIEW, "0") } else { ("0", VIEW) };
        let path = format!("/channels/{}/permissions/{id}", self.secret);
        let body = json!({"type": kind, "allow": allow, "deny": deny});
        self.world.owner.rest.put(path, body).await.ok();
    }

    async fn say(&self, content: &str) -> Value {
        self.world.owner.rest.say(&self.secret, content).await
    }

    /// What a session gets up to a message in #general that is sent now.
    async fn so_far(&self, session: &mut Session, marker: &str) -> Vec<Payload> {
        self.world.owner.rest.say(&self.world.channel, marker).await;
        session.until_message(marker).await
    }
}

fn mentions(payloads: &[Payload], id: &str) -> bool {
    payloads
        .iter()
        .any(|payload| payload.d.to_string().contains(id))
}

/// Names of events and contents of messages; who comes online is another story.
fn story(payloads: &[Payload]) -> Vec<String> {
    let payloads = payloads
        .iter()
        .filter(|payload| !payload.is("PRESENCE_UPDATE"));
    let line = |payload: &Payload| match &payload.d["content"] {
        Value::String(content) => content.clone(),
        _ => payload.t.clone().unwrap_or_default(),
    };
    payloads.map(line).collect()
}

#[tokio::test]
async fn nothing_of_a_private_channel_reaches_who_may_not_view_it() {
    let scene = Scene::new(1).await;
    let rest = &scene.world.owner.rest;
    let mut member = scene.world.login(scene.world.member()).await;
    assert!(!mentions(
        &[Payload {
            op: 0,
            s: None,
            t: None,
            d: member.guilds[0].clone()
        }],
        &scene.secret
    ));
    let sent = scene.say("psst").await;
    let message = format!("/channels/{}/messages/{}", scene.secret, text(&sent["id"]));
    rest.patch(&message, json!({"content": "pssst"})).await.ok();
    let reaction = format!("{message}/reactions/%F0%9F%91%8D/@me");
    rest.put(&reaction, Value::Null).await.ok();
    rest.delete(&reaction).await.ok();
    rest.post(format!("/channels/{}/typing", scene.secret), json!({}))
        .await
        .ok();
    let mut doomed = Vec::new();
    for content in ["one", "two"] {
        doomed.push(scene.say(content).await["id"].clone());
    }
    rest.delete(&message).await.ok();
    let bulk = format!("/channels/{}/messages/bulk-delete", scene.secret);
    rest.post(bulk, json!({"messages": doomed})).await.ok();
    rest.patch(
        format!("/channels/{}", scene.secret),
        json!({"topic": "hush"}),
    )
    .await
    .ok();
    rest.delete(format!("/channels/{}", scene.secret))
        .await
        .ok();
    let heard = scene.so_far(&mut member, "over").await;
    assert_eq!(story(&heard), [""; 0]);
}

#[tokio::test]
async fn a_private_channel_is_closed_to_the_rest_api_too() {
    let scene = Scene::new(1).await;
    let sent = scene.say("psst").await;
    let rest = &scene.world.member().rest;
    let channel = format!("/channels/{}", scene.secret);
    let message = format!("{channel}/messages/{}", text(&sent["id"]));
    rest.get(&channel).await.is_error(403, 50_001);
    rest.get(format!("{channel}/messages"))
        .await
        .is_error(403, 50_001);
    rest.get(&message).await.is_error(403, 50_001);
    rest.post(format!("{channel}/messages"), json!({"content": "me too"}))
        .await
        .is_error(403, 50_001);
    rest.post(format!("{channel}/typing"), json!({}))
        .await
        .is_error(403, 50_001);
    rest.put(format!("{message}/reactions/%F0%9F%91%8D/@me"), Value::Null)
        .await
        .is_error(403, 50_001);
    let history = scene.world.owner.rest.history(&scene.secret).await;
    assert_eq!(history.len(), 1);
}

#[tokio::test]
async fn i3_a_member_overwrite_adds_and_removes_a_channel_at_its_position() {
    let scene = Scene::new(1).await;
    let member = scene.world.member().clone();
    let mut session = scene.world.login(&member).await;
    scene.say("before").await;
    scene.overwrite(&member.id, 1, true).await;
    scene.say("while").await;
    scene.overwrite(&member.id, 1, false).await;
    scene.say("after").await;
    scene.overwrite(&member.id, 1, true).await;
    scene.say("again").await;
    let heard = scene.so_far(&mut session, "over").await;
    let mut story = story(&heard);
    // How the channel itself changed is told to who sees it; when it is gained or lost, that is all.
    story.retain(|line| line != "CHANNEL_UPDATE");
    assert_eq!(
        story,
        [
            "CHANNEL_CREATE",
            "while",
            "CHANNEL_DELETE",
            "CHANNEL_CREATE",
            "again"
        ]
    );
    let created = heard
        .iter()
        .find(|payload| payload.is("CHANNEL_CREATE"))
        .unwrap();
    assert_eq!(created.d["id"], json!(scene.secret));
    assert_eq!(created.d["guild_id"], json!(scene.world.guild));
    assert_eq!(created.d["name"], "secret");
    for key in ["type", "position", "permission_overwrites"] {
        assert!(!created.d[key].is_null(), "{key} in {}", created.d);
    }
}

#[tokio::test]
async fn i3_a_role_gained_and_lost_adds_and_removes_a_channel_at_its_position() {
    let scene = Scene::new(2).await;
    let (member, other) = (scene.world.member().clone(), scene.world.members[1].clone());
    let rest = &scene.world.owner.rest;
    let role = rest
        .post(scene.world.guild_path("/roles"), json!({"name": "in"}))
        .await
        .ok();
    let role = text(&role["id"]).to_owned();
    scene.overwrite(&role, 0, true).await;
    let mut session = scene.world.login(&member).await;
    let mut left_out = scene.world.login(&other).await;
    let path = scene
        .world
        .guild_path(&format!("/members/{}/roles/{role}", member.id));
    scene.say("before").await;
    rest.put(&path, Value::Null).await.ok();
    scene.say("while").await;
    rest.delete(&path).await.ok();
    scene.say("after").await;
    let mut heard = story(&scene.so_far(&mut session, "over").await);
    heard.retain(|line| line != "GUILD_MEMBER_UPDATE");
    assert_eq!(heard, ["CHANNEL_CREATE", "while", "CHANNEL_DELETE"]);
    let heard = scene.so_far(&mut left_out, "over and out").await;
    assert!(!mentions(&heard, &scene.secret), "{:?}", story(&heard));
}

#[tokio::test]
async fn a_role_of_the_guild_that_may_no_longer_view_takes_its_channels() {
    let world = World::new(1).await;
    let mut session = world.login(world.member()).await;
    let everyone = world.guild_path(&format!("/roles/{}", world.guild));
    let roles = world.owner.rest.get(world.guild_path("/roles")).await.ok();
    let permissions: u64 = text(&roles[0]["permissions"]).parse().unwrap();
    let set = async |permissions: u64| {
        let body = json!({"permissions": permissions.to_string()});
        world.owner.rest.patch(&everyone, body).await.ok();
    };
    set(permissions & !1_024).await;
    let lost = session.expect_event("CHANNEL_DELETE").await;
    assert_eq!(lost["id"], json!(world.channel));
    world.owner.rest.say(&world.channel, "unheard").await;
    set(permissions).await;
    session.expect_event("CHANNEL_CREATE").await;
    world.owner.rest.say(&world.channel, "heard").await;
    let heard = session.until_message("heard").await;
    assert!(!story(&heard).contains(&"unheard".to_owned()));
}

#[tokio::test]
async fn i3_visibility_changes_at_full_speed_show_each_message_or_not_by_its_position() {
    let scene = Scene::new(1).await;
    let member = scene.world.member().clone();
    let mut session = scene.world.login(&member).await;
    // Posts and changes race; what the member hears has to be explained by one order of both. The
    // member's own view of that order: between CHANNEL_CREATE and CHANNEL_DELETE, and nothing else.
    let poster = async {
        for number in 0..200 {
            scene.say(&format!("secret {number}")).await;
        }
    };
    let setter = async {
        for _ in 0..15 {
            scene.overwrite(&member.id, 1, true).await;
            scene.overwrite(&member.id, 1, false).await;
        }
    };
    tokio::join!(poster, setter);
    let heard = scene.so_far(&mut session, "over").await;
    let history = scene.world.owner.rest.history(&scene.secret).await;
    let order: Vec<&str> = history.iter().map(|message| text(&message["id"])).collect();
    let place = |id: &Value| order.iter().position(|known| *known == text(id)).unwrap();
    let (mut seen, mut last) = (false, None);
    let mut changes = 0;
    for payload in &heard {
        match payload.t.as_deref() {
            Some("CHANNEL_CREATE") => {
                assert!(!seen, "gained twice");
                seen = true;
                changes += 1;
                // A gap is as it should be where it was lost in between, and only there.
                let known = &payload.d["last_message_id"];
                if !known.is_null() {
                    let known = place(known);
                    assert!(last.is_none_or(|last| last <= known), "went back");
                    last = Some(known);
                }
            }
            Some("CHANNEL_DELETE") => {
                assert!(seen, "lost twice");
                seen = false;
            }
            Some("MESSAGE_CREATE") => {
                assert!(seen, "{} while private", payload.d["content"]);
                let at = place(&payload.d["id"]);
                if let Some(last) = last {
                    assert_eq!(at, last + 1, "a gap while visible");
                }
                last = Some(at);
            }
            _ => {}
        }
    }
    assert_eq!(changes, 15);
}

#[tokio::test]
async fn a_channel_made_for_some_is_announced_to_those_only() {
    let world = World::new(2).await;
    let (invited, other): (&Account, &Account) = (&world.members[0], &world.members[1]);
    let mut inside = world.login(invited).await;
    let mut outside = world.login(other).await;
    let overwrites = json!([
        {"id": world.guild, "type": 0, "allow": "0", "deny": VIEW},
        {"id": invited.id, "type": 1, "allow": VIEW, "deny": "0"},
    ]);
    let club = &world.channel_with("club", overwrites).await;
    world.owner.rest.say(club, "welcome").await;
    world.owner.rest.say(&world.channel, "over").await;
    assert_eq!(
        story(&inside.until_message("over").await),
        ["CHANNEL_CREATE", "welcome"]
    );
    assert_eq!(story(&outside.until_message("over").await), [""; 0]);
    // A new login sees the same.
    for (account, channels) in [(invited, 2), (other, 1)] {
        let session = world.login(account).await;
        assert_eq!(
            session.guilds[0]["channels"].as_array().unwrap().len(),
            channels
        );
    }
}
