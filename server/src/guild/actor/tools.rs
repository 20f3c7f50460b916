//! What every guild of a node works with.

use std::sync::Arc;
use std::time::Duration;

use super::RetentionSettings;
use super::preload::Preloads;
use crate::counters::Counters;
use crate::fanout::mail::HubLinks;
use crate::guild::core::CoreSettings;
use crate::journal::Journal;
use crate::protocol::ids::SnowflakeSource;
use crate::supervision::budget::BudgetSettings;

/// What every guild of a node works with.
#[derive(Clone)]
pub struct GuildTools {
    /// The log.
    pub journal: Arc<dyn Journal>,
    /// Ids for messages.
    pub ids: Arc<SnowflakeSource>,
    /// The ways to the hubs.
    pub hubs: HubLinks,
    /// The node's name, for claims.
    pub node: Arc<str>,
    /// The node's figures.
    pub counters: Arc<Counters>,
    /// What a guild may do.
    pub settings: Arc<GuildSettings>,
    /// Guilds that were read before they come here.
    pub preloads: Preloads,
}

/// What a guild may do.
#[derive(Debug, Clone)]
pub struct GuildSettings {
    /// How much it holds.
    pub core: Arc<CoreSettings>,
    /// How often it may panic.
    pub budget: BudgetSettings,
    /// How much history is kept.
    pub retention: RetentionSettings,
    /// How long it stays in memory while nobody uses it.
    pub passivate_after: Duration,
    /// How often it looks whether it is still needed and whether a snapshot is due.
    pub housekeeping: Duration,
}

impl Default for GuildSettings {
    fn default() -> Self {
        Self {
            core: Arc::default(),
            budget: BudgetSettings {
                restarts: 5,
                window: Duration::from_secs(60),
            },
            retention: RetentionSettings::default(),
            passivate_after: Duration::from_secs(300),
            housekeeping: Duration::from_secs(10),
        }
    }
}
