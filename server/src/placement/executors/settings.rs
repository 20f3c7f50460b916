//! From when on guilds are moved.

use std::time::Duration;

/// From when on guilds are moved. Shares are of a thread's time, 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct BalanceSettings {
    /// A shared thread that is less busy than this is not relieved.
    pub min_share: f64,
    /// How long a guild stays where it came to before it is moved on or back.
    pub settle: Duration,
    /// A guild at or above this share is promoted, where also its delay is long enough.
    pub promote_share: f64,
    /// What is posted to the guild, or the other guilds of its thread, wait at least this long.
    pub promote_delay: Duration,
    /// Both hold for this long without a break.
    pub promote_after: Duration,
    /// A guild on a thread of its own is demoted below this share; less than `promote_share`.
    pub demote_share: f64,
    /// It stays below for this long without a break.
    pub demote_after: Duration,
    /// Most threads that are one guild's own.
    pub max_dedicated: usize,
}

impl Default for BalanceSettings {
    fn default() -> Self {
        Self {
            min_share: 0.2,
            settle: Duration::from_secs(30),
            promote_share: 0.5,
            promote_delay: Duration::from_millis(5),
            promote_after: Duration::from_secs(5),
            demote_share: 0.2,
            demote_after: Duration::from_secs(30),
            max_dedicated: 1,
        }
    }
}
