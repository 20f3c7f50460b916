//! Sessions that go from one node to another: how a Resume finds the one that it names wherever it is, and how this node's
//! are let go.
//!
//! A node that lets a session go takes it out of its workers, keeps its final state ([`SessionStore`]) and then has no part in it
//! any more. Whoever wants it claims it first: of several nodes one gets it, and none while it is still used elsewhere
//! (*invariant I10*).

mod fetch;
mod leaving;
mod note;
mod noting;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};

pub use leaving::Leaving;
pub use waiting::{Waiting, Waits};

use super::id::SessionId;
use super::links::{HubMail, WorkerLinks, within};
use super::parcel;
use super::parked::Parked;
use crate::clock;
use crate::cluster::sessions::{
    Holders, Kept, SessionStore, Soon, StoreError, Wanted, Yielded, Yields,
};
use crate::counters::Counters;
use crate::protocol::UserId;
use noting::Noting;

/// Resumes that are looked after at the same time; the others wait.
const FETCHES: usize = 256;
/// How long a worker may take to let a session go.
const LETS_GO: Duration = Duration::from_secs(2);

/// How this node finds sessions, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct ElsewhereSettings {
    /// This process.
    pub process: u64,
    /// How long a session can be resumed after its connection ended.
    pub resume_window: Duration,
    /// For how long a process that does not answer is waited for: longer than it takes to be taken off the list of nodes.
    pub patience: Duration,
    /// How often a session to which something has happened is noted.
    pub note_every: Duration,
}

/// The sessions of the cluster, as this node sees them. Cheap to clone.
#[derive(Clone)]
pub struct Elsewhere {
    inner: Arc<Inner>,
}

struct Inner {
    settings: ElsewhereSettings,
    store: Arc<dyn SessionStore>,
    holders: Arc<dyn Holders>,
    links: WorkerLinks,
    handle: Handle,
    counters: Arc<Counters>,
    places: Semaphore,
    noting: Noting,
}

impl Elsewhere {
    /// The sessions in this store and with these others; what takes a moment is done on a runtime of its own.
    pub fn new(
        settings: ElsewhereSettings,
        (store, holders): (Arc<dyn SessionStore>, Arc<dyn Holders>),
        links: WorkerLinks,
        handle: Handle,
        counters: Arc<Counters>,
    ) -> Self {
        let (noting, batches) = Noting::new();
        let inner = Arc::new(Inner {
            settings,
            store,
            holders,
            links,
            handle,
            counters,
            places: Semaphore::new(FETCHES),
            noting,
        });
        // It ends with what it serves.
        inner
            .handle
            .spawn(noting::run(Arc::downgrade(&inner), batches));
        Self { inner }
    }

    /// How often workers look for sessions to note.
    pub fn note_every(&self) -> Duration {
        self.inner.settings.note_every
    }

    /// Keeps the final state of a session that no worker has any more. Where that fails the session is this node's again, for
    /// a client that comes back.
    pub async fn keep(&self, session: Parked) -> Result<(), StoreError> {
        let id = session.parts.id;
        let kept = self.keep_final(session).await;
        self.inner.links.has_left(id);
        kept
    }

    async fn keep_final(&self, session: Parked) -> Result<(), StoreError> {
        let inner = &self.inner;
        let (id, claim) = (session.parts.id, session.claim);
        let (packed, session) = match parcel::pack(session, inner.store.max_bytes()) {
            Ok(packed) => packed,
            Err(session) => {
                tracing::warn!(session = ?id, "a session is too large for another node");
                inner.links.parked.fill([*session]);
                return Err(StoreError::TooLarge(inner.store.max_bytes()));
            }
        };
        // A note of it that is on its way must not take the place of its final state.
        self.notes_are_kept().await;
        let kept = Kept {
            process: inner.settings.process,
            claim,
            is_final: true,
            state: packed.into(),
        };
        let put = inner.store.put(&id.to_string(), kept).await;
        match put {
            Ok(()) => {
                inner.counters.sessions_let_go.inc();
                Ok(())
            }
            Err(error) => {
                tracing::warn!(session = ?id, %error, "a session is not kept for other nodes");
                // Should it be kept all the same, whoever claims it first has it.
                inner.links.parked.fill([session]);
                Err(error)
            }
        }
    }

    /// Takes a session from before this node's last start, where it is one and can still be resumed.
    fn take_parked(&self, id: SessionId, user: UserId, seq: u64) -> Option<Parked> {
        let Inner {
            links, settings, ..
        } = &*self.inner;
        let window_ms = settings.resume_window.as_millis() as u64;
        links
            .parked
            .claim(id, user, seq, clock::unix_ms(), window_ms)
            .ok()
    }

    /// The session may be from before this node's last start.
    async fn yield_parked(&self, id: SessionId, wanted: &Wanted) -> Option<Yielded> {
        let Some(claimed) = self.take_parked(id, wanted.user, wanted.seq) else {
            return Some(Yielded::Gone);
        };
        self.inner.links.set_leaving(id);
        let session = Parked {
            detached_ms: clock::unix_ms(),
            ..claimed
        };
        self.keep_wanted(session).await
    }

    /// Keeps a session that is wanted elsewhere.
    async fn keep_wanted(&self, session: Parked) -> Option<Yielded> {
        match self.keep(session).await {
            Ok(()) => Some(Yielded::Kept),
            // It never gets there: its client is to start anew.
            Err(StoreError::TooLarge(_)) => Some(Yielded::Gone),
            Err(StoreError::Unavailable(_)) => None,
        }
    }

    /// Whether a session that no worker has now is about to be kept, or on its way to a worker.
    fn is_between(&self, id: SessionId) -> bool {
        self.inner.links.is_leaving(id) || self.is_coming(id)
    }

    /// Whether a session is claimed by this node and not with a worker yet.
    fn is_coming(&self, id: SessionId) -> bool {
        let links = &self.inner.links;
        links.claim_of(id) != 0 && links.find(id).is_none()
    }

    async fn yield_one(&self, wanted: Wanted) -> Option<Yielded> {
        let links = &self.inner.links;
        let Ok(id) = wanted.session.parse::<SessionId>() else {
            return Some(Yielded::Gone);
        };
        let Some(hub) = links.find(id) else {
            // Looked at last: it is leaving before no worker has it.
            if self.is_between(id) {
                return None;
            }
            return self.yield_parked(id, &wanted).await;
        };
        let (reply, answer) = oneshot::channel();
        let mail = HubMail::LetOneGo {
            session: id,
            user: wanted.user,
            seq: wanted.seq,
            reply,
        };
        if !links.post(hub, mail) {
            return Some(Yielded::Gone);
        }
        match within(LETS_GO, answer).await? {
            Some(session) => self.keep_wanted(*session).await,
            // Somebody else may have had it taken out before, or it has gone on to another worker.
            None if self.is_between(id) || links.find(id).is_some_and(|now| now != hub) => None,
            None => Some(Yielded::Gone),
        }
    }
}

impl Yields for Elsewhere {
    fn yields(&self, wanted: Wanted) -> Soon<Option<Yielded>> {
        let this = self.clone();
        Box::pin(async move { this.yield_one(wanted).await })
    }
}

#[cfg(test)]
mod tests;
