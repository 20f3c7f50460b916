//! A running guild that goes to another node.
//!
//! Its actor comes to rest: everything that it has handled is in the journal, answered and broadcast. Then it handles
//! nothing more, while its mail waits, until it is decided: the guild stays, and the actor goes on as though nothing had
//! been, or it is gone, and what waits is told to go there.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use super::actor::GuildMail;
use super::registry::Registry;
use crate::protocol::{ApiError, GuildId};

/// Hands mail of this node's hubs on to where the guild is.
pub type Forward = Arc<dyn Fn(GuildMail) + Send + Sync>;

/// What an actor is told that is to come to rest.
pub struct Farewell {
    /// Told when it has; gone where it cannot.
    pub(super) at_rest: oneshot::Sender<Instant>,
    /// Told when the guild is gone; where that is dropped, it stays.
    pub(super) fate: oneshot::Receiver<()>,
    /// For mail that waits.
    pub(super) forward: Forward,
}

impl fmt::Debug for Farewell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Farewell")
    }
}

/// A guild at rest: where this is dropped before its node has let it go, it stays.
#[must_use]
pub struct Departure {
    pub(super) registry: Registry,
    pub(super) guild: GuildId,
    /// The actor that rests.
    pub(super) incarnation: u64,
    /// When it had handled its last mail.
    pub(super) at_rest: Instant,
}

impl Departure {
    /// When the guild had handled its last mail.
    pub const fn at_rest(&self) -> Instant {
        self.at_rest
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        self.registry.stays(self.guild, self.incarnation);
    }
}

/// The HTTP status of [`moved_away`]: misdirected request.
const MISDIRECTED: u16 = 421;

/// The answer of a guild that has gone to another node: the request was not carried out, and is to be asked there.
pub(in crate::guild) const fn moved_away() -> ApiError {
    ApiError {
        status: MISDIRECTED,
        code: 0,
        message: std::borrow::Cow::Borrowed("the guild is on another node"),
        field: None,
        retry_after_ms: None,
    }
}

/// Whether an answer says so.
pub(super) const fn is_moved_away(error: &ApiError) -> bool {
    error.status == MISDIRECTED
}
