//! What a valid token lets its bearer do.

use std::sync::Arc;

use crate::protocol::GuildId;

/// Names a token without telling it: 64 bits that follow from what was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Fingerprint(pub u64);

/// What a valid token says, whichever kind it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Whose token it is; not 0.
    pub user_id: u64,
    /// Whether that user is a bot, where nobody has heard of the account yet.
    pub bot: bool,
    /// When it was signed, in seconds since the Unix epoch; 0 where it does not say.
    pub issued_at: u64,
    /// When it ends, in seconds since the Unix epoch.
    pub expires_at: Option<u64>,
    /// The guilds that it is good for; `None` where it is good for all.
    pub guilds: Option<Arc<Vec<GuildId>>>,
    /// Its name in the list of revoked tokens.
    pub fingerprint: Fingerprint,
}

impl Grant {
    /// Whether it is good for a guild.
    pub fn allows(&self, guild: GuildId) -> bool {
        let guilds = self.guilds.as_deref();
        guilds.is_none_or(|guilds| guilds.contains(&guild))
    }

    /// Whether it is good for some guilds only; then it is for nothing outside them either.
    pub const fn is_limited(&self) -> bool {
        self.guilds.is_some()
    }

    /// Whether it has ended by now.
    pub fn is_over(&self, now_s: u64) -> bool {
        self.expires_at.is_some_and(|end| now_s >= end)
    }
}
