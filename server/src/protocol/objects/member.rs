//! Members of a guild.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::User;
use super::fixed::{False, Null, Zero};
use crate::protocol::{RoleId, Timestamp};

/// A user's membership of one guild.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The account.
    pub user: Arc<User>,
    /// The name in this guild, at most 32 characters.
    #[serde(default)]
    pub nick: Option<Box<str>>,
    /// Always null.
    #[serde(default)]
    pub avatar: Null,
    /// Roles beside `@everyone`.
    pub roles: Box<[RoleId]>,
    /// When the user joined.
    pub joined_at: Timestamp,
    /// Always null.
    #[serde(default)]
    pub premium_since: Null,
    /// Always false.
    #[serde(default)]
    pub deaf: False,
    /// Always false.
    #[serde(default)]
    pub mute: False,
    /// Always 0.
    #[serde(default)]
    pub flags: Zero,
    /// Always false.
    #[serde(default)]
    pub pending: False,
    /// Until when the member may only read, if so.
    #[serde(default)]
    pub communication_disabled_until: Option<Timestamp>,
}
