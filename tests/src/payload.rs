//! What the gateway sends.

use serde_json::Value;

/// A payload.
#[derive(Debug, Clone, PartialEq)]
pub struct Payload {
    /// The opcode.
    pub op: u64,
    /// The data.
    pub d: Value,
    /// The sequence number of a dispatch.
    pub s: Option<u64>,
    /// The name of a dispatch.
    pub t: Option<String>,
}

impl Payload {
    /// Reads a payload. Panics where it lacks one of its four keys, has another, or numbers what is
    /// no dispatch: no library would notice, some would fail.
    pub fn read(text: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(text).unwrap_or_else(|error| {
            panic!("{error} in the payload {}", String::from_utf8_lossy(text))
        });
        let object = value.as_object().expect("a payload is an object");
        let keys: Vec<&str> = object.keys().map(String::as_str).collect();
        assert_eq!(keys, ["d", "op", "s", "t"], "keys of {value}");
        let payload = Self {
            op: value["op"].as_u64().expect("op is a number"),
            s: value["s"].as_u64(),
            t: value["t"].as_str().map(str::to_owned),
            d: value["d"].clone(),
        };
        let dispatch = payload.op == 0;
        assert_eq!(payload.s.is_some(), dispatch, "s of {value}");
        assert_eq!(payload.t.is_some(), dispatch, "t of {value}");
        payload
    }

    /// Whether it is a dispatch of this name.
    pub fn is(&self, event: &str) -> bool {
        self.t.as_deref() == Some(event)
    }

    /// What it is, for messages.
    pub fn name(&self) -> String {
        match (&self.t, self.s) {
            (Some(event), Some(seq)) => format!("{event} {seq}"),
            _ => format!("op {}", self.op),
        }
    }
}
