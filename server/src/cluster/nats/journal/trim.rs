//! Snapshots, and what they make it possible to forget.

use super::super::NatsError;
use super::super::head::{GuildHead, KeptSnapshot};
use super::NatsJournal;
use crate::journal::{JournalError, Snapshot};
use crate::protocol::{GuildId, MessageId, Position};

/// How often a snapshot is looked for that is replaced meanwhile.
const ATTEMPTS: usize = 8;

impl NatsJournal {
    /// The last position that was trimmed, as far as is known here. Another node may have trimmed more
    /// since: then the log itself begins later.
    pub(super) async fn trimmed(&self, guild: GuildId) -> Result<Position, JournalError> {
        if let Some(trimmed) = self.known(guild).trimmed {
            return Ok(trimmed);
        }
        let (head, _) = self.nats.head(&guild.to_string()).await?;
        self.note(guild, |known| known.trimmed = Some(head.trimmed));
        Ok(head.trimmed)
    }

    pub(super) async fn newest_snapshot(
        &self,
        guild: GuildId,
    ) -> Result<Option<Snapshot>, JournalError> {
        let owner = guild.to_string();
        for _ in 0..ATTEMPTS {
            let (head, _) = self.nats.head(&owner).await?;
            self.note(guild, |known| known.trimmed = Some(head.trimmed));
            let Some(kept) = head.snapshot else {
                return Ok(None);
            };
            if let Some(bytes) = self.nats.get_pieces(&owner, &kept.pieces).await? {
                let position = kept.position;
                return Ok(Some(Snapshot { position, bytes }));
            }
        }
        Err(JournalError::Damaged("a snapshot is gone".to_owned()))
    }

    pub(super) async fn keep_snapshot(
        &self,
        guild: GuildId,
        snapshot: Snapshot,
    ) -> Result<(), JournalError> {
        let owner = guild.to_string();
        let position = snapshot.position;
        let is_newer = |head: &GuildHead| head.snapshot.is_none_or(|kept| kept.position < position);
        let (head, _) = self.nats.head(&owner).await?;
        if !is_newer(&head) {
            return Ok(());
        }
        let pieces = self.nats.put_pieces(&owner, &snapshot.bytes).await?;
        let kept = KeptSnapshot { position, pieces };
        let changed = self
            .nats
            .change_head(&owner, |head| {
                is_newer(head).then(|| GuildHead {
                    snapshot: Some(kept),
                    ..head.clone()
                })
            })
            .await;
        let dropped = match changed {
            Ok(before) if is_newer(&before) => before.snapshot.map(|former| former.pieces),
            Ok(_) => Some(pieces),
            Err(error) => return Err(error.into()),
        };
        if let Some(dropped) = dropped {
            self.forget_pieces(guild, dropped).await;
        }
        Ok(())
    }

    /// Forgets whole appends; what of one is to stay keeps all of it on NATS, and the head says what of it
    /// is gone.
    pub(super) async fn forget(
        &self,
        guild: GuildId,
        through: Position,
        messages: MessageId,
    ) -> Result<bool, JournalError> {
        let owner = guild.to_string();
        let (end, _) = self.look(guild).await?;
        let most = |head: &GuildHead| {
            let kept = head.snapshot?.position.min(end.position);
            Some(through.min(kept.checked_sub(1)?))
        };
        let before = self
            .nats
            .change_head(&owner, |head| {
                let trimmed = most(head)?.max(head.trimmed);
                let forgotten = head.forgotten.max(Some(messages));
                let changes = trimmed != head.trimmed || forgotten != head.forgotten;
                changes.then(|| GuildHead {
                    trimmed,
                    forgotten,
                    ..head.clone()
                })
            })
            .await?;
        let Some(trimmed) = most(&before) else {
            return Ok(true);
        };
        let trimmed = trimmed.max(before.trimmed);
        self.note(guild, |known| known.trimmed = Some(trimmed));
        if trimmed > before.trimmed {
            let keep_from = self.locate(guild, trimmed + 1, end).await?;
            let (stream, subject) = self.log(guild);
            let purged = stream.purge().filter(subject).sequence(keep_from).await;
            purged.map_err(|error| NatsError::new("a log cannot be trimmed", &error))?;
        }
        Ok(true)
    }
}
