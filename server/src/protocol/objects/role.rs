//! Roles of a guild.

use serde::{Deserialize, Serialize};

use super::fixed::{False, Null, Zero};
use crate::protocol::RoleId;
use crate::protocol::permissions::Permissions;

/// A role; the one with the guild's own id is `@everyone`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// The role's id.
    pub id: RoleId,
    /// 1 to 100 characters.
    pub name: Box<str>,
    /// 24-bit RGB.
    pub color: u32,
    /// The same colour in the newer form.
    #[serde(default)]
    pub colors: RoleColors,
    /// Whether members with it are listed apart.
    pub hoist: bool,
    /// Rank; `@everyone` has 0.
    pub position: u16,
    /// What it grants.
    pub permissions: Permissions,
    /// Always false.
    #[serde(default)]
    pub managed: False,
    /// Whether everyone may mention it.
    pub mentionable: bool,
    /// Always null.
    #[serde(default)]
    pub icon: Null,
    /// Always null.
    #[serde(default)]
    pub unicode_emoji: Null,
    /// Always 0.
    #[serde(default)]
    pub flags: Zero,
}

/// A role's colour in the form that newer libraries read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RoleColors {
    /// 24-bit RGB.
    pub primary_color: u32,
    /// Always null.
    #[serde(default)]
    pub secondary_color: Null,
    /// Always null.
    #[serde(default)]
    pub tertiary_color: Null,
}

impl RoleColors {
    /// One plain colour.
    pub const fn plain(color: u32) -> Self {
        Self {
            primary_color: color,
            secondary_color: Null,
            tertiary_color: Null,
        }
    }
}
