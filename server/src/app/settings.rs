//! What each room is told of the settings.

use std::sync::Arc;
use std::time::Duration;

use crate::api;
use crate::auth::origin::Origins;
use crate::auth::rate_limit::{Quota, RestSettings, UpgradeSettings};
use crate::config::{Config, PublicUrl};
use crate::fanout::outbox::OutboxBounds;
use crate::guild::actor::{GuildSettings, RetentionSettings};
use crate::guild::core::{CoreSettings, Retention};
use crate::guild::sweep::SweepSettings;
use crate::placement::executors::BalanceSettings;
use crate::session::core::Patience;
use crate::session::settings::GatewaySettings;
use crate::supervision::budget::BudgetSettings;

/// How long a client may take to answer a close frame.
const CLOSING_MS: u64 = 5_000;

/// When guilds are moved; none where they are not.
pub(super) fn balance_settings(config: &Config) -> Option<BalanceSettings> {
    let guild = &config.guild;
    let share = |percent: u64| percent as f64 / 100.0;
    let promote_share = share(guild.promote_percent);
    let settings = BalanceSettings {
        min_share: share(guild.balance_min_percent),
        settle: Duration::from_secs(guild.balance_settle_s),
        promote_share,
        promote_delay: Duration::from_millis(guild.promote_delay_ms),
        promote_after: Duration::from_secs(guild.promote_after_s),
        // Were there no room between both, a guild would go to and fro.
        demote_share: share(guild.demote_percent).min(0.8 * promote_share),
        demote_after: Duration::from_secs(guild.demote_after_s),
        max_dedicated: guild.dedicated_executors,
    };
    guild.balance.then_some(settings)
}

/// When guilds at rest are woken for their old history: where messages go at some age.
pub(super) fn sweep_settings(config: &Config) -> Option<SweepSettings> {
    let days = config.guild.retention_days;
    (days > 0).then(|| SweepSettings::for_age(Duration::from_secs(days * 24 * 3_600)))
}

pub(super) fn guild_settings(config: &Config) -> GuildSettings {
    let guild = &config.guild;
    GuildSettings {
        core: Arc::new(CoreSettings {
            max_messages: guild.recent_max_messages,
            max_message_bytes: guild.recent_max_bytes,
            ..CoreSettings::default()
        }),
        budget: BudgetSettings {
            restarts: guild.restarts_max,
            window: Duration::from_secs(guild.restarts_window_s),
        },
        passivate_after: Duration::from_secs(guild.passivate_after_s),
        retention: RetentionSettings {
            keep: Retention {
                max_age_ms: (guild.retention_days > 0)
                    .then(|| guild.retention_days * 24 * 3_600 * 1_000),
                max_messages: (guild.retention_messages > 0).then_some(guild.retention_messages),
            },
            ..RetentionSettings::default()
        },
        ..GuildSettings::default()
    }
}

pub(super) fn gateway_settings(config: &Config, public: &PublicUrl) -> GatewaySettings {
    let gateway = &config.gateway;
    GatewaySettings {
        url: public.gateway().into(),
        heartbeat_interval_ms: gateway.heartbeat_interval_ms,
        patience: Patience {
            heartbeat_ms: 2 * gateway.heartbeat_interval_ms,
            identify_ms: gateway.identify_timeout_s * 1_000,
            silent_ms: gateway.silent_timeout_s * 1_000,
            closing_ms: CLOSING_MS,
        },
        resume_window: Duration::from_secs(gateway.resume_window_s),
        outbox: OutboxBounds {
            pending_count: gateway.lane_max_frames,
            pending_bytes: gateway.lane_max_bytes,
            total_count: gateway.lane_max_frames + gateway.replay_max_events,
            total_bytes: gateway.lane_max_bytes + gateway.replay_max_bytes,
        },
        pace: Duration::from_millis(gateway.pace_min_ms)
            ..=Duration::from_millis(gateway.pace_max_ms),
        trail_max_bytes: gateway.trail_max_bytes,
        max_connections: gateway.max_sessions.div_ceil(config.node.workers),
        compression: gateway.compression,
        write_timeout: Duration::from_secs(gateway.write_timeout_s),
        log_deliveries_every: config.log.deliveries_every,
        origins: Origins::new(&config.listen.allowed_origins),
    }
}

pub(super) fn upgrade_settings(config: &Config) -> UpgradeSettings {
    let limits = &config.limits;
    let rate = limits.upgrades_per_address_per_second;
    let period = Duration::from_secs_f64(f64::from(limits.upgrades_burst) / f64::from(rate));
    let default = UpgradeSettings::default();
    UpgradeSettings {
        quota: Quota::new(limits.upgrades_burst, period).unwrap_or(default.quota),
        longest: Duration::from_millis(limits.upgrade_hold_max_ms),
        max_held: limits.upgrades_held_max,
        ..default
    }
}

pub(super) fn api_settings(config: &Config) -> api::Settings {
    let default = api::Settings::default();
    api::Settings {
        max_body: config.limits.body_max_bytes,
        body_timeout: Duration::from_secs(config.limits.body_timeout_s),
        origins: Origins::new(&config.listen.allowed_origins),
        create_message: Quota::per_second(config.limits.messages_per_second),
        rest_limits: RestSettings {
            global: Quota::per_second(config.limits.rest_per_second),
            ..default.rest_limits
        },
        ..default
    }
}
