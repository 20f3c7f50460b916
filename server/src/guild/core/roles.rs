//! Roles: reading, adding, changing and removing them.

use super::guilds::rights_in_guild;
use super::rights::{Rank, Rights, allow_if};
use super::state::Guild;
use super::{GuildCore, Moment, json, validate};
use crate::guild::command::{Caller, Outcome, Reply, RoleEdit};
use crate::guild::event::Event;
use crate::protocol::objects::Role;
use crate::protocol::objects::fixed::{False, Null, Zero};
use crate::protocol::objects::role::RoleColors;
use crate::protocol::{ApiError, Permissions, RoleId, limits};

/// Greatest 24-bit RGB colour.
const MAX_COLOR: u64 = 0xff_ff_ff;

impl GuildCore {
    pub(super) fn get_roles(&self, at: &Moment, caller: &Caller) -> Outcome {
        let guild = self.state.guild()?;
        rights_in_guild(guild, caller, at)?;
        let body = json::array(guild.roles.values(), json::append);
        Ok(Reply::Json(body.into()))
    }

    /// Adding a role with an id that is there already answers with that role: the caller may not
    /// know that it was done.
    pub(super) fn create_role(
        &mut self,
        at: &Moment,
        caller: &Caller,
        id: RoleId,
        edit: RoleEdit,
    ) -> Outcome {
        let guild = self.state.guild()?;
        let rights = rights_in_guild(guild, caller, at)?;
        rights.require(Permissions::MANAGE_ROLES)?;
        if let Some(known) = guild.roles.get(&id) {
            return Ok(Reply::Json(json::to_vec(known).into()));
        }
        if guild.roles.len() >= limits::MAX_ROLES {
            return Err(ApiError::TOO_MANY_ROLES);
        }
        let everyone = guild.roles.get(&guild.settings.id.everyone());
        let by_default = everyone.map(|role| role.permissions).unwrap_or_default();
        let granted = edit.permissions.unwrap_or(by_default);
        // The default is what everybody has anyway.
        allow_if(can_change(&rights, by_default, granted))?;
        let blank = Role {
            id,
            name: "new role".into(),
            color: 0,
            colors: RoleColors::default(),
            hoist: false,
            position: 1,
            permissions: by_default,
            managed: False,
            mentionable: false,
            icon: Null,
            unicode_emoji: Null,
            flags: Zero,
        };
        let role = edited(&rights, blank, edit)?;
        let reply = Reply::Json(json::to_vec(&role).into());
        self.emit(Event::RoleCreated(Box::new(role)));
        Ok(reply)
    }

    pub(super) fn edit_role(
        &mut self,
        at: &Moment,
        caller: &Caller,
        id: RoleId,
        mut edit: RoleEdit,
    ) -> Outcome {
        let guild = self.state.guild()?;
        let (rights, before) = manageable(guild, caller, at, id)?;
        if id == guild.settings.id.everyone() {
            // Its name and rank are fixed.
            edit.name = None;
            edit.position = None;
        }
        let granted = edit.permissions.unwrap_or(before.permissions);
        allow_if(can_change(&rights, before.permissions, granted))?;
        let role = edited(&rights, before.clone(), edit)?;
        let reply = Reply::Json(json::to_vec(&role).into());
        if role != *before {
            self.emit(Event::RoleUpdated(Box::new(role)));
        }
        Ok(reply)
    }

    pub(super) fn delete_role(&mut self, at: &Moment, caller: &Caller, id: RoleId) -> Outcome {
        let guild = self.state.guild()?;
        manageable(guild, caller, at, id)?;
        if id == guild.settings.id.everyone() {
            return Err(ApiError::INVALID_ROLE);
        }
        self.emit(Event::RoleDeleted { role_id: id });
        Ok(Reply::Done)
    }
}

/// A role below the caller, who may manage roles.
fn manageable<'g>(
    guild: &'g Guild,
    caller: &Caller,
    at: &Moment,
    id: RoleId,
) -> Result<(Rights<'g>, &'g Role), ApiError> {
    let rights = rights_in_guild(guild, caller, at)?;
    rights.require(Permissions::MANAGE_ROLES)?;
    let role = guild.roles.get(&id).ok_or(ApiError::UNKNOWN_ROLE)?;
    if id != guild.settings.id.everyone() {
        rights.require_above(Rank::of_role(role))?;
    }
    Ok((rights, role))
}

/// Whether the caller has every permission that differs; bits without a name mean nothing.
fn can_change(rights: &Rights<'_>, before: Permissions, after: Permissions) -> bool {
    let changed = Permissions::from_bits(before.bits() ^ after.bits());
    rights.everywhere().contains(changed & Permissions::ALL)
}

fn edited(rights: &Rights<'_>, mut role: Role, edit: RoleEdit) -> Result<Role, ApiError> {
    if let Some(name) = edit.name {
        validate::length("name", &name, 1, 100)?;
        role.name = name.into();
    }
    if let Some(permissions) = edit.permissions {
        role.permissions = permissions;
    }
    if let Some(color) = edit.color {
        validate::number("color", color.into(), MAX_COLOR)?;
        role.color = color;
        role.colors = RoleColors::plain(color);
    }
    if let Some(hoist) = edit.hoist {
        role.hoist = hoist;
    }
    if let Some(mentionable) = edit.mentionable {
        role.mentionable = mentionable;
    }
    if let Some(position) = edit.position {
        role.position = position.max(1);
        rights.require_above(Rank::of_role(&role))?;
    }
    Ok(role)
}
