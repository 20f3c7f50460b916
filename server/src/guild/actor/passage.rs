//! How a guild passes from one actor to another.

use std::time::Instant;

use tokio::sync::oneshot;

use crate::guild::departure::Forward;
use crate::guild::handoff::baton::{Handing, Word};

/// What an actor keeps that a guild passes to or from. The registry lets it pass once at a time.
pub(super) enum Passage {
    /// Until it is given the word by the actor that it follows.
    Follows {
        word: oneshot::Receiver<Word>,
        /// Told once that the actor has started.
        ready: Option<oneshot::Sender<()>>,
    },
    /// From when it is told to leave its executor until it has handed over.
    Leaves {
        handing: Handing,
        /// When it had handled its last mail.
        released: Instant,
    },
    /// The guild may go to another node: it comes to rest, and then waits for what is decided.
    Rests {
        at_rest: Option<oneshot::Sender<Instant>>,
        fate: oneshot::Receiver<()>,
        forward: Forward,
    },
    /// The guild has gone to another node.
    Gone(Forward),
}
