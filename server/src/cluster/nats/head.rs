//! A guild's head: where its snapshot is and what was trimmed, in one message that is replaced as a whole.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::chunks::Pieces;
use super::{Nats, NatsError, Written, last};
use crate::protocol::{MessageId, Position};

/// How often a change is tried where others make one at the same time.
const ATTEMPTS: usize = 16;

/// What is known of a guild beside its log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct GuildHead {
    /// The newest snapshot.
    #[serde(default)]
    pub(super) snapshot: Option<KeptSnapshot>,
    /// The last record that was forgotten.
    #[serde(default)]
    pub(super) trimmed: Position,
    /// That there were messages is forgotten up to this one.
    #[serde(default)]
    pub(super) forgotten: Option<MessageId>,
}

/// Where a snapshot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptSnapshot {
    /// The last record that it contains.
    pub(super) position: Position,
    /// The state.
    pub(super) pieces: Pieces,
}

impl Nats {
    fn head_subject(&self, owner: &str) -> String {
        format!("{}.head.{owner}", self.name())
    }

    /// The head, and the sequence number of its message.
    pub(super) async fn head(&self, owner: &str) -> Result<(GuildHead, u64), NatsError> {
        let Some(kept) = last(&self.inner.heads, &self.head_subject(owner)).await? else {
            return Ok((GuildHead::default(), 0));
        };
        let head = serde_json::from_slice(&kept.payload)
            .map_err(|error| NatsError::new("a head is damaged", &error))?;
        Ok((head, kept.sequence))
    }

    /// Changes the head; where `change` answers `None`, nothing is to be done. Answers what was there
    /// before.
    pub(super) async fn change_head(
        &self,
        owner: &str,
        mut change: impl FnMut(&GuildHead) -> Option<GuildHead>,
    ) -> Result<GuildHead, NatsError> {
        for _ in 0..ATTEMPTS {
            let (before, sequence) = self.head(owner).await?;
            let Some(after) = change(&before) else {
                return Ok(before);
            };
            let text = serde_json::to_vec(&after).expect("a head is plain data");
            let subject = self.head_subject(owner);
            match self
                .publish(subject, Bytes::from(text), Some(sequence))
                .await
            {
                Written::At(_) => return Ok(before),
                // Also after a write of which nobody knows: then the change is there, or is made now.
                Written::Refused => {}
                Written::Not(why) | Written::Unknown(why) => return Err(NatsError(why)),
            }
        }
        Err(NatsError("others change the head as well".to_owned()))
    }

    /// Forgets the head.
    pub(super) async fn drop_head(&self, owner: &str) -> Result<(), NatsError> {
        let subject = self.head_subject(owner);
        let purged = self.inner.heads.purge().filter(subject).await;
        purged
            .map(drop)
            .map_err(|error| NatsError::new("a head cannot be dropped", &error))
    }
}
