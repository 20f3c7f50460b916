//! The guild's own settings: what GUILD_CREATE and `GET /guilds/{id}` have in common.

use serde::{Deserialize, Serialize};

use super::fixed::{EmptyList, False, Null, Zero};
use crate::protocol::{ChannelId, GuildId, UserId};

/// A guild without its channels, roles and members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuildSettings {
    /// The guild's id.
    pub id: GuildId,
    /// 2 to 100 characters.
    pub name: Box<str>,
    /// Always null: images are not stored.
    #[serde(default)]
    pub icon: Null,
    /// Always null.
    #[serde(default)]
    pub splash: Null,
    /// Always null.
    #[serde(default)]
    pub discovery_splash: Null,
    /// Always null.
    #[serde(default)]
    pub banner: Null,
    /// At most 300 characters.
    #[serde(default)]
    pub description: Option<Box<str>>,
    /// Who may do everything.
    pub owner_id: UserId,
    /// Always null.
    #[serde(default)]
    pub afk_channel_id: Null,
    /// Seconds; without meaning here.
    #[serde(default = "default_afk_timeout")]
    pub afk_timeout: u32,
    /// 0 to 4; kept, not enforced.
    #[serde(default)]
    pub verification_level: u8,
    /// 0 or 1.
    #[serde(default)]
    pub default_message_notifications: u8,
    /// 0 to 2; kept, not enforced.
    #[serde(default)]
    pub explicit_content_filter: u8,
    /// Always empty.
    #[serde(default)]
    pub emojis: EmptyList,
    /// Always empty.
    #[serde(default)]
    pub stickers: EmptyList,
    /// Always empty.
    #[serde(default)]
    pub features: EmptyList,
    /// Always 0.
    #[serde(default)]
    pub mfa_level: Zero,
    /// Always null.
    #[serde(default)]
    pub application_id: Null,
    /// Where system messages would go.
    #[serde(default)]
    pub system_channel_id: Option<ChannelId>,
    /// Always 0.
    #[serde(default)]
    pub system_channel_flags: Zero,
    /// Always null.
    #[serde(default)]
    pub rules_channel_id: Null,
    /// Always null.
    #[serde(default)]
    pub public_updates_channel_id: Null,
    /// Always null.
    #[serde(default)]
    pub safety_alerts_channel_id: Null,
    /// Always null.
    #[serde(default)]
    pub vanity_url_code: Null,
    /// Always 0.
    #[serde(default)]
    pub premium_tier: Zero,
    /// Always 0.
    #[serde(default)]
    pub premium_subscription_count: Zero,
    /// Always false.
    #[serde(default)]
    pub premium_progress_bar_enabled: False,
    /// A locale such as `en-US`.
    #[serde(default = "default_locale")]
    pub preferred_locale: Box<str>,
    /// 0 to 3.
    #[serde(default)]
    pub nsfw_level: u8,
    /// Always null.
    #[serde(default)]
    pub max_presences: Null,
    /// Most members; a statement for clients, not a bound.
    #[serde(default = "default_max_members")]
    pub max_members: u32,
}

fn default_afk_timeout() -> u32 {
    300
}

fn default_locale() -> Box<str> {
    "en-US".into()
}

fn default_max_members() -> u32 {
    500_000
}

impl GuildSettings {
    /// A new guild with everything at its default.
    pub fn new(id: GuildId, name: impl Into<Box<str>>, owner_id: UserId) -> Self {
        Self {
            id,
            name: name.into(),
            icon: Null,
            splash: Null,
            discovery_splash: Null,
            banner: Null,
            description: None,
            owner_id,
            afk_channel_id: Null,
            afk_timeout: default_afk_timeout(),
            verification_level: 0,
            default_message_notifications: 0,
            explicit_content_filter: 0,
            emojis: EmptyList,
            stickers: EmptyList,
            features: EmptyList,
            mfa_level: Zero,
            application_id: Null,
            system_channel_id: None,
            system_channel_flags: Zero,
            rules_channel_id: Null,
            public_updates_channel_id: Null,
            safety_alerts_channel_id: Null,
            vanity_url_code: Null,
            premium_tier: Zero,
            premium_subscription_count: Zero,
            premium_progress_bar_enabled: False,
            preferred_locale: default_locale(),
            nsfw_level: 0,
            max_presences: Null,
            max_members: default_max_members(),
        }
    }
}
