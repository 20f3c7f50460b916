//! What the gateway allows.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::core::Patience;
use crate::auth::origin::Origins;
use crate::fanout::outbox::OutboxBounds;

/// Settings of sessions and connections.
#[derive(Debug, Clone)]
pub struct GatewaySettings {
    /// `ws://host:port/gateway`, without a trailing slash; what READY tells to resume at.
    pub url: Arc<str>,
    /// Sent in Hello, in milliseconds.
    pub heartbeat_interval_ms: u64,
    /// How long a client may be silent.
    pub patience: Patience,
    /// How long a session without a connection is kept.
    pub resume_window: Duration,
    /// How much a session may hold.
    pub outbox: OutboxBounds,
    /// How long an event is held back at least, and at most, to share a write with others.
    pub pace: RangeInclusive<Duration>,
    /// Bytes after which a worker's trail goes on in another file.
    pub trail_max_bytes: u64,
    /// Sessions and unidentified connections of one worker.
    pub max_connections: usize,
    /// Whether connections that ask for compression get it.
    pub compression: bool,
    /// How long a socket may take nothing of what is written to it.
    pub write_timeout: Duration,
    /// Of how many deliveries the log tells of one; 0 for none.
    pub log_deliveries_every: u64,
    /// Pages of which other origins may connect.
    pub origins: Origins,
}
