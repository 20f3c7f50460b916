//! What everybody is to do at the moment.

use std::sync::Arc;
use std::time::Duration;

/// What publishers and subscribers are to do.
#[derive(Debug, Clone)]
pub enum Phase {
    /// Publish.
    Load {
        /// The round, counted from 1.
        round: usize,
        /// A publisher's mean pause between two requests.
        gap: Duration,
    },
    /// Publishers finish what they began; sessions go on.
    Drain,
    /// Sessions read on to this message of each guild, or a later one.
    End(Arc<Vec<u64>>),
    /// Enough is broken: everybody stops at once.
    Abort,
}
