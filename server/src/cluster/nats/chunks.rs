//! What is too large for one message, in pieces.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::{Nats, NatsError, Written, next};

/// Most bytes of one piece.
const PIECE: usize = 512 << 10;

/// Where something is that was put away in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pieces {
    key: u64,
    count: u32,
    /// Bytes in all.
    len: u64,
    /// XXH3-64 of them.
    hash: u64,
}

impl Pieces {
    /// Bytes that it takes.
    pub(super) const LEN: usize = 8 + 4 + 8 + 8;

    pub(super) fn put(&self, out: &mut BytesMut) {
        out.put_u64(self.key);
        out.put_u32(self.count);
        out.put_u64(self.len);
        out.put_u64(self.hash);
    }

    pub(super) fn get(from: &mut Bytes) -> Option<Self> {
        (from.len() == Self::LEN).then(|| Self {
            key: from.get_u64(),
            count: from.get_u32(),
            len: from.get_u64(),
            hash: from.get_u64(),
        })
    }
}

/// A number that nobody else has.
pub(super) fn fresh() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    u128::from_be_bytes(bytes)
}

impl Nats {
    fn piece(&self, owner: &str, key: u64, n: u32) -> String {
        format!("{}.chunk.{owner}.{key:016x}.{n}", self.name())
    }

    /// Puts something away.
    pub(super) async fn put_pieces(&self, owner: &str, all: &Bytes) -> Result<Pieces, NatsError> {
        let size = PIECE.min(self.max_payload());
        let pieces = Pieces {
            key: fresh() as u64,
            count: all.len().div_ceil(size) as u32,
            len: all.len() as u64,
            hash: hash(all),
        };
        for n in 0..pieces.count {
            let start = n as usize * size;
            let piece = all.slice(start..all.len().min(start + size));
            let subject = self.piece(owner, pieces.key, n);
            match self.publish(subject, piece, None).await {
                Written::At(_) => {}
                Written::Refused => unreachable!("nothing was expected of the subject"),
                Written::Not(why) | Written::Unknown(why) => return Err(NatsError(why)),
            }
        }
        Ok(pieces)
    }

    /// Reads it; `None` where it is gone.
    pub(super) async fn get_pieces(
        &self,
        owner: &str,
        pieces: &Pieces,
    ) -> Result<Option<Bytes>, NatsError> {
        let mut all = BytesMut::new();
        for n in 0..pieces.count {
            let subject = self.piece(owner, pieces.key, n);
            let Some(piece) = next(&self.inner.chunks, &subject, 1).await? else {
                return Ok(None);
            };
            all.extend_from_slice(&piece.payload);
        }
        if all.len() as u64 != pieces.len || hash(&all) != pieces.hash {
            return Err(NatsError("what was put away is damaged".to_owned()));
        }
        Ok(Some(all.freeze()))
    }

    /// Forgets it.
    pub(super) async fn drop_pieces(&self, owner: &str, pieces: &Pieces) -> Result<(), NatsError> {
        self.purge_pieces(format!(
            "{}.chunk.{owner}.{:016x}.*",
            self.name(),
            pieces.key
        ))
        .await
    }

    /// Forgets everything of an owner.
    pub(super) async fn drop_all_pieces(&self, owner: &str) -> Result<(), NatsError> {
        self.purge_pieces(format!("{}.chunk.{owner}.>", self.name()))
            .await
    }

    async fn purge_pieces(&self, filter: String) -> Result<(), NatsError> {
        let purged = self.inner.chunks.purge().filter(filter).await;
        purged
            .map(drop)
            .map_err(|error| NatsError::new("pieces cannot be dropped", &error))
    }
}

fn hash(bytes: &[u8]) -> u64 {
    twox_hash::XxHash3_64::oneshot(bytes)
}
