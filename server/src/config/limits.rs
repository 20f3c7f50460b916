//! `[limits]`: what one client may ask for.

use super::check::within;
use super::setting::section;

/// `limits.rest_per_second`.
pub const DEFAULT_REST_PER_SECOND: u32 = 50;
/// `limits.messages_per_second`.
pub const DEFAULT_MESSAGES_PER_SECOND: u32 = 10;
/// `limits.upgrades_per_address_per_second`.
pub const DEFAULT_UPGRADES_PER_ADDRESS_PER_SECOND: u32 = 500;
/// `limits.upgrades_burst`.
pub const DEFAULT_UPGRADES_BURST: u32 = 2_000;
/// `limits.upgrade_hold_max_ms`.
pub const DEFAULT_UPGRADE_HOLD_MAX_MS: u64 = 10_000;
/// `limits.upgrades_held_max`.
pub const DEFAULT_UPGRADES_HELD_MAX: usize = 4_096;
/// `limits.connections_per_address`.
pub const DEFAULT_CONNECTIONS_PER_ADDRESS: usize = 100_000;
/// `limits.identifies_per_day`.
pub const DEFAULT_IDENTIFIES_PER_DAY: u32 = 1_000;
/// `limits.head_timeout_s`.
pub const DEFAULT_HEAD_TIMEOUT_S: u64 = 10;
/// `limits.body_timeout_s`.
pub const DEFAULT_BODY_TIMEOUT_S: u64 = 20;
/// `limits.body_max_bytes`.
pub const DEFAULT_BODY_MAX_BYTES: usize = 256 << 10;

section! {
    /// What one client may ask for.
    pub struct Limits = "limits" {
        /// REST requests per token.
        rest_per_second: u32 = DEFAULT_REST_PER_SECOND, PerSecond, within(1..=1_000_000);
        /// Messages sent per token and channel.
        messages_per_second: u32 = DEFAULT_MESSAGES_PER_SECOND, PerSecond, within(1..=1_000_000);
        /// Gateway connections per address. What comes faster is held back, not refused: some
        /// libraries connect again at once when refused.
        upgrades_per_address_per_second: u32 = DEFAULT_UPGRADES_PER_ADDRESS_PER_SECOND, PerSecond,
            within(1..=1_000_000);
        /// Gateway connections that an address may open at once before that rate holds.
        upgrades_burst: u32 = DEFAULT_UPGRADES_BURST, Count, within(1..=1_000_000);
        /// Longest time that a connection is held back; one that would wait longer is refused.
        upgrade_hold_max_ms: u64 = DEFAULT_UPGRADE_HOLD_MAX_MS, Milliseconds, within(0..=600_000);
        /// Most connections held back at a time; one more is refused.
        upgrades_held_max: usize = DEFAULT_UPGRADES_HELD_MAX, Count, within(0..=1_000_000);
        /// Gateway connections that an address (of IPv6: the network of its first 64 bits) has at a
        /// time; one more is refused.
        connections_per_address: usize = DEFAULT_CONNECTIONS_PER_ADDRESS, Count,
            within(1..=10_000_000);
        /// Sessions that a user may start in a day, on this node; one more is answered with op 9. Resumes are
        /// not counted.
        identifies_per_day: u32 = DEFAULT_IDENTIFIES_PER_DAY, Count, within(1..=1_000_000_000);
        /// Largest body of a REST request.
        body_max_bytes: usize = DEFAULT_BODY_MAX_BYTES, Bytes, within(4_096..=64 << 20);
        /// How long the body of a REST request may take to arrive.
        body_timeout_s: u64 = DEFAULT_BODY_TIMEOUT_S, Seconds, within(1..=3_600);
        /// How long the head of a request, a WebSocket handshake among them, may take to arrive.
        head_timeout_s: u64 = DEFAULT_HEAD_TIMEOUT_S, Seconds, within(1..=3_600);
    }
}
