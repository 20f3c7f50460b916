//! The form of one append on JetStream: one message with all its records.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use smallvec::SmallVec;

use super::chunks::Pieces;
use crate::journal::{About, NewRecord};
use crate::protocol::{ChannelId, MessageId, Position};

/// The form's number.
const VERSION: u8 = 1;
/// Version, where the records are, id of the append, first position, number of records.
pub(super) const HEAD: usize = 1 + 1 + 16 + 8 + 4;

/// Which append a message is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Tells the append from every other one.
    pub(super) id: u128,
    /// The position of its first record.
    pub(super) first: Position,
    /// How many records it has, at least 1.
    pub(super) count: u32,
}

impl Head {
    /// The position of its last record.
    pub(super) const fn last(&self) -> Position {
        self.first + self.count as Position - 1
    }
}

/// Where the records are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    /// In the message.
    Here(Bytes),
    /// Elsewhere: there are too many for one message.
    Elsewhere(Pieces),
}

/// The message is not of a form that this version knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message of the log cannot be read")]
pub(super) struct Unreadable;

/// The records of an append, one after the other.
pub(super) fn encode_records(records: &[NewRecord]) -> Bytes {
    let size = records.iter().map(|record| {
        9 + record.bytes.len() + record.about.as_ref().map_or(0, |_| 12) + 8 * record.mentions()
    });
    let mut out = BytesMut::with_capacity(size.sum());
    for record in records {
        out.put_u32(record.bytes.len() as u32);
        out.put_slice(&record.bytes);
        let Some(about) = &record.about else {
            out.put_u8(0);
            continue;
        };
        out.put_u8(1);
        out.put_u64(about.channel.get());
        out.put_u32(about.messages.len() as u32);
        for id in &about.messages {
            out.put_u64(id.get());
        }
    }
    out.freeze()
}

/// A message.
pub(super) fn encode(head: Head, body: &Body) -> Bytes {
    let more = match body {
        Body::Here(records) => records.len(),
        Body::Elsewhere(_) => Pieces::LEN,
    };
    let mut out = BytesMut::with_capacity(HEAD + more);
    out.put_u8(VERSION);
    out.put_u8(u8::from(matches!(body, Body::Elsewhere(_))));
    out.put_u128(head.id);
    out.put_u64(head.first);
    out.put_u32(head.count);
    match body {
        Body::Here(records) => out.put_slice(records),
        Body::Elsewhere(pieces) => pieces.put(&mut out),
    }
    out.freeze()
}

/// Reads a message.
pub(super) fn decode(mut message: Bytes) -> Result<(Head, Body), Unreadable> {
    if message.len() < HEAD || message.get_u8() != VERSION {
        return Err(Unreadable);
    }
    let elsewhere = message.get_u8();
    let head = Head {
        id: message.get_u128(),
        first: message.get_u64(),
        count: message.get_u32(),
    };
    if head.first == 0 || head.count == 0 {
        return Err(Unreadable);
    }
    match elsewhere {
        0 => Ok((head, Body::Here(message))),
        1 => {
            let pieces = Pieces::get(&mut message).ok_or(Unreadable)?;
            Ok((head, Body::Elsewhere(pieces)))
        }
        _ => Err(Unreadable),
    }
}

/// Reads the records of an append.
pub(super) fn decode_records(mut body: Bytes, count: u32) -> Result<Vec<NewRecord>, Unreadable> {
    let mut records = Vec::with_capacity((count as usize).min(body.len()));
    for _ in 0..count {
        let len = body.try_get_u32().map_err(|_| Unreadable)? as usize;
        if body.len() < len {
            return Err(Unreadable);
        }
        let bytes = body.split_to(len);
        let about = match body.try_get_u8().map_err(|_| Unreadable)? {
            0 => None,
            _ => Some(decode_about(&mut body)?),
        };
        records.push(NewRecord { bytes, about });
    }
    if body.is_empty() {
        Ok(records)
    } else {
        Err(Unreadable)
    }
}

fn decode_about(body: &mut Bytes) -> Result<About, Unreadable> {
    let channel = body.try_get_u64().map_err(|_| Unreadable)?;
    let count = body.try_get_u32().map_err(|_| Unreadable)?;
    let mut messages = SmallVec::new();
    for _ in 0..count {
        let id = body.try_get_u64().map_err(|_| Unreadable)?;
        messages.push(MessageId::new(id));
    }
    Ok(About {
        channel: ChannelId::new(channel),
        messages,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_append_reads_as_it_was_written_and_no_part_of_it_does() {
        let records = vec![
            NewRecord::from(Bytes::from_static(b"plain")),
            NewRecord {
                bytes: Bytes::new(),
                about: Some(About {
                    channel: ChannelId::new(7),
                    messages: [8, 9].into_iter().map(MessageId::new).collect(),
                }),
            },
        ];
        let head = Head {
            id: 3,
            first: 41,
            count: 2,
        };
        let message = encode(head, &Body::Here(encode_records(&records)));
        let (read, body) = decode(message.clone()).unwrap();
        assert_eq!((read, read.last()), (head, 42));
        let Body::Here(body) = body else {
            panic!("the records are in the message");
        };
        assert_eq!(decode_records(body.clone(), 2), Ok(records));
        for cut in 0..body.len() {
            assert_eq!(decode_records(body.slice(..cut), 2), Err(Unreadable));
        }
        for cut in 0..HEAD {
            assert_eq!(decode(message.slice(..cut)), Err(Unreadable));
        }
    }
}
