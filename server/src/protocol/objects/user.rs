//! Users and bots.

use serde::{Deserialize, Serialize};

use super::fixed::{NoDiscriminator, Null, Zero};
use crate::protocol::UserId;

/// An account as others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The account's id.
    pub id: UserId,
    /// 2 to 32 characters.
    pub username: Box<str>,
    /// Always `"0"`.
    #[serde(default)]
    pub discriminator: NoDiscriminator,
    /// The name shown, where it differs from the username.
    #[serde(default)]
    pub global_name: Option<Box<str>>,
    /// Always null: images are not stored.
    #[serde(default)]
    pub avatar: Null,
    /// Whether the account is a bot.
    #[serde(default)]
    pub bot: bool,
    /// Always 0.
    #[serde(default)]
    pub public_flags: Zero,
}

impl User {
    /// An account with just a name.
    pub fn new(id: UserId, username: impl Into<Box<str>>, bot: bool) -> Self {
        Self {
            id,
            username: username.into(),
            discriminator: NoDiscriminator,
            global_name: None,
            avatar: Null,
            bot,
            public_flags: Zero,
        }
    }
}
