use serde_json::{Value, json};

use super::world::*;
use crate::fanout::frame::Compose;
use crate::fanout::guild_create::GuildCreate;
use crate::fanout::{Attachment, Item};
use crate::guild::command::{ChannelEdit, Command, MemberQuery, NewMember, Reply};
use crate::guild::core::HubId;
use crate::protocol::objects::{Presence, Status};
use crate::protocol::{ApiError, Intents};

const ALL: Intents = Intents::GUILD_PRESENCES.union(Intents::GUILD_MEMBERS);

fn head_of(attachment: &Attachment) -> Value {
    let text = format!(
        "{{{}}}",
        std::str::from_utf8(&attachment.view.head).unwrap()
    );
    serde_json::from_str(&text).expect("the head is the inside of an object")
}

#[test]
fn i3_an_attachment_names_the_position_that_it_shows() {
    let mut world = World::new();
    let first = world.attach(&session(ALICE, 1, Intents::NONE)).unwrap();
    assert_eq!(first.view.position, world.core.position());
    let again = world.attach(&session(BOB, 2, Intents::NONE)).unwrap();
    assert!(std::sync::Arc::ptr_eq(&first.view, &again.view));
    world.send(ALICE, "x");
    let later = world.attach(&session(BOB, 3, Intents::NONE)).unwrap();
    assert_eq!(later.view.position, first.view.position + 1);
    assert_eq!(later.view.head.as_ptr(), first.view.head.as_ptr());
}

#[test]
fn the_head_has_every_key_that_some_client_insists_on() {
    let mut world = World::new();
    let attachment = world.attach(&session(ALICE, 1, Intents::NONE)).unwrap();
    let head = head_of(&attachment);
    assert!(attachment.view.head.starts_with(b"\"id\":\"1000\","));
    for key in [
        "id",
        "name",
        "icon",
        "splash",
        "owner_id",
        "afk_channel_id",
        "afk_timeout",
        "verification_level",
        "default_message_notifications",
        "explicit_content_filter",
        "roles",
        "emojis",
        "features",
        "mfa_level",
        "application_id",
        "system_channel_id",
        "system_channel_flags",
        "rules_channel_id",
        "vanity_url_code",
        "description",
        "banner",
        "premium_tier",
        "preferred_locale",
        "public_updates_channel_id",
        "nsfw_level",
        "stickers",
        "premium_progress_bar_enabled",
        "member_count",
        "voice_states",
        "threads",
        "stage_instances",
        "guild_scheduled_events",
    ] {
        assert!(head.get(key).is_some(), "{key}");
    }
    for key in [
        "joined_at",
        "large",
        "unavailable",
        "members",
        "channels",
        "presences",
    ] {
        assert!(head.get(key).is_none(), "{key}");
    }
    assert_eq!(head["member_count"], 4);
    assert_eq!(head["roles"][0]["id"], "1000");
    assert_eq!(attachment.member.user.id, ALICE);
    let bodies: Vec<Value> = attachment
        .view
        .table
        .channels
        .iter()
        .map(|channel| serde_json::from_slice(&channel.body).unwrap())
        .collect();
    assert_eq!(bodies[0]["name"], "general");
    assert!(bodies[0].get("guild_id").is_none());
}

#[test]
fn a_guild_create_put_together_from_it_is_whole() {
    let mut world = World::new();
    let mut asked = session(ALICE, 1, ALL);
    for (threshold, large, members) in [(50, false, 4), (3, true, 1)] {
        asked.large_threshold = threshold;
        let attachment = world.attach(&asked).unwrap();
        let visible = attachment.view.table.visible_to(ALICE, &[]);
        let mut body = Vec::new();
        let create = GuildCreate::new(&attachment, &visible, false);
        create.compose(&mut body);
        assert!((body.len()..body.len() + 1_024).contains(&create.estimate()));
        let data = &payload(&body.into())["d"];
        assert_eq!(data["large"], large);
        assert_eq!(data["members"].as_array().unwrap().len(), members);
        assert_eq!(
            data["presences"].as_array().unwrap().len(),
            usize::from(!large)
        );
        assert_eq!(data["channels"].as_array().unwrap().len(), 2);
        assert_eq!(data["unavailable"], false);
        assert_eq!(data["joined_at"], "2018-03-03T09:46:40.000000+00:00");
        assert_eq!(data["member_count"], 4);
    }
}

#[test]
fn the_view_follows_every_change() {
    let mut world = World::new();
    let attach = |world: &mut World| world.attach(&session(ALICE, 1, ALL)).unwrap();
    attach(&mut world);
    let new = NewMember {
        user: user(EVE),
        nick: None,
        roles: vec![],
    };
    world.operate(Command::AddMember(Box::new(new)));
    let joined = attach(&mut world);
    assert_eq!(head_of(&joined)["member_count"], 5);
    let members: Value = serde_json::from_slice(&joined.members.unwrap()).unwrap();
    assert_eq!(members.as_array().unwrap().len(), 5);
    world.operate(Command::RemoveMember(EVE));
    assert_eq!(head_of(&attach(&mut world))["member_count"], 4);
    let edit = ChannelEdit {
        name: Some("renamed".to_owned()),
        ..ChannelEdit::default()
    };
    world.operate(Command::EditChannel(GENERAL, Box::new(edit)));
    let body = attach(&mut world).view.table.channels[0].body.clone();
    assert!(body.windows(9).any(|window| window == b"\"renamed\""));
}

#[test]
fn last_message_ids_are_fresh_enough() {
    let mut world = World::new();
    let shown = |world: &mut World| -> Value {
        let view = world
            .attach(&session(ALICE, 1, Intents::NONE))
            .unwrap()
            .view;
        let body: Value = serde_json::from_slice(&view.table.channels[0].body).unwrap();
        body["last_message_id"].clone()
    };
    assert_eq!(shown(&mut world), Value::Null);
    let id = world.send(ALICE, "x");
    assert_eq!(shown(&mut world), json!(id.to_string()));
    world.now_ms += 1;
    world.send(ALICE, "y");
    // The table is shared for a while.
    assert_eq!(shown(&mut world), json!(id.to_string()));
    world.now_ms += 5_000;
    assert_ne!(shown(&mut world), json!(id.to_string()));
}

#[test]
fn members_and_presences_are_shown_to_who_asked_and_in_small_guilds() {
    let mut world = World::new();
    let none = world.attach(&session(ALICE, 1, Intents::NONE)).unwrap();
    assert!(none.members.is_none() && none.presences.is_none() && !none.large);
    let members = world.attach(&session(ALICE, 2, Intents::GUILD_MEMBERS));
    let members = members.unwrap();
    assert!(members.members.is_some() && members.presences.is_none());
    let both = world
        .attach(&session(BOB, 3, Intents::GUILD_PRESENCES))
        .unwrap();
    assert!(both.members.is_some());
    let presences: Value = serde_json::from_slice(&both.presences.unwrap()).unwrap();
    let mut ids: Vec<_> = presences
        .as_array()
        .unwrap()
        .iter()
        .map(|presence| presence["user"]["id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, ["2", "3"]);
    assert!(presences[0].get("guild_id").is_none());
    let mut large = session(BOB, 4, ALL);
    large.large_threshold = 3;
    let large = world.attach(&large).unwrap();
    assert!(large.large && large.members.is_none() && large.presences.is_none());
}

#[test]
fn only_members_attach() {
    let mut world = World::new();
    assert_eq!(
        world.attach(&session(EVE, 1, ALL)).unwrap_err(),
        ApiError::UNKNOWN_MEMBER
    );
    let mut empty = World::empty();
    assert_eq!(
        empty.attach(&session(EVE, 1, ALL)).unwrap_err(),
        ApiError::UNKNOWN_GUILD
    );
    world.operate(Command::DeleteGuild);
    assert_eq!(
        world.attach(&session(ALICE, 1, ALL)).unwrap_err(),
        ApiError::UNKNOWN_GUILD
    );
    assert_eq!(world.core.figures().sessions, 0);
}

#[test]
fn presence_is_told_when_it_changes_and_somebody_wants_it() {
    let mut world = World::new();
    let at = world.moment();
    let is = |status| Presence {
        status,
        activities: vec![],
    };
    world.attach(&session(ALICE, 1, Intents::NONE)).unwrap();
    assert_eq!(world.events(), [""; 0], "nobody wants presences");
    world
        .attach(&session(BOB, 2, Intents::GUILD_PRESENCES))
        .unwrap();
    assert_eq!(world.events(), ["PRESENCE_UPDATE"]);
    world.core.set_presence(&at, ALICE, &is(Status::Dnd));
    world.core.set_presence(&at, ALICE, &is(Status::Dnd));
    world.core.set_presence(&at, EVE, &is(Status::Dnd));
    let outputs = world.flush();
    world
        .items
        .extend(outputs.into_iter().filter_map(|output| match output {
            crate::guild::core::Output::Item(item) => Some(item),
            _ => None,
        }));
    assert!(matches!(&world.items[..], [Item::Dispatch(d)] if d.position.is_none()));
    assert_eq!(
        world.last_data(),
        json!({"user": {"id": "2"}, "status": "dnd", "activities": [],
            "client_status": {"desktop": "dnd"}, "guild_id": "1000"})
    );
    world.events();
    world.core.detach(&at, HubId(1), 1, ALICE);
    world.core.detach(&at, HubId(1), 1, ALICE);
    let outputs = world.flush();
    assert_eq!(outputs.len(), 1);
    let Some(crate::guild::core::Output::Item(item)) = outputs.into_iter().next() else {
        panic!("an item");
    };
    world.items.push(item);
    assert_eq!(world.last_data()["status"], "offline");
    assert_eq!(world.last_data()["client_status"], json!({}));
    world.core.detach(&at, HubId(1), 2, BOB);
    assert!(world.flush().is_empty(), "nobody is left");
}

#[test]
fn members_are_found_by_start_of_name_or_by_id() {
    let mut world = World::new();
    world.attach(&session(ALICE, 1, Intents::NONE)).unwrap();
    let edit = crate::guild::command::MemberEdit {
        nick: Some(Some("Überbob".to_owned())),
        ..Default::default()
    };
    world.operate(Command::EditMember(BOB, Box::new(edit)));
    let mut find =
        |query: MemberQuery| match world.ask_as(ALICE, Command::RequestMembers(Box::new(query))) {
            Ok(Reply::Members {
                members,
                not_found,
                presences,
            }) => (
                members.iter().map(|m| m.user.id).collect::<Vec<_>>(),
                not_found,
                presences.len(),
            ),
            other => panic!("{other:?}"),
        };
    let query = |text: &str, limit| MemberQuery {
        query: text.to_owned(),
        limit,
        ..MemberQuery::default()
    };
    assert_eq!(find(query("", 0)).0, [OWNER, ALICE, BOB, BOT]);
    assert_eq!(find(query("", 2)).0, [OWNER, ALICE]);
    assert_eq!(find(query("ÜB", 10)).0, [BOB]);
    assert_eq!(find(query("USER2", 10)).0, [ALICE]);
    assert!(find(query("nobody", 10)).0.is_empty());
    let ids = MemberQuery {
        user_ids: vec![BOB, EVE, ALICE],
        presences: true,
        ..MemberQuery::default()
    };
    assert_eq!(find(ids), (vec![BOB, ALICE], vec![EVE], 1));
}
