//! The gateway payload around a dispatch: serialized once, the sequence number added per session.
//!
//! A shared body is `{"t":"NAME","op":0,"d":…`; a session completes it with `,"s":N}`.

use bytes::Bytes;
use serde::Serialize;

use crate::protocol::EventName;
use crate::protocol::decimal::Decimal;

/// Most bytes that [`write_suffix`] adds: `,"s":`, 20 digits and `}`.
pub const MAX_SUFFIX: usize = 26;

/// Serializes an event's data into a shared body.
pub fn dispatch_body(event: EventName, data: &impl Serialize) -> Bytes {
    let mut body = Vec::with_capacity(512);
    write_dispatch(&mut body, event, data);
    body.into()
}

/// Appends what [`dispatch_body`] makes.
pub fn write_dispatch(body: &mut Vec<u8>, event: EventName, data: &impl Serialize) {
    write_prefix(body, event);
    serde_json::to_writer(body, data).expect("protocol objects serialize to JSON");
}

/// Starts a shared body; the caller appends the data as JSON.
pub fn write_prefix(body: &mut Vec<u8>, event: EventName) {
    body.extend_from_slice(b"{\"t\":\"");
    body.extend_from_slice(event.as_str().as_bytes());
    body.extend_from_slice(b"\",\"op\":0,\"d\":");
}

/// Length of what [`write_suffix`] adds for this sequence number.
pub const fn suffix_len(seq: u64) -> usize {
    let mut digits = 1;
    let mut rest = seq / 10;
    while rest > 0 {
        digits += 1;
        rest /= 10;
    }
    6 + digits
}

/// Completes a shared body with the session's sequence number.
pub fn write_suffix(out: &mut Vec<u8>, seq: u64) {
    out.extend_from_slice(b",\"s\":");
    out.extend_from_slice(Decimal::new(seq).as_bytes());
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_and_suffix_make_a_payload_with_all_four_keys() {
        for seq in [0, 1, 9, 10, 999, 12_345_678_901, u64::MAX] {
            let mut frame = dispatch_body(EventName::TypingStart, &[1, 2]).to_vec();
            let before = frame.len();
            write_suffix(&mut frame, seq);
            assert_eq!(frame.len() - before, suffix_len(seq));
            assert!(suffix_len(seq) <= MAX_SUFFIX);
            let value: serde_json::Value = serde_json::from_slice(&frame).unwrap();
            assert_eq!(
                value,
                serde_json::json!({"t": "TYPING_START", "op": 0, "d": [1, 2], "s": seq})
            );
        }
    }
}
