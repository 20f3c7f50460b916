//! Whether an actor has lost its guild to another one.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::guild::departure::Forward;
use crate::guild::seldom::{Blank, Seldom};

/// Whether an actor has lost its guild: because its executor was stuck, or to another node.
#[derive(Clone, Default)]
pub struct Evicted(Arc<Loss>);

#[derive(Default)]
struct Loss {
    is_set: AtomicBool,
    circumstances: Mutex<Seldom<Circumstances>>,
}

#[derive(Default)]
struct Circumstances {
    /// The actor's task, while it waits to be [told](Evicted::told).
    waiting: Option<Waker>,
    /// Where another node has the guild: the way of mail that waits.
    forward: Option<Forward>,
}

impl Blank for Circumstances {
    const BLANK: &'static Self = &Self {
        waiting: None,
        forward: None,
    };

    fn is_blank(&self) -> bool {
        self.waiting.is_none() && self.forward.is_none()
    }
}

impl Evicted {
    /// Whether it has: then it must write, answer and broadcast nothing any more.
    pub(in crate::guild) fn is_set(&self) -> bool {
        self.0.is_set.load(Ordering::Acquire)
    }

    pub(in crate::guild) fn set(&self) {
        self.0.is_set.store(true, Ordering::Release);
        let waiting = self.0.lock().made().and_then(|it| it.waiting.take());
        if let Some(task) = waiting {
            task.wake();
        }
    }

    /// Done once it [is set](Self::is_set). Only the actor's own task may wait, for one of these at a time.
    pub(in crate::guild) fn told(&self) -> impl Future<Output = ()> {
        Told(&self.0)
    }

    /// Another node has the guild: whatever the actor does not handle any more is to go there.
    pub(super) fn goes(&self, forward: Forward) {
        // A guild goes once.
        self.0.lock().forward.get_or_insert(forward);
    }

    /// The way to the other node that has the guild, where one has.
    pub(in crate::guild) fn forward(&self) -> Option<Forward> {
        self.0.lock().forward.clone()
    }
}

impl Loss {
    fn lock(&self) -> MutexGuard<'_, Seldom<Circumstances>> {
        let circumstances = self.circumstances.lock();
        circumstances.unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Evicted::told`].
struct Told<'a>(&'a Loss);

impl Future for Told<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<()> {
        // Before the look, so that what comes after it is heard.
        self.0.lock().waiting = Some(task.waker().clone());
        if self.0.is_set.load(Ordering::Acquire) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        let mut circumstances = self.0.lock();
        if let Some(made) = circumstances.made() {
            made.waiting = None;
        }
        circumstances.give_back();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_is_told_and_nothing_is_kept_of_it() {
        let evicted = Evicted::default();
        let told = evicted.told();
        tokio::join!(biased; told, async { evicted.set() });
        assert!(evicted.is_set());
        assert!(evicted.0.lock().made().is_none());
        evicted.told().await;
        evicted.goes(Arc::new(|_| ()));
        evicted.told().await;
        assert!(evicted.forward().is_some());
    }
}
