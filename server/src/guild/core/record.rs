//! The form of a journal record: `{"v":1,"e":<event>}`, JSON without spaces.
//!
//! The version comes first and `e` last, so that a reader can tell the version from the first bytes
//! and a later version may change everything behind them. New optional keys inside an event need no
//! new version; anything that this version would misread does.

use bytes::Bytes;
use serde::Deserialize;

use super::json;
use crate::guild::event::Event;
use crate::journal::About;
use crate::protocol::objects::{Message, Nonce};

/// The version that is written.
pub const VERSION: u64 = 1;

const HEAD: &[u8] = b"{\"v\":1,\"e\":";

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A version that this build does not know.
    #[error("record has version {0}, this build reads up to {VERSION}")]
    Version(u64),
    /// It is not a record.
    #[error("record is malformed: {0}")]
    Malformed(#[from] serde_json::Error),
}

#[derive(Deserialize)]
struct Versioned {
    v: u64,
}

#[derive(Deserialize)]
struct Whole {
    e: Event,
}

/// The bytes of a record.
pub fn encode(event: &Event) -> Bytes {
    let mut record = Vec::with_capacity(768);
    record.extend_from_slice(HEAD);
    json::append(&mut record, event);
    record.push(b'}');
    record.into()
}

/// Reads a record.
pub fn decode(record: &[u8]) -> Result<Event, RecordError> {
    if let Some(event) = record
        .strip_prefix(HEAD)
        .and_then(|rest| rest.strip_suffix(b"}"))
    {
        return Ok(serde_json::from_slice(event)?);
    }
    let Versioned { v } = serde_json::from_slice(record)?;
    if v != VERSION {
        return Err(RecordError::Version(v));
    }
    Ok(serde_json::from_slice::<Whole>(record)?.e)
}

/// The messages that a record is about; nothing where it cannot be read.
pub fn about(record: &[u8]) -> Option<About> {
    decode(record).ok()?.about()
}

/// The bytes of a record of [`Event::MessageCreated`] whose message and member are JSON already: the
/// same as [`encode`] writes for the event.
pub(super) fn encode_message_created(
    message: &[u8],
    member: Option<&[u8]>,
    nonce: Option<&Nonce>,
    referenced: Option<&Message>,
) -> Bytes {
    let mut record = Vec::with_capacity(message.len() + 384);
    record.extend_from_slice(HEAD);
    record.extend_from_slice(b"{\"MessageCreated\":{\"message\":");
    record.extend_from_slice(message);
    record.extend_from_slice(b",\"member\":");
    record.extend_from_slice(member.unwrap_or(b"null"));
    record.extend_from_slice(b",\"nonce\":");
    json::append(&mut record, &nonce);
    if let Some(referenced) = referenced {
        record.extend_from_slice(b",\"referenced\":");
        json::append(&mut record, referenced);
    }
    record.extend_from_slice(b"}}}");
    record.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart() {
        let event = Event::Claimed {
            node: "a".to_owned(),
        };
        let record = encode(&event);
        assert_eq!(&record[..], br#"{"v":1,"e":{"Claimed":{"node":"a"}}}"#);
        assert!(matches!(decode(&record), Ok(Event::Claimed { node }) if node == "a"));
        let spaced = br#"{ "e": {"Claimed":{"node":"a"}}, "v": 1 }"#;
        assert!(matches!(decode(spaced), Ok(Event::Claimed { node }) if node == "a"));
        assert!(matches!(
            decode(br#"{"v":2,"e":{"Something":{}}}"#),
            Err(RecordError::Version(2))
        ));
        for bad in [
            &b""[..],
            b"{}",
            b"{\"v\":1,\"e\":}",
            b"{\"v\":1,\"e\":{\"No\":{}}}",
            b"\xff",
        ] {
            assert!(matches!(decode(bad), Err(RecordError::Malformed(_))));
        }
    }
}
