//! Reading a guild from its journal, and what of it somebody missed.

use std::sync::Arc;

use super::GuildTools;
use super::recovery::TAKEN;
use crate::fanout::Item;
use crate::guild::core::render::Scope;
use crate::guild::core::{CoreSettings, GuildCore, Replay, items_of, record};
use crate::guild::event::Event;
use crate::guild::registry::Evicted;
use crate::journal::{Entry, Journal, JournalError};
use crate::protocol::{GuildId, Position};

/// Records read from the journal at a time.
const CHUNK: usize = 1_024;
/// Records of them taken in at a time.
const SLICE: usize = 64;
/// How often a claim is tried where others write at the same time.
const CLAIM_ATTEMPTS: usize = 16;

/// A guild as its journal has it.
pub(super) struct Loaded {
    pub(super) core: GuildCore,
    /// The position of this owner's claim; `None` where there is nothing to claim or the journal does
    /// not take writes.
    pub(super) epoch: Option<Position>,
    /// Where the log was before that claim.
    pub(super) written: Position,
    /// The last claim before that.
    pub(super) former_claim: Position,
    /// Bytes of the records after the snapshot, and of the snapshot.
    pub(super) tail_bytes: usize,
    pub(super) snapshot_bytes: usize,
    /// After this position there are but claims, which nobody is told of.
    pub(super) quiet_after: Position,
}

/// Reads a guild and claims it.
///
/// *Invariant I1*: where a record lands between the read and the claim, the claim is refused and the
/// read goes on: after it nobody else's append can succeed.
pub(super) async fn load(
    tools: &GuildTools,
    id: GuildId,
    evicted: &Evicted,
) -> Result<Loaded, JournalError> {
    let journal = &*tools.journal;
    let mut loaded = match tools.preloads.take(id) {
        Some(loaded) => loaded,
        None => Loaded::from_snapshot(tools, id).await?,
    };
    let claim = Event::Claimed {
        node: tools.node.to_string(),
    };
    for _ in 0..CLAIM_ATTEMPTS {
        loaded.read_tail(journal, id).await?;
        loaded.written = loaded.core.position();
        if !loaded.core.exists() || !journal.accepts_writes() {
            return Ok(loaded);
        }
        if evicted.is_set() {
            return Err(JournalError::Unavailable(TAKEN.to_owned()));
        }
        let append = journal.append(id, loaded.written, vec![record::encode(&claim).into()]);
        match append.await {
            Ok(position) => {
                loaded.core.apply(position, claim);
                loaded.epoch = Some(position);
                return Ok(loaded);
            }
            Err(JournalError::Conflict { .. } | JournalError::Ambiguous(_)) => {}
            Err(JournalError::Unavailable(_)) => return Ok(loaded),
            Err(error @ (JournalError::Damaged(_) | JournalError::Trimmed { .. })) => {
                return Err(error);
            }
        }
    }
    Err(JournalError::Unavailable(
        "others write to the guild's log".to_owned(),
    ))
}

impl Loaded {
    /// The newest snapshot, or a guild without a record.
    pub(super) async fn from_snapshot(
        tools: &GuildTools,
        id: GuildId,
    ) -> Result<Self, JournalError> {
        let snapshot = tools.journal.snapshot(id).await?;
        let snapshot_bytes = snapshot.as_ref().map_or(0, |snapshot| snapshot.bytes.len());
        let limits = &tools.settings.core;
        let core = snapshot.and_then(|snapshot| {
            GuildCore::from_snapshot(&snapshot.bytes, limits.clone())
                .inspect_err(|error| {
                    tracing::warn!(guild = %id, %error, "the snapshot is passed over");
                })
                .ok()
        });
        let core = core.unwrap_or_else(|| GuildCore::with_settings(id, limits.clone()));
        Ok(Self {
            quiet_after: core.position(),
            core,
            epoch: None,
            written: 0,
            former_claim: 0,
            tail_bytes: 0,
            snapshot_bytes,
        })
    }

    pub(super) async fn read_tail(
        &mut self,
        journal: &dyn Journal,
        id: GuildId,
    ) -> Result<(), JournalError> {
        loop {
            let entries = journal.read(id, self.core.position(), CHUNK).await?;
            let count = entries.len();
            for (read, entry) in entries.into_iter().enumerate() {
                if read % SLICE == SLICE - 1 {
                    // The executor's other guilds have their turn.
                    tokio::task::yield_now().await;
                }
                self.tail_bytes += entry.record.len();
                let event = decode(&entry)?;
                if let Event::Claimed { .. } = event {
                    self.former_claim = entry.position;
                } else {
                    self.quiet_after = entry.position;
                }
                self.core.apply(entry.position, event);
            }
            if count < CHUNK {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
    }
}

fn decode(entry: &Entry) -> Result<Event, JournalError> {
    record::decode(&entry.record).map_err(|error| JournalError::Damaged(error.to_string()))
}

/// The items of the records in `(since, until]`, as hubs were sent them.
pub(super) async fn items_between(
    journal: Arc<dyn Journal>,
    scope: Scope,
    (since, until): (Position, Position),
    limits: Arc<CoreSettings>,
) -> Result<Vec<Item>, JournalError> {
    let mut items = Vec::new();
    let mut at = since;
    while at < until {
        let entries = journal.read(scope.guild, at, CHUNK).await?;
        if entries.is_empty() {
            return Err(JournalError::Damaged(format!("no record after {at}")));
        }
        for entry in entries {
            if entry.position > until {
                break;
            }
            at = entry.position;
            match items_of(scope, entry.position, &decode(&entry)?) {
                Some(rendered) => items.extend(rendered),
                // Who may see what has changed: that needs the state.
                None => return replay(journal, scope.guild, (since, until), limits).await,
            }
        }
        tokio::task::yield_now().await;
    }
    Ok(items)
}

/// As [`items_between`], from the guild's first record or a snapshot on.
async fn replay(
    journal: Arc<dyn Journal>,
    guild: GuildId,
    (since, until): (Position, Position),
    limits: Arc<CoreSettings>,
) -> Result<Vec<Item>, JournalError> {
    let snapshot = journal.snapshot(guild).await?;
    let mut replay = snapshot
        .filter(|snapshot| snapshot.position <= since)
        .and_then(|snapshot| Replay::from_snapshot(&snapshot.bytes, limits.clone()).ok())
        .unwrap_or_else(|| Replay::new(guild, limits));
    let mut items = Vec::new();
    while replay.position() < until {
        let entries = journal.read(guild, replay.position(), CHUNK).await?;
        if entries.is_empty() {
            let at = replay.position();
            return Err(JournalError::Damaged(format!("no record after {at}")));
        }
        for entry in entries {
            if entry.position > until {
                break;
            }
            let rendered = replay.step(entry.position, decode(&entry)?);
            if entry.position > since {
                items.extend(rendered);
            }
        }
        tokio::task::yield_now().await;
    }
    Ok(items)
}
