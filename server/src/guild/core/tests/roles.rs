use super::world::*;
use crate::guild::command::{Command, Reply, RoleEdit};
use crate::protocol::objects::{Overwrite, OverwriteType};
use crate::protocol::{ApiError, Permissions, RoleId};

const LOW: RoleId = RoleId::new(50);
const MIDDLE: RoleId = RoleId::new(51);
const HIGH: RoleId = RoleId::new(52);

fn role(set: impl FnOnce(&mut RoleEdit)) -> RoleEdit {
    let mut edit = RoleEdit::default();
    set(&mut edit);
    edit
}

/// ALICE manages roles through MIDDLE.
fn world() -> World {
    let mut world = World::new();
    for (id, position) in [(LOW, 1), (MIDDLE, 2), (HIGH, 3)] {
        let edit = role(|edit| {
            edit.position = Some(position);
            edit.permissions = Some(Permissions::MANAGE_ROLES);
        });
        world.operate(Command::CreateRole(id, Box::new(edit)));
    }
    world.operate(Command::AddMemberRole(ALICE, MIDDLE));
    world.events();
    world
}

#[test]
fn a_new_role_has_discords_defaults() {
    let mut world = World::new();
    let made = world.get(OWNER, Command::CreateRole(LOW, Box::new(role(|_| {}))));
    assert_eq!(made["name"], "new role");
    assert_eq!(made["permissions"], "2248473465835073");
    assert_eq!(made["position"], 1);
    assert_eq!(made["colors"]["primary_color"], 0);
    assert_eq!(world.last_data()["role"], made);
    assert_eq!(world.events(), ["visibility", "GUILD_ROLE_CREATE"]);
    assert_eq!(
        world.get(OWNER, Command::CreateRole(LOW, Box::new(role(|_| {})))),
        made
    );
    assert_eq!(world.events(), [""; 0]);
    assert_eq!(world.get(ALICE, Command::GetRoles)[0], made);
    for bad in [
        role(|edit| edit.name = Some(String::new())),
        role(|edit| edit.color = Some(0x0100_0000)),
    ] {
        assert_eq!(
            world
                .fails(OWNER, Command::EditRole(LOW, Box::new(bad)))
                .code,
            50_035
        );
    }
}

#[test]
fn hubs_get_a_new_table_only_when_permissions_change() {
    let mut world = world();
    let rename = role(|edit| {
        edit.name = Some("x".to_owned());
        edit.color = Some(7);
    });
    let renamed = world.get(OWNER, Command::EditRole(LOW, Box::new(rename)));
    assert_eq!(
        (&renamed["color"], &renamed["colors"]["primary_color"]),
        (&7.into(), &7.into())
    );
    assert_eq!(world.events(), ["GUILD_ROLE_UPDATE"]);
    let grant = role(|edit| edit.permissions = Some(Permissions::NONE));
    world.get(OWNER, Command::EditRole(LOW, Box::new(grant)));
    assert_eq!(world.events(), ["visibility", "GUILD_ROLE_UPDATE"]);
}

#[test]
fn roles_are_managed_from_above() {
    let mut world = world();
    let rename = || role(|edit| edit.name = Some("x".to_owned()));
    assert_eq!(
        world.fails(BOB, Command::EditRole(LOW, Box::new(rename()))),
        ApiError::MISSING_PERMISSIONS
    );
    assert!(
        world
            .ask_as(ALICE, Command::EditRole(LOW, Box::new(rename())))
            .is_ok()
    );
    for id in [MIDDLE, HIGH] {
        for command in [
            Command::EditRole(id, Box::new(rename())),
            Command::DeleteRole(id),
            Command::AddMemberRole(BOB, id),
        ] {
            assert_eq!(world.fails(ALICE, command), ApiError::MISSING_PERMISSIONS);
        }
    }
    // Not above oneself, and no more than one has.
    let lift = role(|edit| edit.position = Some(2));
    assert!(
        world
            .ask_as(ALICE, Command::EditRole(LOW, Box::new(lift)))
            .is_err()
    );
    let grant = role(|edit| edit.permissions = Some(Permissions::ADMINISTRATOR));
    assert_eq!(
        world.fails(ALICE, Command::EditRole(LOW, Box::new(grant.clone()))),
        ApiError::MISSING_PERMISSIONS
    );
    assert_eq!(
        world.fails(ALICE, Command::CreateRole(RoleId::new(60), Box::new(grant))),
        ApiError::MISSING_PERMISSIONS
    );
    // The one with the lower id is the higher of two at one position.
    let level = role(|edit| edit.position = Some(1));
    world.operate(Command::EditRole(MIDDLE, Box::new(level)));
    assert_eq!(
        world.fails(ALICE, Command::EditRole(LOW, Box::new(rename()))),
        ApiError::MISSING_PERMISSIONS
    );
}

#[test]
fn everyone_keeps_its_name_and_its_place() {
    let mut world = world();
    let id = GUILD.everyone();
    let edit = role(|edit| {
        edit.name = Some("x".to_owned());
        edit.position = Some(7);
        edit.permissions = Some(Permissions::VIEW_CHANNEL);
    });
    let edited = world.get(OWNER, Command::EditRole(id, Box::new(edit)));
    assert_eq!(
        (&edited["name"], &edited["position"]),
        (&"@everyone".into(), &0.into())
    );
    assert_eq!(edited["permissions"], "1024");
    assert_eq!(
        world.fails(BOB, create(GENERAL, "x")),
        ApiError::MISSING_PERMISSIONS
    );
    assert_eq!(
        world.fails(OWNER, Command::DeleteRole(id)),
        ApiError::INVALID_ROLE
    );
}

#[test]
fn a_removed_role_is_gone_from_members_and_channels() {
    let mut world = world();
    let overwrite = Overwrite {
        id: MIDDLE.get(),
        kind: OverwriteType::Role,
        allow: Permissions::NONE,
        deny: Permissions::SEND_MESSAGES,
    };
    world.operate(Command::SetOverwrite(GENERAL, overwrite));
    assert_eq!(
        world.fails(ALICE, create(GENERAL, "x")),
        ApiError::MISSING_PERMISSIONS
    );
    world.events();
    let delete = || Command::DeleteRole(MIDDLE);
    assert!(matches!(world.ask_as(OWNER, delete()), Ok(Reply::Done)));
    assert_eq!(world.events(), ["visibility", "GUILD_ROLE_DELETE"]);
    assert_eq!(world.fails(OWNER, delete()), ApiError::UNKNOWN_ROLE);
    assert!(world.ask_as(ALICE, create(GENERAL, "x")).is_ok());
    let member = world.get(BOB, Command::GetMember(ALICE));
    assert_eq!(member["roles"], serde_json::json!([]));
    let channel = world.get(BOB, Command::GetChannel(GENERAL));
    assert_eq!(channel["permission_overwrites"], serde_json::json!([]));
}

#[test]
fn i7_a_guild_has_at_most_250_roles() {
    let mut world = World::new();
    for id in 100..349 {
        world.operate(Command::CreateRole(RoleId::new(id), Box::new(role(|_| {}))));
    }
    assert_eq!(
        world.fails(OWNER, Command::CreateRole(LOW, Box::new(role(|_| {})))),
        ApiError::TOO_MANY_ROLES
    );
}
