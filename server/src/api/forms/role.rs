//! Roles.

use serde::Deserialize;

use crate::guild::command::RoleEdit;
use crate::protocol::{Permissions, RoleId};

/// `POST /guilds/{id}/roles` and `PATCH /guilds/{id}/roles/{id}`. Icons are ignored.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::api) struct RoleForm {
    name: Option<String>,
    permissions: Option<Permissions>,
    color: Option<u32>,
    colors: Option<ColorsForm>,
    hoist: Option<bool>,
    mentionable: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ColorsForm {
    primary_color: Option<u32>,
}

impl RoleForm {
    /// The fields to set; of the two forms of a colour the newer one counts.
    pub(in crate::api) fn into_edit(self) -> RoleEdit {
        let primary = self.colors.and_then(|colors| colors.primary_color);
        RoleEdit {
            name: self.name,
            permissions: self.permissions,
            color: primary.or(self.color),
            hoist: self.hoist,
            mentionable: self.mentionable,
            position: None,
        }
    }
}

/// One of `PATCH /guilds/{id}/roles`.
#[derive(Debug, Deserialize)]
pub(in crate::api) struct PositionForm {
    /// The role.
    pub(in crate::api) id: RoleId,
    /// Its rank.
    #[serde(default)]
    pub(in crate::api) position: Option<u16>,
}
