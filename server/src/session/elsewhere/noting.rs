//! Notes sessions for other nodes, as their workers hand them over.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::{mpsc, watch};

use super::note::{Note, table_bytes};
use super::{Elsewhere, Inner};
use crate::clock;
use crate::cluster::sessions::{Kept, StoreError};
use crate::fanout::Visibility;
use crate::session::parked::Parked;

/// Batches that wait.
const BATCHES: usize = 64;
/// How long notes are waited for.
const NOTES: Duration = Duration::from_secs(5);
/// Notes that are on their way at the same time.
const TOGETHER: usize = 256;

/// What workers hand over.
#[derive(Debug)]
pub(super) struct Noting {
    batches: mpsc::Sender<Vec<Parked>>,
    /// Batches that were handed over, and those that are done with.
    handed: AtomicU64,
    done: watch::Sender<u64>,
    /// Notes that were not kept: all are made anew then.
    failures: AtomicU64,
}

/// What is noted, for who does it.
pub(super) type Batches = mpsc::Receiver<Vec<Parked>>;

impl Noting {
    pub(super) fn new() -> (Self, Batches) {
        let (batches, waiting) = mpsc::channel(BATCHES);
        let noting = Self {
            batches,
            handed: AtomicU64::new(0),
            done: watch::Sender::new(0),
            failures: AtomicU64::new(0),
        };
        (noting, waiting)
    }
}

/// A table that is kept.
struct Table {
    /// Holds it where it is: its address tells it from others.
    _held: Arc<Visibility>,
    name: u64,
    kept_at: Instant,
}

/// The tables that notes name, by where they are in memory.
struct Tables {
    known: HashMap<usize, Table>,
    /// For how long what was kept is good enough.
    lasts: Duration,
}

impl Elsewhere {
    /// Hands sessions over to be noted. False where too many wait: they have to be handed over again.
    pub fn note(&self, sessions: Vec<Parked>) -> bool {
        let noting = &self.inner.noting;
        let Ok(place) = noting.batches.try_reserve() else {
            return false;
        };
        // Before it can be done with.
        noting.handed.fetch_add(1, Ordering::SeqCst);
        place.send(sessions);
        true
    }

    /// Waits until all that was handed over so far is kept, or was given up.
    pub(super) async fn notes_are_kept(&self) {
        let noting = &self.inner.noting;
        let handed = noting.handed.load(Ordering::SeqCst);
        let mut done = noting.done.subscribe();
        let done = done.wait_for(|done| *done >= handed);
        if tokio::time::timeout(NOTES, done).await.is_err() {
            tracing::warn!("notes of sessions are not kept in time");
        }
    }

    /// How many notes were not kept so far; where it has grown, all sessions are to be noted again.
    pub fn failed_notes(&self) -> u64 {
        self.inner.noting.failures.load(Ordering::Relaxed)
    }

    /// After how long a session is noted again to which nothing has happened, so that its note does not go.
    pub fn refresh_after(&self) -> Duration {
        refresh_after(&self.inner)
    }
}

fn refresh_after(inner: &Inner) -> Duration {
    inner.settings.resume_window.max(Duration::from_secs(30)) / 2
}

/// Keeps notes for as long as there are workers.
pub(super) async fn run(elsewhere: std::sync::Weak<Inner>, mut batches: Batches) {
    let mut tables = Tables {
        known: HashMap::new(),
        lasts: Duration::ZERO,
    };
    while let Some(batch) = batches.recv().await {
        let Some(inner) = elsewhere.upgrade() else {
            return;
        };
        tables.lasts = refresh_after(&inner);
        // Others may have claimed its sessions otherwise.
        if !inner.holders.may_write() {
            inner.noting.failures.fetch_add(1, Ordering::Relaxed);
            inner.noting.done.send_modify(|done| *done += 1);
            continue;
        }
        let mut ready = Vec::with_capacity(batch.len());
        for session in batch {
            match tables.note(&inner, &session).await {
                Ok(state) => ready.push((session, state)),
                Err(error) => failed(&inner, &error),
            }
        }
        let inner = &inner;
        let puts = stream::iter(ready).map(|(session, state)| async move {
            let kept = Kept {
                process: inner.settings.process,
                claim: session.claim,
                is_final: false,
                state: state.into(),
            };
            // It may have left or ended while others were written: its note must not come after its final state.
            let (id, links) = (session.parts.id, &inner.links);
            if links.find(id).is_none() || links.is_leaving(id) {
                return;
            }
            let bytes = kept.state.len() as u64;
            match inner.store.put(&id.to_string(), kept).await {
                Ok(()) => {
                    inner.counters.session_notes.inc();
                    inner.counters.session_note_bytes.inc_by(bytes);
                }
                Err(error) => failed(inner, &error),
            }
        });
        puts.buffer_unordered(TOGETHER).collect::<()>().await;
        inner.noting.done.send_modify(|done| *done += 1);
        tables.forget();
    }
}

fn failed(inner: &Inner, error: &StoreError) {
    tracing::debug!(%error, "a session is not noted for other nodes");
    // One that is too large now is so the next time too.
    if !matches!(error, StoreError::TooLarge(_)) {
        inner.noting.failures.fetch_add(1, Ordering::Relaxed);
    }
}

impl Tables {
    /// The note of a session, once the tables that it names are kept.
    async fn note(&mut self, inner: &Inner, session: &Parked) -> Result<Vec<u8>, StoreError> {
        let mut names = Vec::with_capacity(session.parts.present.len());
        for standing in &session.parts.present {
            names.push(self.name(inner, &standing.table).await?);
        }
        let note = Note::of(&session.parts, &names);
        Ok(serde_json::to_vec(&note).expect("notes have names for keys and no failing parts"))
    }

    async fn name(&mut self, inner: &Inner, table: &Arc<Visibility>) -> Result<u64, StoreError> {
        let now = clock::now();
        let address = Arc::as_ptr(table).addr();
        if let Some(known) = self.known.get(&address)
            && now.saturating_duration_since(known.kept_at) < self.lasts
        {
            return Ok(known.name);
        }
        let (name, json) = table_bytes(table);
        inner
            .store
            .put_table(table.guild, name, json.into())
            .await?;
        let kept = Table {
            _held: Arc::clone(table),
            name,
            kept_at: now,
        };
        self.known.insert(address, kept);
        Ok(name)
    }

    /// Lets tables go that no note has named for a while.
    fn forget(&mut self) {
        let (now, lasts) = (clock::now(), self.lasts);
        self.known
            .retain(|_, table| now.saturating_duration_since(table.kept_at) < 2 * lasts);
    }
}
