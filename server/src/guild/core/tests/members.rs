use serde_json::json;

use super::world::*;
use crate::fanout::{Audience, Item};
use crate::guild::command::{Command, MemberEdit, NewMember, Reply, RoleEdit};
use crate::protocol::{ApiError, Intents, Permissions, RoleId, Timestamp, UserId};

const MODERATORS: RoleId = RoleId::new(50);

fn edit(id: UserId, set: impl FnOnce(&mut MemberEdit)) -> Command {
    let mut edit = MemberEdit::default();
    set(&mut edit);
    Command::EditMember(id, Box::new(edit))
}

fn add(id: UserId, nick: Option<&str>, roles: Vec<RoleId>) -> Command {
    Command::AddMember(Box::new(NewMember {
        user: user(id),
        nick: nick.map(str::to_owned),
        roles,
    }))
}

fn nick(id: UserId, nick: &str) -> Command {
    edit(id, |edit| edit.nick = Some(Some(nick.to_owned())))
}

/// ALICE has these permissions besides those of everybody.
fn world(permissions: Permissions) -> World {
    let mut world = World::new();
    let role = RoleEdit {
        permissions: Some(permissions),
        ..RoleEdit::default()
    };
    world.operate(Command::CreateRole(MODERATORS, Box::new(role)));
    world.operate(Command::AddMemberRole(ALICE, MODERATORS));
    world.events();
    world
}

#[test]
fn members_join_once() {
    let mut world = World::new();
    let joined = world.get(ALICE, add(EVE, None, vec![]));
    assert_eq!(joined["user"]["id"], "9");
    assert_eq!(joined["joined_at"], "2018-03-03T09:46:40.000000+00:00");
    assert_eq!(world.last_data()["guild_id"], "1000");
    assert_eq!(world.events(), ["GUILD_MEMBER_ADD"]);
    assert!(matches!(
        world.ask_as(ALICE, add(EVE, None, vec![])),
        Ok(Reply::Unchanged)
    ));
    assert_eq!(world.events(), [""; 0]);
    assert!(world.core.member_of(EVE).is_some());
    let other = UserId::new(10);
    for command in [
        add(other, Some("nick"), vec![]),
        add(other, None, vec![MODERATORS]),
    ] {
        assert_eq!(world.fails(ALICE, command), ApiError::MISSING_PERMISSIONS);
    }
    assert_eq!(
        world.fails(OWNER, add(other, None, vec![MODERATORS])),
        ApiError::UNKNOWN_ROLE
    );
    assert_eq!(
        world.fails(other, add(other, None, vec![])),
        ApiError::UNKNOWN_GUILD
    );
}

#[test]
fn members_are_listed_by_rising_id() {
    let mut world = World::new();
    let mut page = |after, limit| {
        let members = world.get(ALICE, Command::GetMembers { after, limit });
        let members = members.as_array().unwrap().clone();
        members
            .iter()
            .map(|member| member["user"]["id"].as_str().unwrap().to_owned())
            .collect::<String>()
    };
    assert_eq!(page(None, 1_000), "1234");
    assert_eq!(page(None, 2), "12");
    assert_eq!(page(Some(ALICE), 2), "34");
    assert_eq!(page(Some(BOT), 2), "");
    let too_many = Command::GetMembers {
        after: None,
        limit: 1_001,
    };
    assert_eq!(world.fails(ALICE, too_many).code, 50_035);
    assert_eq!(
        world.fails(ALICE, Command::GetMember(EVE)),
        ApiError::UNKNOWN_MEMBER
    );
}

#[test]
fn nicks_are_changed_by_oneself_or_from_above() {
    let mut world = world(Permissions::MANAGE_NICKNAMES);
    assert_eq!(world.get(BOB, nick(BOB, "bobby"))["nick"], "bobby");
    assert!(matches!(
        &world.items[..],
        [Item::Member { member, .. }, Item::Dispatch(_)] if member.nick.as_deref() == Some("bobby")
    ));
    assert_eq!(world.last_data()["nick"], "bobby");
    world.get(BOB, nick(BOB, "bobby"));
    assert_eq!(world.events(), ["member", "GUILD_MEMBER_UPDATE"]);
    assert_eq!(
        world.fails(BOB, nick(BOT, "x")),
        ApiError::MISSING_PERMISSIONS
    );
    assert!(world.ask_as(ALICE, nick(BOB, "x")).is_ok());
    assert_eq!(
        world.fails(ALICE, nick(OWNER, "x")),
        ApiError::MISSING_PERMISSIONS
    );
    assert_eq!(world.fails(ALICE, nick(BOB, &"x".repeat(33))).code, 50_035);
    assert!(world.get(BOB, nick(BOB, ""))["nick"].is_null());
    world.get(BOB, nick(BOB, "last"));
    world.send(BOB, "hello");
    assert_eq!(world.last_data()["member"]["nick"], "last");
}

#[test]
fn timed_out_members_may_only_read() {
    let mut world = world(Permissions::MODERATE_MEMBERS);
    let id = world.send(BOB, "before");
    let until = |id, ms: u64| {
        edit(id, |edit| {
            edit.communication_disabled_until = Some(Some(Timestamp::from_unix_ms(ms)));
        })
    };
    let minute = START_MS + 60_000;
    assert_eq!(
        world.fails(BOB, until(BOT, minute)),
        ApiError::MISSING_PERMISSIONS
    );
    assert_eq!(
        world.fails(ALICE, until(OWNER, minute)),
        ApiError::MISSING_PERMISSIONS
    );
    let too_long = START_MS + 29 * 24 * 3_600_000;
    assert_eq!(world.fails(ALICE, until(BOB, too_long)).code, 50_035);
    assert!(world.ask_as(ALICE, until(BOB, minute)).is_ok());
    let message_edit = crate::guild::command::MessageEdit {
        content: Some("after".to_owned()),
        ..Default::default()
    };
    for command in [
        create(GENERAL, "x"),
        Command::Typing(GENERAL),
        Command::DeleteMessage(GENERAL, id),
        Command::EditMessage(GENERAL, id, Box::new(message_edit)),
        nick(BOB, "x"),
    ] {
        assert_eq!(world.fails(BOB, command), ApiError::MISSING_PERMISSIONS);
    }
    assert!(world.ask_as(BOB, Command::GetMessage(GENERAL, id)).is_ok());
    world.now_ms = minute;
    assert!(world.ask_as(BOB, create(GENERAL, "x")).is_ok());
}

#[test]
fn administrators_are_not_timed_out() {
    let mut world = world(Permissions::ADMINISTRATOR);
    let until = Timestamp::from_unix_ms(START_MS + 1_000);
    let command = edit(ALICE, |edit| {
        edit.communication_disabled_until = Some(Some(until));
    });
    assert_eq!(world.fails(OWNER, command), ApiError::MISSING_PERMISSIONS);
}

#[test]
fn members_leave_or_are_removed_from_above() {
    let mut world = world(Permissions::KICK_MEMBERS);
    let remove = |id| Command::RemoveMember(id);
    assert_eq!(world.fails(BOB, remove(BOT)), ApiError::MISSING_PERMISSIONS);
    assert_eq!(
        world.fails(ALICE, remove(OWNER)),
        ApiError::MISSING_PERMISSIONS
    );
    assert_eq!(
        world.fails(OWNER, remove(OWNER)),
        ApiError::INVALID_RECIPIENT
    );
    assert_eq!(world.fails(ALICE, remove(EVE)), ApiError::UNKNOWN_MEMBER);
    world
        .attach(&session(BOB, 1, Intents::GUILD_PRESENCES))
        .unwrap();
    world.items.clear();
    assert!(matches!(world.ask_as(ALICE, remove(BOB)), Ok(Reply::Done)));
    // Dropped first; and the news is not for who left.
    assert!(matches!(
        &world.items[..],
        [Item::Left { user, .. }, Item::Dispatch(dispatch)]
            if *user == BOB && dispatch.audience == Audience::Except(BOB)
    ));
    assert_eq!(world.last_data()["user"]["id"], "3");
    assert_eq!(world.core.figures().sessions, 0);
    assert_eq!(
        world.fails(BOB, create(GENERAL, "x")),
        ApiError::MISSING_ACCESS
    );
    assert!(world.ask_as(BOT, remove(BOT)).is_ok());
}

#[test]
fn roles_are_given_and_taken() {
    let mut world = world(Permissions::NONE);
    let give = || Command::AddMemberRole(BOB, MODERATORS);
    assert_eq!(world.fails(ALICE, give()), ApiError::MISSING_PERMISSIONS);
    for _ in 0..2 {
        assert!(matches!(world.ask_as(OWNER, give()), Ok(Reply::Done)));
    }
    assert_eq!(world.events(), ["member", "GUILD_MEMBER_UPDATE"]);
    assert_eq!(
        world.get(BOB, Command::GetMember(BOB))["roles"],
        json!(["50"])
    );
    let take = |role| Command::RemoveMemberRole(BOB, role);
    assert_eq!(
        world.fails(OWNER, take(RoleId::new(7))),
        ApiError::UNKNOWN_ROLE
    );
    assert!(world.ask_as(OWNER, take(MODERATORS)).is_ok());
    let all = edit(BOB, |edit| {
        edit.roles = Some(vec![MODERATORS, GUILD.everyone(), MODERATORS]);
    });
    assert_eq!(world.get(OWNER, all)["roles"], json!(["50"]));
}
