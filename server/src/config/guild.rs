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

/// `guild.balance`.
pub const DEFAULT_BALANCE: bool = true;
/// `guild.balance_min_percent`.
pub const DEFAULT_BALANCE_MIN_PERCENT: u64 = 20;
/// `guild.balance_settle_s`.
pub const DEFAULT_BALANCE_SETTLE_S: u64 = 30;
/// `guild.promote_percent`.
pub const DEFAULT_PROMOTE_PERCENT: u64 = 50;
/// `guild.promote_delay_ms`.
pub const DEFAULT_PROMOTE_DELAY_MS: u64 = 5;
/// `guild.promote_after_s`.
pub const DEFAULT_PROMOTE_AFTER_S: u64 = 5;
/// `guild.demote_percent`.
pub const DEFAULT_DEMOTE_PERCENT: u64 = 20;
/// `guild.demote_after_s`.
pub const DEFAULT_DEMOTE_AFTER_S: u64 = 30;

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
        recent_max_messages: usize = DEFAULT_RECENT_MAX_MESSAGES, Count, within(100..=1 << 20);
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
        /// Whether guilds are moved between threads by themselves: off threads that have too much to do
        /// beside others that have little, to a thread of their own and back. By hand they are in any
        /// case.
        balance: bool = DEFAULT_BALANCE, None;
        /// A thread that runs guilds and is less busy than this is not relieved.
        balance_min_percent: u64 = DEFAULT_BALANCE_MIN_PERCENT, Percent, within(1..=100);
        /// How long a guild stays where it came to before it is moved again by itself.
        balance_settle_s: u64 = DEFAULT_BALANCE_SETTLE_S, Seconds, within(0..=3_600);
        /// A guild that takes at least this part of its thread's time gets one of its own, where also
        /// somebody waits for that.
        promote_percent: u64 = DEFAULT_PROMOTE_PERCENT, Percent, within(1..=100);
        /// What is posted to the guild, or the other guilds of its thread, wait at least this long.
        promote_delay_ms: u64 = DEFAULT_PROMOTE_DELAY_MS, Milliseconds, within(0..=60_000);
        /// For how long both have to hold without a break.
        promote_after_s: u64 = DEFAULT_PROMOTE_AFTER_S, Seconds, within(0..=3_600);
        /// A guild that takes less than this part of a thread of its own gives it back; at most four
        /// fifths of guild.promote_percent count.
        demote_percent: u64 = DEFAULT_DEMOTE_PERCENT, Percent, within(0..=100);
        /// For how long that has to hold without a break.
        demote_after_s: u64 = DEFAULT_DEMOTE_AFTER_S, Seconds, within(0..=86_400);
        /// How long a guild without sessions and requests stays in memory.
        passivate_after_s: u64 = DEFAULT_PASSIVATE_AFTER_S, Seconds, within(1..=86_400);
    }
}
