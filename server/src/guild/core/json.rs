//! JSON objects put together from parts that are serialized once.

use serde::Serialize;
use serde_json::value::RawValue;

/// Serializes a value. Protocol objects hold nothing that JSON cannot express.
pub(super) fn to_vec(value: &impl Serialize) -> Vec<u8> {
    // Room for most messages, with what is added to them.
    let mut out = Vec::with_capacity(1_024);
    append(&mut out, value);
    out
}

/// Appends a value as JSON.
pub(super) fn append(out: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(out, value).expect("invariant: protocol objects serialize to JSON");
}

/// Makes JSON that was just written a value of its own.
pub(super) fn into_raw(json: Vec<u8>) -> Box<RawValue> {
    String::from_utf8(json)
        .ok()
        .and_then(|text| RawValue::from_string(text).ok())
        .expect("invariant: what is written here is JSON")
}

/// An object under construction: `{…`, its last brace still missing.
pub(super) struct OpenObject<'o>(&'o mut Vec<u8>);

impl<'o> OpenObject<'o> {
    /// Appends a value that serializes to an object with at least one key, to go on from.
    pub(super) fn from_value(out: &'o mut Vec<u8>, value: &impl Serialize) -> Self {
        append(out, value);
        Self::reopen(out)
    }

    /// Appends an object that is JSON already and has at least one key, to go on from.
    pub(super) fn from_json(out: &'o mut Vec<u8>, object: &[u8]) -> Self {
        out.extend_from_slice(object);
        Self::reopen(out)
    }

    /// Takes the last brace of an object with at least one key off again.
    pub(super) fn reopen(out: &'o mut Vec<u8>) -> Self {
        let brace = out.pop();
        debug_assert_eq!(brace, Some(b'}'), "only objects can be reopened");
        Self(out)
    }

    /// Adds a key whose name needs no escapes.
    pub(super) fn field(&mut self, name: &str, value: &impl Serialize) -> &mut Self {
        append(self.key(name), value);
        self
    }

    /// Adds a key whose value is JSON already.
    pub(super) fn raw(&mut self, name: &str, json: &[u8]) -> &mut Self {
        self.key(name).extend_from_slice(json);
        self
    }

    /// Adds a key if there is a value for it.
    pub(super) fn optional(&mut self, name: &str, value: Option<&impl Serialize>) -> &mut Self {
        match value {
            Some(value) => self.field(name, value),
            None => self,
        }
    }

    /// Adds the last brace.
    pub(super) fn close(&mut self) {
        self.0.push(b'}');
    }

    fn key(&mut self, name: &str) -> &mut Vec<u8> {
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
        self.0
    }
}

/// Writes an array whose elements are written one by one.
pub(super) fn array<T>(
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) -> Vec<u8> {
    let mut out = vec![b'['];
    for item in items {
        if out.len() > 1 {
            out.push(b',');
        }
        write(&mut out, item);
    }
    out.push(b']');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_one_valid_object() {
        #[derive(Serialize)]
        struct One {
            one: u8,
        }
        let mut out = b"x".to_vec();
        OpenObject::from_value(&mut out, &One { one: 1 })
            .field("two", &"b")
            .raw("three", b"[3]")
            .optional("four", None::<&u8>)
            .optional("five", Some(&5))
            .close();
        assert_eq!(out, br#"x{"one":1,"two":"b","three":[3],"five":5}"#);
        OpenObject::reopen(&mut out).field("six", &6).close();
        assert!(out.ends_with(br#""five":5,"six":6}"#));
        assert_eq!(array([1, 2], |out, n| append(out, &n)), b"[1,2]");
        assert_eq!(array([], |out, n: u8| append(out, &n)), b"[]");
    }
}
