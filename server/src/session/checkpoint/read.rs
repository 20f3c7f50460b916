//! Reads the file of sessions.

use std::hash::Hasher;
use std::sync::Arc;

use bytes::Bytes;
use twox_hash::XxHash3_64;

use super::{CheckpointError, END, Head, MAGIC, RECORD_HEAD, VERSION, kind};
use crate::fanout::Visibility;
use crate::fanout::outbox::{LateParts, OutboxParts};
use crate::fanout::room::SubscriptionParts;
use crate::protocol::Intents;
use crate::session::parked::Parked;
use crate::session::state::SessionParts;

const fn damaged(reason: &'static str) -> CheckpointError {
    CheckpointError::Damaged(reason)
}

/// Every session of a file, or none.
pub(super) fn sessions(file: &[u8]) -> Result<Vec<Parked>, CheckpointError> {
    let mut start = Cursor(file);
    let is_ours = start.take(MAGIC.len()) == Some(MAGIC);
    if !is_ours || start.number() != Some(VERSION) {
        return Err(CheckpointError::Format);
    }
    let records = start.0;
    let content = records
        .len()
        .checked_sub(END)
        .ok_or(damaged("it was cut off"))?;
    let (records, end) = records.split_at(content);
    let mut hasher = XxHash3_64::new();
    hasher.write(&file[..file.len() - END]);
    let mut expected = vec![kind::END, 8, 0, 0, 0];
    expected.extend_from_slice(&hasher.finish().to_le_bytes());
    if end != expected {
        return Err(damaged("it was cut off or changed"));
    }
    let mut rest = Cursor(records);
    let mut reader = Reader::default();
    while !rest.0.is_empty() {
        let record = rest.record().ok_or(damaged("a record is cut off"))?;
        reader.record(record)?;
    }
    Ok(reader.sessions)
}

#[derive(Default)]
struct Reader {
    bodies: Vec<Bytes>,
    tables: Vec<Arc<Visibility>>,
    sessions: Vec<Parked>,
}

impl Reader {
    fn record(&mut self, (kind, content): (u8, &[u8])) -> Result<(), CheckpointError> {
        match kind {
            // A copy of its own: the file's memory is not held by the last of its bodies.
            kind::BODY => self.bodies.push(Bytes::copy_from_slice(content)),
            kind::TABLE => {
                let table = serde_json::from_slice(content);
                let table = table.map_err(|_| damaged("a table cannot be read"))?;
                self.tables.push(Arc::new(table));
            }
            kind::SESSION => {
                let session = self.session(content);
                let session = session.ok_or(damaged("a session cannot be read"))?;
                self.sessions.push(session);
            }
            _ => return Err(damaged("a record is of no known kind")),
        }
        Ok(())
    }

    fn session(&self, content: &[u8]) -> Option<Parked> {
        let mut content = Cursor(content);
        let head_len = content.number()? as usize;
        let head: Head = serde_json::from_slice(content.take(head_len)?).ok()?;
        let mut frames = Vec::with_capacity(content.0.len() / 4);
        while !content.0.is_empty() {
            let body = self.bodies.get(content.number()? as usize)?;
            frames.push(body.clone());
        }
        let last_seq = (head.first_seq.checked_sub(1)?).checked_add(frames.len() as u64)?;
        if head.sent_seq > last_seq {
            return None;
        }
        let mut present = Vec::with_capacity(head.guilds.len());
        for standing in head.guilds {
            present.push(SubscriptionParts {
                guild: standing.guild,
                position: standing.position,
                member: standing.member,
                table: Arc::clone(self.tables.get(standing.table as usize)?),
            });
        }
        Some(Parked {
            parts: SessionParts {
                id: head.id.parse().ok()?,
                user: head.user,
                intents: Intents::from_bits(head.intents),
                shard: head.shard,
                large_threshold: head.large_threshold,
                presence: head.presence,
                outbox: OutboxParts {
                    frames,
                    first_seq: head.first_seq,
                    sent_seq: head.sent_seq,
                    late: LateParts::default(),
                },
                present,
                asked: head.asked,
            },
            detached_ms: head.detached_ms,
            claim: head.claim,
        })
    }
}

/// What is left to be read.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*bytes))
    }

    fn record(&mut self) -> Option<(u8, &'a [u8])> {
        debug_assert_eq!(RECORD_HEAD, 1 + 4);
        let kind = self.take(1)?[0];
        let len = self.number()? as usize;
        Some((kind, self.take(len)?))
    }
}
