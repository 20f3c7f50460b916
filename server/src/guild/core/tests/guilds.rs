use serde_json::json;

use super::world::*;
use crate::guild::command::{ChannelEdit, Command, GuildEdit, NewChannel, NewGuild, Reply};
use crate::protocol::objects::ChannelType;
use crate::protocol::{ApiError, ChannelId, UserId};

fn new_guild(set: impl FnOnce(&mut NewGuild)) -> Command {
    let mut new = NewGuild {
        name: "Test".to_owned(),
        owner: user(OWNER),
        members: vec![user(ALICE), user(BOB), user(BOT)],
        channels: vec![text_channel(GENERAL, "general")],
        direct: false,
    };
    set(&mut new);
    Command::CreateGuild(Box::new(new))
}

#[test]
fn nothing_is_there_before_the_guild_is_made() {
    let mut world = World::empty();
    assert!(!world.core.exists());
    for command in [
        Command::GetGuild { with_counts: false },
        Command::GetChannels,
        Command::GetChannel(GENERAL),
        Command::DeleteGuild,
        create(GENERAL, "x"),
    ] {
        assert_eq!(world.fails(OWNER, command), ApiError::UNKNOWN_GUILD);
    }
    assert_eq!(world.core.position(), 0);
}

#[test]
fn a_new_guild_has_everyone_its_owner_and_its_channels() {
    let mut world = World::new();
    assert!(world.core.exists());
    let guild = world.get(ALICE, Command::GetGuild { with_counts: true });
    assert_eq!(guild["id"], "1000");
    assert_eq!(guild["owner_id"], "1");
    assert_eq!(guild["system_channel_id"], "2000");
    assert_eq!(guild["approximate_member_count"], 4);
    assert_eq!(guild["approximate_presence_count"], 0);
    assert_eq!(guild["roles"].as_array().unwrap().len(), 1);
    assert_eq!(guild["roles"][0]["name"], "@everyone");
    assert_eq!(guild["roles"][0]["permissions"], "2248473465835073");
    for key in ["members", "channels", "member_count", "presences"] {
        assert!(guild.get(key).is_none(), "{key}");
    }
    let channels = world.get(ALICE, Command::GetChannels);
    assert_eq!(channels[0]["name"], "general");
    assert_eq!(channels[0]["guild_id"], "1000");
    assert_eq!(channels[1]["position"], 1);
    assert!(world.core.member_ids().eq([OWNER, ALICE, BOB, BOT]));
    assert!(world.core.channel_ids().eq([GENERAL, OTHER]));
}

#[test]
fn a_guild_is_made_once_however_often_it_is_asked_for() {
    let mut world = World::empty();
    for _ in 0..2 {
        world.operate(new_guild(|_| {}));
        assert_eq!(world.core.position(), 1);
    }
    let other = new_guild(|new| new.name = "Other".to_owned());
    assert!(world.ask_as(OWNER, other).is_err());
}

#[test]
fn many_members_are_spread_over_records() {
    let mut world = World::empty();
    let crowd = (10..2_510).map(|id| user(UserId::new(id))).collect();
    world.operate(new_guild(|new| new.members = crowd));
    assert_eq!(world.core.figures().members, 2_501);
    assert_eq!(world.core.position(), 1_502);
    assert!(world.journal.iter().all(|record| record.len() < 512 << 10));
}

#[test]
fn what_makes_no_guild_is_refused() {
    let direct = NewChannel {
        id: GENERAL,
        kind: ChannelType::Direct,
        fields: ChannelEdit::default(),
    };
    let cases = [
        new_guild(|new| new.name = "x".to_owned()),
        new_guild(|new| new.name = "x".repeat(101)),
        new_guild(|new| new.channels = vec![direct.clone()]),
        new_guild(|new| new.channels = vec![text_channel(GENERAL, ""); 1]),
        new_guild(|new| new.channels = vec![text_channel(GENERAL, "a"); 2]),
        new_guild(|new| {
            let channels = 1..=501_u64;
            new.channels = channels
                .map(|id| text_channel(ChannelId::new(id), "a"))
                .collect();
        }),
        new_guild(|new| new.direct = true),
        new_guild(|new| {
            new.direct = true;
            new.channels = vec![direct.clone(), direct.clone()];
        }),
    ];
    for command in cases {
        let mut world = World::empty();
        assert_eq!(world.fails(OWNER, command).status, 400);
        assert!(!world.core.exists());
    }
}

#[test]
fn settings_are_changed_by_who_manages_the_guild() {
    let mut world = World::new();
    let edit = |set: fn(&mut GuildEdit)| {
        let mut edit = GuildEdit::default();
        set(&mut edit);
        Command::EditGuild(Box::new(edit))
    };
    let rename = |edit: &mut GuildEdit| edit.name = Some("New".to_owned());
    assert_eq!(
        world.fails(ALICE, edit(rename)),
        ApiError::MISSING_PERMISSIONS
    );
    assert_eq!(world.fails(EVE, edit(rename)), ApiError::UNKNOWN_GUILD);
    assert_eq!(world.get(OWNER, edit(rename))["name"], "New");
    let data = world.last_data();
    assert_eq!(data["name"], "New");
    assert_eq!(data["roles"][0]["id"], "1000");
    assert_eq!(world.events(), ["GUILD_UPDATE"]);
    // The same again changes nothing.
    world.get(OWNER, edit(rename));
    assert_eq!(world.events(), [""; 0]);
    for bad in [
        edit(|edit| edit.name = Some(String::new())),
        edit(|edit| edit.verification_level = Some(5)),
        edit(|edit| edit.explicit_content_filter = Some(3)),
        edit(|edit| edit.default_message_notifications = Some(2)),
        edit(|edit| edit.description = Some(Some("x".repeat(301)))),
    ] {
        assert_eq!(world.fails(OWNER, bad).code, 50_035);
    }
    let unknown = edit(|edit| edit.system_channel_id = Some(Some(ChannelId::new(7))));
    assert_eq!(world.fails(OWNER, unknown), ApiError::UNKNOWN_CHANNEL);
    let none = edit(|edit| edit.system_channel_id = Some(None));
    assert!(world.get(OWNER, none)["system_channel_id"].is_null());
}

#[test]
fn the_owner_may_hand_the_guild_over() {
    let mut world = World::new();
    let hand_to = |id| {
        let edit = GuildEdit {
            owner_id: Some(id),
            ..GuildEdit::default()
        };
        Command::EditGuild(Box::new(edit))
    };
    assert_eq!(world.fails(OWNER, hand_to(EVE)), ApiError::UNKNOWN_MEMBER);
    world.get(OWNER, hand_to(ALICE));
    // Who sees what changes with the owner.
    assert_eq!(world.events(), ["visibility", "GUILD_UPDATE"]);
    assert_eq!(
        world.fails(OWNER, hand_to(OWNER)),
        ApiError::MISSING_PERMISSIONS
    );
    assert!(world.ask_as(ALICE, Command::RemoveMember(OWNER)).is_ok());
}

#[test]
fn a_deleted_guild_stays_deleted() {
    let mut world = World::new();
    assert_eq!(
        world.fails(ALICE, Command::DeleteGuild),
        ApiError::MISSING_PERMISSIONS
    );
    assert!(matches!(
        world.ask_as(OWNER, Command::DeleteGuild),
        Ok(Reply::Done)
    ));
    assert_eq!(world.events(), ["deleted"]);
    assert!(!world.core.exists());
    assert_eq!(
        world.fails(OWNER, create(GENERAL, "x")),
        ApiError::UNKNOWN_GUILD
    );
    assert_eq!(
        world.fails(OWNER, new_guild(|_| {})),
        ApiError::UNKNOWN_GUILD
    );
    let rebuilt = world.rebuilt(crate::guild::core::CoreSettings::default());
    assert!(!rebuilt.exists());
}

#[test]
fn a_direct_channel_names_its_other_recipients() {
    let mut world = World::direct();
    let channel = world.get(ALICE, Command::GetChannel(GENERAL));
    assert_eq!(
        channel,
        json!({"id": "2000", "type": 1, "last_message_id": null, "last_pin_timestamp": null,
            "flags": 0, "recipients": [{"id": "3", "username": "user3", "discriminator": "0",
                "global_name": null, "avatar": null, "bot": false, "public_flags": 0}]})
    );
    assert_eq!(
        world.get(BOB, Command::GetChannels)[0]["recipients"][0]["id"],
        "2"
    );
    let guild = Command::GetGuild { with_counts: false };
    assert_eq!(world.fails(ALICE, guild), ApiError::UNKNOWN_GUILD);
    assert_eq!(
        world.fails(ALICE, Command::RemoveMember(BOB)),
        ApiError::UNKNOWN_GUILD
    );
    assert_eq!(
        world.fails(ALICE, Command::DeleteGuild),
        ApiError::MISSING_PERMISSIONS
    );
    // Closing it takes nothing from the other one.
    assert!(world.ask_as(ALICE, Command::DeleteChannel(GENERAL)).is_ok());
    assert!(world.ask_as(BOB, create(GENERAL, "still here")).is_ok());
}
