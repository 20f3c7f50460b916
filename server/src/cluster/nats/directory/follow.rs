//! Makes the changes that the stream has, in its order.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::{Message, Subscriber, header};
use bytes::Bytes;
use futures_util::StreamExt;

use super::super::head::{GuildHead, KeptSnapshot};
use super::super::{NatsError, next};
use super::{Letter, Shared};
use crate::directory::{Change, MemoryDirectory};

/// After how many changes of one's own a snapshot is made.
pub(super) const SNAPSHOT_EVERY: u64 = 10_000;
/// How often the stream is looked at in case something was not heard.
const LOOK: Duration = Duration::from_secs(1);
/// Under which name heads and pieces are kept.
const OWNER: &str = "directory";
/// How often a snapshot is looked for that is replaced meanwhile.
const ATTEMPTS: usize = 8;

struct Follower {
    shared: Arc<Shared>,
    subject: String,
    /// The last sequence number whose change was made.
    made: u64,
    /// Up to where the newest snapshot reaches that is known of.
    snapshot: u64,
}

/// Makes the changes that there are, and starts to follow.
pub(super) async fn start(shared: Arc<Shared>) -> Result<(), NatsError> {
    let name = shared.nats.name();
    let subject = format!("{name}.dir");
    let heard = shared
        .nats
        .inner
        .client
        .subscribe(format!("{name}.feed.dir"));
    let heard = heard
        .await
        .map_err(|error| NatsError::new("the directory cannot be followed", &error))?;
    let mut follower = Follower {
        shared,
        subject,
        made: 0,
        snapshot: 0,
    };
    follower.load_snapshot().await?;
    follower.catch_up().await?;
    #[allow(clippy::disallowed_methods)] // one, until the thread ends
    tokio::spawn(follower.run(heard));
    Ok(())
}

impl Follower {
    async fn run(mut self, mut heard: Subscriber) {
        let mut look = tokio::time::interval(LOOK);
        loop {
            let shared = Arc::clone(&self.shared);
            let caught_up = tokio::select! {
                biased;
                message = heard.next() => match message {
                    Some(message) => self.hear(message).await,
                    None => return,
                },
                // What is told of was heard already, as a rule.
                () = shared.news.notified() => self.told().await,
                _ = look.tick() => self.catch_up().await,
            };
            if let Err(error) = caught_up {
                tracing::warn!(%error, "the directory is not up to date");
            }
        }
    }

    async fn told(&mut self) -> Result<(), NatsError> {
        if self.shared.told.load(Ordering::Relaxed) > self.made {
            self.catch_up().await
        } else {
            Ok(())
        }
    }

    async fn hear(&mut self, message: Message) -> Result<(), NatsError> {
        let sequence = message
            .headers
            .as_ref()
            .and_then(|headers| headers.get(header::NATS_SEQUENCE))
            .and_then(|sequence| sequence.as_str().parse::<u64>().ok());
        match sequence {
            Some(sequence) if sequence == self.made + 1 => {
                self.make(sequence, &message.payload);
                Ok(())
            }
            Some(sequence) if sequence <= self.made => Ok(()),
            _ => self.catch_up().await,
        }
    }

    /// Makes all changes that the stream has beyond those that were made.
    async fn catch_up(&mut self) -> Result<(), NatsError> {
        loop {
            let stream = &self.shared.nats.inner.directory;
            let Some(stored) = next(stream, &self.subject, self.made + 1).await? else {
                return Ok(());
            };
            if stored.sequence > self.made + 1 {
                // Changes in between were dropped: a snapshot has them.
                self.load_snapshot().await?;
                if stored.sequence > self.made + 1 {
                    return Err(NatsError("changes of the directory are gone".to_owned()));
                }
                continue;
            }
            self.make(stored.sequence, &stored.payload);
        }
    }

    fn make(&mut self, sequence: u64, text: &Bytes) {
        self.made = sequence;
        let letter: Letter = match serde_json::from_slice(text) {
            Ok(letter) => letter,
            Err(error) => {
                // The same on every node of this version.
                tracing::error!(%error, sequence, "a change of the directory is passed over");
                return;
            }
        };
        let result = self.shared.memory.load().make(letter.change);
        if letter.from != self.shared.me {
            return;
        }
        self.shared.answer(letter.number, result);
        if sequence >= self.snapshot + SNAPSHOT_EVERY {
            self.snapshot = sequence;
            let changes = self.shared.memory.load().changes();
            #[allow(clippy::disallowed_methods)] // one in many changes, with an end of its own
            tokio::spawn(keep(Arc::clone(&self.shared), sequence, changes));
        }
    }

    /// Begins with the newest snapshot, where it has more than what was made.
    async fn load_snapshot(&mut self) -> Result<(), NatsError> {
        for _ in 0..ATTEMPTS {
            let (head, _) = self.shared.nats.head(OWNER).await?;
            let Some(kept) = head.snapshot.filter(|kept| kept.position > self.made) else {
                return Ok(());
            };
            let Some(text) = self.shared.nats.get_pieces(OWNER, &kept.pieces).await? else {
                continue;
            };
            let changes: Vec<Change> = serde_json::from_slice(&text)
                .map_err(|error| NatsError::new("the directory's snapshot is damaged", &error))?;
            let memory = MemoryDirectory::new();
            for change in changes {
                memory
                    .make(change)
                    .map_err(|error| NatsError::new("the directory's snapshot", &error))?;
            }
            self.shared.memory.store(Arc::new(memory));
            self.made = kept.position;
            self.snapshot = kept.position;
            return Ok(());
        }
        Err(NatsError("the directory's snapshot is gone".to_owned()))
    }
}

/// Keeps a snapshot, and drops the changes that it has.
async fn keep(shared: Arc<Shared>, sequence: u64, changes: Vec<Change>) {
    if let Err(error) = try_keep(&shared, sequence, changes).await {
        tracing::warn!(%error, "a snapshot of the directory was not kept");
    }
}

async fn try_keep(shared: &Shared, sequence: u64, changes: Vec<Change>) -> Result<(), NatsError> {
    let text = serde_json::to_vec(&changes).expect("changes are plain data");
    let nats = &shared.nats;
    let pieces = nats.put_pieces(OWNER, &Bytes::from(text)).await?;
    let is_newer = |head: &GuildHead| head.snapshot.is_none_or(|kept| kept.position < sequence);
    let before = nats
        .change_head(OWNER, |head| {
            is_newer(head).then(|| GuildHead {
                snapshot: Some(KeptSnapshot {
                    position: sequence,
                    pieces,
                }),
                ..GuildHead::default()
            })
        })
        .await?;
    if !is_newer(&before) {
        return nats.drop_pieces(OWNER, &pieces).await;
    }
    let subject = format!("{}.dir", nats.name());
    let purged = nats
        .inner
        .directory
        .purge()
        .filter(subject)
        .sequence(sequence + 1)
        .await;
    purged.map_err(|error| NatsError::new("changes cannot be dropped", &error))?;
    match before.snapshot {
        Some(former) => nats.drop_pieces(OWNER, &former.pieces).await,
        None => Ok(()),
    }
}
