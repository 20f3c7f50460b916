//! `[guild]`: what one guild may hold.

use super::check::within;
use super::node::default_executors;
use super::setting::section;

/// `guild.mailbox_max_requests`.
pub const DEFAULT_MAILBOX_MAX_REQUESTS: usize = 4096;
/// `guild.mailbox_max_bytes`.
pub const DEFAULT_MAILBOX_MAX_BYTES: usize = 8 << 20;
/// `guild.request_timeout_ms`.
pub const DEFAULT_REQUEST_TIMEOUT_MS: u64 = 10_000;
/// `guild.recent_max_messages`.
pub const DEFAULT_RECENT_MAX_MESSAGES: usize = 10_000;
/// `guild.recent_max_bytes`.
pub const DEFAULT_RECENT_MAX_BYTES: usize = 16 << 20;
/// `guild.restarts_max`.
pub const DEFAULT_RESTARTS_MAX: usize = 5;
/// `guild.restarts_window_s`.
pub const DEFAULT_RESTARTS_WINDOW_S: u64 = 60;
/// `guild.stuck_after_ms`.
pub const DEFAULT_STUCK_AFTER_MS: u64 = 3_000;
/// `guild.passivate_after_s`.
pub const DEFAULT_PASSIVATE_AFTER_S: u64 = 300;
/// Default of `guild.dedicated_executors`: half the cores, at least one.
pub fn default_dedicated_executors() -> usize {
    default_executors()
}

/// `guild.retention_days`.
pub const DEFAULT_RETENTION_DAYS: u64 = 0;
/// `guild.retention_messages`.
pub const DEFAULT_RETENTION_MESSAGES: u64 = 0;

section! {
    /// What one guild may hold.
    pub struct Guild = "guild" {
        /// Most requests that wait for a guild; beyond, they are answered with 503.
        mailbox_max_requests: usize = DEFAULT_MAILBOX_MAX_REQUESTS, Count, within(1..=1 << 20);
        /// Most bytes of requests that wait for a guild; beyond, they are answered with 503.
        mailbox_max_bytes: usize = DEFAULT_MAILBOX_MAX_BYTES, Bytes, within(65_536..=1 << 30);
        /// How long a request to a guild may take before it is answered with 503.
        request_timeout_ms: u64 = DEFAULT_REQUEST_TIMEOUT_MS, Milliseconds, within(10..=600_000);
        /// Most recent messages that a guild keeps in memory, all its channels together.
        recent_max_messages: usize = DEFAULT_RECENT_MAX_MESSAGES, Count, within(100..=1 << 24);
        /// Most bytes of recent messages that a guild keeps in memory.
        recent_max_bytes: usize = DEFAULT_RECENT_MAX_BYTES, Bytes, within(65_536..=1 << 34);
        /// Most restarts of a guild that panics, within the window; beyond, it is quarantined.
        restarts_max: usize = DEFAULT_RESTARTS_MAX, Count, within(0..=1_000);
        /// The window in which restarts are counted.
        restarts_window_s: u64 = DEFAULT_RESTARTS_WINDOW_S, Seconds, within(1..=86_400);
        /// For how many days messages are kept; 0 for ever.
        retention_days: u64 = DEFAULT_RETENTION_DAYS, None, within(0..=36_500);
        /// How many messages a guild keeps, the newest ones, deleted ones counted; up to a 32nd more
        /// may stay. 0 for all.
        retention_messages: u64 = DEFAULT_RETENTION_MESSAGES, Count, within(0..=1 << 40);
        /// How long a thread that runs guilds may give no sign of life; beyond, its guilds are moved to
        /// another one, and the guild that it does not get away from is quarantined.
        stuck_after_ms: u64 = DEFAULT_STUCK_AFTER_MS, Milliseconds, within(1_000..=600_000);
        /// Most guilds that have a thread of their own. By default one per two cores.
        dedicated_executors: usize = default_dedicated_executors(), Count, within(0..=1024);
        /// How long a guild without sessions and requests stays in memory.
        passivate_after_s: u64 = DEFAULT_PASSIVATE_AFTER_S, Seconds, within(1..=86_400);
    }
}
