use serde_json::Value;

use super::world::*;
use crate::guild::command::{ChannelEdit, Command, NewChannel, Reply};
use crate::protocol::objects::{ChannelType, Overwrite, OverwriteType};
use crate::protocol::{ApiError, ChannelId, Permissions, RoleId};

const NEW: ChannelId = ChannelId::new(2_010);
const CATEGORY: ChannelId = ChannelId::new(2_020);

fn channel(id: ChannelId, kind: ChannelType, set: impl FnOnce(&mut ChannelEdit)) -> Command {
    let mut fields = ChannelEdit {
        name: Some("new".to_owned()),
        ..ChannelEdit::default()
    };
    set(&mut fields);
    Command::CreateChannel(Box::new(NewChannel { id, kind, fields }))
}

fn edit(id: ChannelId, set: impl FnOnce(&mut ChannelEdit)) -> Command {
    let mut edit = ChannelEdit::default();
    set(&mut edit);
    Command::EditChannel(id, Box::new(edit))
}

fn hidden() -> Overwrite {
    Overwrite {
        id: GUILD.get(),
        kind: OverwriteType::Role,
        allow: Permissions::NONE,
        deny: Permissions::VIEW_CHANNEL,
    }
}

fn shown_to_alice() -> Overwrite {
    Overwrite {
        id: ALICE.get(),
        kind: OverwriteType::Member,
        allow: Permissions::VIEW_CHANNEL,
        deny: Permissions::NONE,
    }
}

#[test]
fn channels_are_added_by_who_manages_channels() {
    let mut world = World::new();
    let text = || channel(NEW, ChannelType::Text, |_| {});
    assert_eq!(world.fails(ALICE, text()), ApiError::MISSING_PERMISSIONS);
    assert_eq!(world.fails(EVE, text()), ApiError::UNKNOWN_GUILD);
    let made = world.get(OWNER, text());
    assert_eq!(
        (&made["name"], &made["position"]),
        (&"new".into(), &2.into())
    );
    assert_eq!(made["guild_id"], "1000");
    // Sessions are told by what they see, not by an event of the guild.
    assert_eq!(world.events(), ["visibility"]);
    assert_eq!(world.get(OWNER, text()), made);
    assert_eq!(world.events(), [""; 0]);
    let voice = world.get(
        OWNER,
        channel(ChannelId::new(5), ChannelType::Voice, |_| {}),
    );
    assert_eq!(
        (&voice["bitrate"], &voice["user_limit"]),
        (&64_000.into(), &0.into())
    );
}

#[test]
fn what_is_no_channel_is_refused() {
    let mut world = World::new();
    let text = |set: fn(&mut ChannelEdit)| channel(NEW, ChannelType::Text, set);
    let cases = [
        (text(|fields| fields.name = None), 50_035),
        (text(|fields| fields.name = Some("x".repeat(101))), 50_035),
        (
            text(|fields| fields.topic = Some(Some("x".repeat(1_025)))),
            50_035,
        ),
        (
            text(|fields| fields.rate_limit_per_user = Some(21_601)),
            50_035,
        ),
        (
            text(|fields| fields.parent_id = Some(Some(GENERAL))),
            50_035,
        ),
        (text(|fields| fields.parent_id = Some(Some(NEW))), 50_035),
        (channel(NEW, ChannelType::Direct, |_| {}), 50_024),
        (
            channel(NEW, ChannelType::Voice, |fields| fields.bitrate = Some(1)),
            50_035,
        ),
    ];
    for (command, code) in cases {
        assert_eq!(world.fails(OWNER, command).code, code);
    }
    assert_eq!(
        world.fails(ALICE, create(CATEGORY, "x")),
        ApiError::UNKNOWN_CHANNEL
    );
    world.get(OWNER, channel(CATEGORY, ChannelType::Category, |_| {}));
    assert_eq!(
        world.fails(ALICE, create(CATEGORY, "x")),
        ApiError::NOT_A_TEXT_CHANNEL
    );
}

#[test]
fn i7_a_guild_has_at_most_500_channels() {
    let mut world = World::new();
    for id in 10_000..10_498 {
        world.operate(channel(ChannelId::new(id), ChannelType::Text, |_| {}));
    }
    assert_eq!(
        world.fails(OWNER, channel(NEW, ChannelType::Text, |_| {})),
        ApiError::TOO_MANY_CHANNELS
    );
}

#[test]
fn an_edit_is_told_to_who_sees_the_channel() {
    let mut world = World::new();
    let rename = || edit(GENERAL, |edit| edit.name = Some("lobby".to_owned()));
    assert_eq!(world.fails(ALICE, rename()), ApiError::MISSING_PERMISSIONS);
    let id = world.send(ALICE, "x");
    world.events();
    let renamed = world.get(OWNER, rename());
    assert_eq!(renamed["name"], "lobby");
    assert_eq!(renamed["last_message_id"], id.to_string());
    let data = world.last_data();
    assert_eq!(
        (&data["id"], &data["guild_id"]),
        (&"2000".into(), &"1000".into())
    );
    assert_eq!(world.events(), ["visibility", "CHANNEL_UPDATE"]);
    world.get(OWNER, rename());
    assert_eq!(world.events(), [""; 0]);
}

#[test]
fn private_channels_are_there_only_for_those_who_may() {
    let mut world = World::new();
    world.operate(Command::SetOverwrite(GENERAL, hidden()));
    world.operate(Command::SetOverwrite(GENERAL, shown_to_alice()));
    let names = |value: Value| -> Vec<String> {
        let channels = value.as_array().unwrap();
        let names = channels.iter().map(|channel| channel["name"].as_str());
        names.map(|name| name.unwrap().to_owned()).collect()
    };
    assert_eq!(
        names(world.get(OWNER, Command::GetChannels)),
        ["general", "other"]
    );
    assert_eq!(
        names(world.get(ALICE, Command::GetChannels)),
        ["general", "other"]
    );
    assert_eq!(names(world.get(BOB, Command::GetChannels)), ["other"]);
    let id = world.send(ALICE, "secret");
    for command in [
        Command::GetChannel(GENERAL),
        create(GENERAL, "x"),
        Command::GetMessage(GENERAL, id),
        Command::Typing(GENERAL),
        Command::DeleteMessage(GENERAL, id),
    ] {
        assert_eq!(world.fails(BOB, command), ApiError::MISSING_ACCESS);
    }
    // A message is not found by way of another channel.
    assert_eq!(
        world.fails(BOB, Command::GetMessage(OTHER, id)),
        ApiError::UNKNOWN_MESSAGE
    );
}

#[test]
fn without_history_no_messages_are_read() {
    let mut world = World::new();
    let id = world.send(ALICE, "x");
    let deaf = Overwrite {
        deny: Permissions::READ_MESSAGE_HISTORY,
        ..hidden()
    };
    world.operate(Command::SetOverwrite(GENERAL, deaf));
    let page = Command::GetMessages {
        channel: GENERAL,
        page: crate::guild::command::Page::Latest,
        limit: 10,
    };
    assert_eq!(world.get(BOB, page), serde_json::json!([]));
    assert_eq!(
        world.fails(BOB, Command::GetMessage(GENERAL, id)),
        ApiError::MISSING_PERMISSIONS
    );
}

#[test]
fn overwrites_are_set_and_removed_by_who_manages_roles() {
    let mut world = World::new();
    let set = |overwrite| Command::SetOverwrite(GENERAL, overwrite);
    assert_eq!(
        world.fails(ALICE, set(hidden())),
        ApiError::MISSING_PERMISSIONS
    );
    let of_no_role = Overwrite { id: 77, ..hidden() };
    assert_eq!(world.fails(OWNER, set(of_no_role)), ApiError::UNKNOWN_ROLE);
    assert!(matches!(
        world.ask_as(OWNER, set(hidden())),
        Ok(Reply::Done)
    ));
    assert_eq!(world.events(), ["visibility", "CHANNEL_UPDATE"]);
    let remove = |id| Command::DeleteOverwrite(GENERAL, id);
    assert_eq!(world.fails(OWNER, remove(77)), ApiError::UNKNOWN_OVERWRITE);
    assert!(world.ask_as(OWNER, remove(GUILD.get())).is_ok());
    assert_eq!(
        world.get(BOB, Command::GetChannel(GENERAL))["permission_overwrites"],
        serde_json::json!([])
    );
}

#[test]
fn nobody_hands_out_permissions_it_does_not_have() {
    let mut world = World::new();
    let role = RoleId::new(50);
    let moderator = crate::guild::command::RoleEdit {
        permissions: Some(Permissions::MANAGE_ROLES | Permissions::MANAGE_CHANNELS),
        ..Default::default()
    };
    world.operate(Command::CreateRole(role, Box::new(moderator)));
    world.operate(Command::AddMemberRole(ALICE, role));
    let allow = |allow| {
        let overwrite = Overwrite {
            allow,
            ..shown_to_alice()
        };
        Command::SetOverwrite(GENERAL, overwrite)
    };
    assert!(
        world
            .ask_as(ALICE, allow(Permissions::VIEW_CHANNEL))
            .is_ok()
    );
    for beyond in [
        Permissions::BAN_MEMBERS,
        Permissions::ADMINISTRATOR,
        Permissions::MANAGE_ROLES,
    ] {
        assert_eq!(
            world.fails(ALICE, allow(beyond)),
            ApiError::MISSING_PERMISSIONS
        );
        let list = vec![Overwrite {
            allow: beyond,
            ..shown_to_alice()
        }];
        let command = channel(NEW, ChannelType::Text, |fields| {
            fields.permission_overwrites = Some(list);
        });
        assert_eq!(world.fails(ALICE, command), ApiError::MISSING_PERMISSIONS);
    }
    // What is there already may stay.
    world.operate(allow(Permissions::BAN_MEMBERS));
    let rename = |edit: &mut ChannelEdit| {
        edit.name = Some("x".to_owned());
        edit.permission_overwrites = Some(vec![
            Overwrite {
                allow: Permissions::BAN_MEMBERS,
                ..shown_to_alice()
            },
            hidden(),
        ]);
    };
    assert!(world.ask_as(ALICE, edit(GENERAL, rename)).is_ok());
}

#[test]
fn channels_of_a_category_follow_its_overwrites_while_they_are_the_same() {
    let mut world = World::new();
    world.operate(channel(CATEGORY, ChannelType::Category, |fields| {
        fields.permission_overwrites = Some(vec![hidden()]);
    }));
    let within = |fields: &mut ChannelEdit| fields.parent_id = Some(Some(CATEGORY));
    world.operate(channel(NEW, ChannelType::Text, within));
    world.operate(edit(OTHER, within));
    assert_eq!(
        world.fails(BOB, Command::GetChannel(NEW)),
        ApiError::MISSING_ACCESS
    );
    world.events();
    world.operate(Command::DeleteOverwrite(CATEGORY, GUILD.get()));
    assert_eq!(
        world.events(),
        [
            "visibility",
            "CHANNEL_UPDATE",
            "visibility",
            "CHANNEL_UPDATE"
        ]
    );
    assert!(world.ask_as(BOB, Command::GetChannel(NEW)).is_ok());
    // Now all three are the same, and then one goes its own way.
    world.operate(Command::SetOverwrite(OTHER, shown_to_alice()));
    world.operate(Command::SetOverwrite(CATEGORY, hidden()));
    assert_eq!(
        world.fails(BOB, Command::GetChannel(NEW)),
        ApiError::MISSING_ACCESS
    );
    assert!(world.ask_as(BOB, Command::GetChannel(OTHER)).is_ok());
}

#[test]
fn a_removed_channel_takes_its_messages_and_a_category_leaves_its_channels() {
    let mut world = World::new();
    world.operate(channel(CATEGORY, ChannelType::Category, |_| {}));
    world.operate(edit(OTHER, |edit| edit.parent_id = Some(Some(CATEGORY))));
    let id = world.send(ALICE, "x");
    let delete = |id| Command::DeleteChannel(id);
    assert_eq!(
        world.fails(ALICE, delete(GENERAL)),
        ApiError::MISSING_PERMISSIONS
    );
    world.events();
    assert_eq!(world.get(OWNER, delete(GENERAL))["id"], "2000");
    assert_eq!(world.events(), ["visibility"]);
    assert_eq!(
        world.fails(ALICE, Command::GetMessage(GENERAL, id)),
        ApiError::UNKNOWN_CHANNEL
    );
    assert_eq!(world.core.figures().messages, 0);
    let guild = world.get(ALICE, Command::GetGuild { with_counts: false });
    assert!(guild["system_channel_id"].is_null());
    world.get(OWNER, delete(CATEGORY));
    assert_eq!(
        world.events(),
        ["visibility", "CHANNEL_UPDATE", "visibility"]
    );
    assert!(world.get(ALICE, Command::GetChannel(OTHER))["parent_id"].is_null());
}
