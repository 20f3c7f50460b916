//! Presences: who is online.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A status on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Connected and active.
    #[default]
    Online,
    /// Connected and away.
    Idle,
    /// Connected, not to be disturbed.
    Dnd,
    /// Connected, shown as offline.
    Invisible,
    /// Not connected.
    Offline,
}

impl Status {
    /// What others are shown: invisible looks like offline.
    #[must_use]
    pub const fn shown(self) -> Self {
        match self {
            Self::Invisible => Self::Offline,
            other => other,
        }
    }
}

/// What a session says of itself: a status and what the user is doing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Presence {
    /// The status.
    #[serde(default)]
    pub status: Status,
    /// Discord activity objects, as the client sent them; bounded by the inbound payload limit.
    #[serde(default)]
    pub activities: Vec<Box<RawValue>>,
}
