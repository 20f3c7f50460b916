//! `[gateway]`: sessions and their connections.

use super::check::within;
use super::setting::section;

/// `gateway.heartbeat_interval_ms`.
pub const DEFAULT_HEARTBEAT_INTERVAL_MS: u64 = 41_250;
/// `gateway.resume_window_s`.
pub const DEFAULT_RESUME_WINDOW_S: u64 = 120;
/// `gateway.identify_timeout_s`.
pub const DEFAULT_IDENTIFY_TIMEOUT_S: u64 = 60;
/// `gateway.silent_timeout_s`.
pub const DEFAULT_SILENT_TIMEOUT_S: u64 = 20;
/// `gateway.max_sessions`.
pub const DEFAULT_MAX_SESSIONS: usize = 250_000;
/// `gateway.lane_max_bytes`.
pub const DEFAULT_LANE_MAX_BYTES: usize = 4 << 20;
/// `gateway.lane_max_frames`.
pub const DEFAULT_LANE_MAX_FRAMES: usize = 16_384;
/// `gateway.replay_max_bytes`.
pub const DEFAULT_REPLAY_MAX_BYTES: usize = 1 << 20;
/// `gateway.replay_max_events`.
pub const DEFAULT_REPLAY_MAX_EVENTS: usize = 4096;
/// `gateway.reconnect_grace_ms`.
pub const DEFAULT_RECONNECT_GRACE_MS: u64 = 1_000;
/// `gateway.pace_min_ms`.
pub const DEFAULT_PACE_MIN_MS: u64 = 0;
/// `gateway.pace_max_ms`.
pub const DEFAULT_PACE_MAX_MS: u64 = 50;
/// `gateway.write_timeout_s`.
pub const DEFAULT_WRITE_TIMEOUT_S: u64 = 20;
/// `gateway.compression`.
pub const DEFAULT_COMPRESSION: bool = true;
/// `gateway.trail_max_bytes`.
pub const DEFAULT_TRAIL_MAX_BYTES: u64 = 8 << 20;

section! {
    /// Sessions and their connections.
    pub struct Gateway = "gateway" {
        /// How often clients are asked to heartbeat. Two intervals without one close the
        /// connection; the session stays resumable.
        heartbeat_interval_ms: u64 = DEFAULT_HEARTBEAT_INTERVAL_MS, Milliseconds,
            within(300..=3_600_000);
        /// How long a session without a connection can be resumed.
        resume_window_s: u64 = DEFAULT_RESUME_WINDOW_S, Seconds, within(0..=86_400);
        /// How long a connection that heartbeats may stay without Identify or Resume.
        identify_timeout_s: u64 = DEFAULT_IDENTIFY_TIMEOUT_S, Seconds, within(1..=3_600);
        /// How long a new connection may say nothing at all.
        silent_timeout_s: u64 = DEFAULT_SILENT_TIMEOUT_S, Seconds, within(1..=3_600);
        /// Most sessions of this node, with and without a connection.
        max_sessions: usize = DEFAULT_MAX_SESSIONS, Count, within(1..=10_000_000);
        /// Most bytes that wait for one connection; beyond, it is closed, resumable.
        lane_max_bytes: usize = DEFAULT_LANE_MAX_BYTES, Bytes, within(65_536..=1 << 30);
        /// Most frames that wait for one connection; beyond, it is closed, resumable.
        lane_max_frames: usize = DEFAULT_LANE_MAX_FRAMES, Count, within(64..=1 << 24);
        /// Most bytes of events that a session keeps for a Resume; beyond, it is not resumable
        /// from before them.
        replay_max_bytes: usize = DEFAULT_REPLAY_MAX_BYTES, Bytes, within(0..=1 << 30);
        /// Most events that a session keeps for a Resume.
        replay_max_events: usize = DEFAULT_REPLAY_MAX_EVENTS, Count, within(0..=1 << 24);
        /// How long a thread holds an event back at any rate, with little to do as well, where something went to the
        /// same connection that short a time before; `gateway.pace_max_ms` at most.
        pace_min_ms: u64 = DEFAULT_PACE_MIN_MS, Milliseconds, within(0..=1_000);
        /// How long a thread under load may hold an event back, so that several go to a connection in one
        /// write. A thread with little to do holds nothing back beyond `gateway.pace_min_ms`; 0 turns it off.
        pace_max_ms: u64 = DEFAULT_PACE_MAX_MS, Milliseconds, within(0..=1_000);
        /// Bytes of what a worker's sessions were handed after which it is noted in another file, with an
        /// image of each session. Two files are kept, for Resumes after a crash.
        trail_max_bytes: u64 = DEFAULT_TRAIL_MAX_BYTES, Bytes, within(16_384..=1 << 29);
        /// Whether connections that ask for `zlib-stream` or `zstd-stream` get it; without, they are sent
        /// plain text. A compressed connection takes 56 KiB more with zlib and 96 KiB with zstd.
        compression: bool = DEFAULT_COMPRESSION, None;
        /// How long a socket may take nothing of what waits for it; then it is dropped, its session stays resumable.
        write_timeout_s: u64 = DEFAULT_WRITE_TIMEOUT_S, Seconds, within(1..=3_600);
        /// How long a stopping node waits after asking its clients to reconnect.
        reconnect_grace_ms: u64 = DEFAULT_RECONNECT_GRACE_MS, Milliseconds, within(0..=600_000);
    }
}
