//! Whether an actor has lost its guild to another one.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

use crate::guild::departure::Forward;

/// Whether an actor has lost its guild: because its executor was stuck, or to another node.
#[derive(Clone, Default)]
pub struct Evicted(Arc<Loss>);

#[derive(Default)]
struct Loss {
    is_set: AtomicBool,
    told: Notify,
    /// Where another node has the guild: the way of mail that waits.
    forward: OnceLock<Forward>,
}

impl Evicted {
    /// Whether it has: then it must write, answer and broadcast nothing any more.
    pub(in crate::guild) fn is_set(&self) -> bool {
        self.0.is_set.load(Ordering::Acquire)
    }

    pub(in crate::guild) fn set(&self) {
        self.0.is_set.store(true, Ordering::Release);
        self.0.told.notify_waiters();
    }

    /// Done once it [is set](Self::is_set).
    pub(in crate::guild) async fn told(&self) {
        let mut told = std::pin::pin!(self.0.told.notified());
        // Before the look, so that what comes after it is heard.
        told.as_mut().enable();
        if !self.is_set() {
            told.await;
        }
    }

    /// Another node has the guild: whatever the actor does not handle any more is to go there.
    pub(super) fn goes(&self, forward: Forward) {
        // A guild goes once.
        let _ = self.0.forward.set(forward);
    }

    /// The way to the other node that has the guild, where one has.
    pub(in crate::guild) fn forward(&self) -> Option<&Forward> {
        self.0.forward.get()
    }
}

impl fmt::Debug for Evicted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evicted")
            .field("is_set", &self.is_set())
            .field("goes", &self.forward().is_some())
            .finish()
    }
}
