//! A session as it travels to another node: the file of a stop with this one session in it, compressed.

use super::checkpoint::{self, CheckpointError};
use super::parked::Parked;

/// Most bytes of a session that is unpacked.
const MAX_BYTES: usize = 64 << 20;
/// How hard it is compressed: a little, since that is what a stop waits for.
const LEVEL: i32 = 1;
/// Bytes of the length before it.
const HEAD: usize = 4;

/// A session in at most so many bytes; as it was where it is larger.
///
/// Where it does not fit with all that may be replayed, only what the client was never sent stays: then it can be resumed
/// from its last number alone.
pub(super) fn pack(mut session: Parked, max: usize) -> Result<(Vec<u8>, Parked), Box<Parked>> {
    if let Some(packed) = packed(&session, max) {
        return Ok((packed, session));
    }
    let outbox = &mut session.parts.outbox;
    let sent = outbox
        .sent_seq
        .saturating_add(1)
        .saturating_sub(outbox.first_seq);
    let sent = usize::try_from(sent)
        .unwrap_or(usize::MAX)
        .min(outbox.frames.len());
    let replay: Vec<_> = outbox.frames.drain(..sent).collect();
    outbox.first_seq += sent as u64;
    if let Some(packed) = packed(&session, max) {
        return Ok((packed, session));
    }
    let outbox = &mut session.parts.outbox;
    outbox.frames.splice(..0, replay);
    outbox.first_seq -= sent as u64;
    Err(Box::new(session))
}

fn packed(session: &Parked, max: usize) -> Option<Vec<u8>> {
    let whole = checkpoint::to_bytes(session);
    if whole.len() > MAX_BYTES {
        return None;
    }
    let mut body = Vec::with_capacity(zstd_safe::compress_bound(whole.len()));
    zstd_safe::compress(&mut body, &whole, LEVEL).ok()?;
    let mut packed = Vec::with_capacity(HEAD + body.len());
    packed.extend_from_slice(&(whole.len() as u32).to_le_bytes());
    packed.extend_from_slice(&body);
    (packed.len() <= max).then_some(packed)
}

/// What [`pack`] made.
pub(super) fn unpack(packed: &[u8]) -> Result<Parked, CheckpointError> {
    let damaged = CheckpointError::Damaged("it was cut off or changed");
    let Some((head, body)) = packed.split_first_chunk::<HEAD>() else {
        return Err(damaged);
    };
    let len = u32::from_le_bytes(*head) as usize;
    if len > MAX_BYTES {
        return Err(CheckpointError::Damaged("it is too large"));
    }
    let mut whole = Vec::with_capacity(len);
    match zstd_safe::decompress(&mut whole, body) {
        Ok(got) if got == len => checkpoint::from_bytes(&whole),
        _ => Err(damaged),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::fanout::outbox::{LateParts, OutboxParts};
    use crate::protocol::objects::{Presence, User};
    use crate::protocol::{Intents, UserId};
    use crate::session::id::SessionId;
    use crate::session::state::SessionParts;

    /// Events 5 to 9, of which the client was sent those up to 7; none can be compressed.
    fn session() -> Parked {
        let frames = (0..5).map(|_| {
            let mut frame = vec![0; 10_000];
            getrandom::fill(&mut frame).unwrap();
            Bytes::from(frame)
        });
        Parked {
            parts: SessionParts {
                id: SessionId::random(),
                user: Arc::new(User::new(UserId::new(1), "alice", false)),
                intents: Intents::NONE,
                shard: (0, 1),
                large_threshold: 50,
                presence: Presence::default(),
                outbox: OutboxParts {
                    frames: frames.collect(),
                    first_seq: 5,
                    sent_seq: 7,
                    late: LateParts::default(),
                },
                present: Vec::new(),
                asked: Vec::new(),
            },
            detached_ms: 123,
            claim: 4,
        }
    }

    #[test]
    fn a_session_comes_out_as_it_went_in() {
        let (packed, before) = pack(session(), 1 << 20).unwrap();
        let after = unpack(&packed).unwrap();
        assert_eq!(after.parts.id, before.parts.id);
        assert_eq!(after.parts.outbox.frames, before.parts.outbox.frames);
        assert_eq!((after.claim, after.detached_ms), (4, 123));
        for seq in 0..12 {
            let reaches = (4..=7).contains(&seq);
            assert_eq!(after.parts.outbox.reaches(seq), reaches, "{seq}");
        }
    }

    #[test]
    fn i10_what_does_not_fit_is_whole_from_the_last_number_or_refused() {
        let (packed, _) = pack(session(), 30_000).unwrap();
        let after = unpack(&packed).unwrap();
        assert_eq!(
            after.parts.outbox.frames.len(),
            2,
            "8 and 9 were never sent"
        );
        for seq in 0..12 {
            assert_eq!(after.parts.outbox.reaches(seq), seq == 7, "{seq}");
        }
        let whole = pack(session(), 15_000).unwrap_err();
        assert_eq!(whole.parts.outbox.frames.len(), 5);
        assert!(whole.parts.outbox.reaches(4) && whole.parts.outbox.reaches(7));
    }

    #[test]
    fn i10_what_was_cut_off_or_changed_is_refused() {
        let (packed, _) = pack(session(), 1 << 20).unwrap();
        for len in [0, 3, 4, 100, packed.len() - 1] {
            assert!(unpack(&packed[..len]).is_err(), "{len}");
        }
        for at in [0, 3, packed.len() / 2] {
            let mut changed = packed.clone();
            changed[at] ^= 0x40;
            assert!(unpack(&changed).is_err(), "{at}");
        }
    }
}
