//! A quick look at a gateway payload: `op`, `s`, `t` and a message's id without parsing the JSON between them.
//!
//! It reads the members before `d` from the front and those after `d` from the back, in any order, and says nothing
//! whenever it is not sure: then the caller parses the payload in full. For valid JSON what it does say is right; that
//! the bytes between are valid JSON it does not check.

use memchr::memrchr;

use crate::marker::leading_decimal;

/// What the quick look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scan<'a> {
    /// Opcode.
    pub op: u64,
    /// Sequence number; `None` for null.
    pub s: Option<u64>,
    /// Event name; `None` for null.
    pub t: Option<&'a [u8]>,
    /// From the value of `d` on.
    data: &'a [u8],
}

impl Scan<'_> {
    /// `d.id`, if that is the first member of `d`.
    pub fn id(&self) -> Option<u64> {
        let digits = self.data.strip_prefix(b"{\"id\":\"")?;
        let (id, rest) = leading_decimal(digits)?;
        rest.starts_with(b"\"").then_some(id)
    }
}

/// A member that may be null.
#[derive(Debug, Clone, Copy, Default)]
enum Member<T> {
    #[default]
    Missing,
    Null,
    Value(T),
}

impl<T> Member<T> {
    fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }

    /// The value; `None` for null.
    fn value(self) -> Option<T> {
        match self {
            Self::Missing | Self::Null => None,
            Self::Value(value) => Some(value),
        }
    }
}

/// The members of the envelope that were found so far.
#[derive(Debug, Default)]
struct Found<'a> {
    op: Option<u64>,
    s: Member<u64>,
    t: Member<&'a [u8]>,
}

impl<'a> Found<'a> {
    fn is_complete(&self) -> bool {
        self.op.is_some() && !self.s.is_missing() && !self.t.is_missing()
    }

    /// Reads one of the three members at the start of `text`; gives what follows it.
    fn member(&mut self, text: &'a [u8]) -> Option<&'a [u8]> {
        if let Some(rest) = text.strip_prefix(b"\"t\":") {
            if let Some(rest) = rest.strip_prefix(b"null") {
                self.t = Member::Null;
                return Some(rest);
            }
            let name = rest.strip_prefix(b"\"")?;
            let end = name
                .iter()
                .position(|byte| !(byte.is_ascii_uppercase() || *byte == b'_'))?;
            self.t = Member::Value(&name[..end]);
            return name[end..].strip_prefix(b"\"");
        }
        if let Some(rest) = text.strip_prefix(b"\"s\":") {
            if let Some(rest) = rest.strip_prefix(b"null") {
                self.s = Member::Null;
                return Some(rest);
            }
            let (value, rest) = number(rest)?;
            self.s = Member::Value(value);
            return Some(rest);
        }
        let (value, rest) = number(text.strip_prefix(b"\"op\":")?)?;
        self.op = Some(value);
        Some(rest)
    }
}

/// Looks at a payload; `None` if it has to be parsed in full.
pub fn scan(text: &[u8]) -> Option<Scan<'_>> {
    let inner = text.strip_prefix(b"{")?.strip_suffix(b"}")?;
    let mut found = Found::default();
    let mut head = inner;
    let data = loop {
        if let Some(data) = head.strip_prefix(b"\"d\":") {
            break data;
        }
        head = found.member(head)?;
        if head.is_empty() {
            // No `d` at all: nothing of the gateway's.
            return None;
        }
        head = head.strip_prefix(b",")?;
    };
    if !found.is_complete() {
        // `d` ends where the last brace within the payload is, if `d` is an object; if it is not, then what follows
        // that brace cannot be a list of members, or it is null.
        let mut tail = match data.strip_prefix(b"null") {
            Some(tail) => tail,
            None => &data[memrchr(b'}', data)? + 1..],
        };
        while !tail.is_empty() {
            tail = found.member(tail.strip_prefix(b",")?)?;
        }
        if !found.is_complete() {
            return None;
        }
    }
    Some(Scan {
        op: found.op?,
        s: found.s.value(),
        t: found.t.value(),
        data,
    })
}

/// A decimal integer at the start of `text` and what follows it.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let (value, rest) = leading_decimal(text)?;
    // A fraction or an exponent follows: not an integer.
    if matches!(rest.first(), Some(b'.' | b'e' | b'E')) {
        return None;
    }
    Some((value, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// A value of `d`, with strings that look like pieces of an envelope.
    fn data() -> impl Strategy<Value = Value> {
        let string = prop_oneof![
            "[a-z\"\\\\{}\\[\\],:]{0,12}",
            Just("},\"s\":5".to_owned()),
            Just("}".to_owned()),
            Just(",\"t\":null}".to_owned()),
            Just("\\\"},\"op\":1}".to_owned()),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u32>().prop_map(Value::from),
            string.prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 5, |inner| {
            let key = prop_oneof![
                Just("id"),
                Just("s"),
                Just("t"),
                Just("op"),
                Just("d"),
                Just("a")
            ];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((key, inner), 0..5).prop_map(|members| {
                    Value::Object(
                        members
                            .into_iter()
                            .map(|(key, value)| (key.to_owned(), value))
                            .collect(),
                    )
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_it_says_is_what_the_full_parser_says(
            d in data(),
            op in 0_u8..12,
            s in prop::option::of(any::<u64>()),
            t in prop_oneof![Just(None), Just(Some("MESSAGE_CREATE")), Just(Some("READY"))],
            order in Just(vec![0, 1, 2, 3]).prop_shuffle(),
        ) {
            let members = [
                format!("\"op\":{op}"),
                format!("\"s\":{}", json!(s)),
                format!("\"t\":{}", json!(t)),
                format!("\"d\":{d}"),
            ];
            let members: Vec<&str> = order.iter().map(|index: &usize| members[*index].as_str()).collect();
            let text = format!("{{{}}}", members.join(","));
            let found = scan(text.as_bytes());
            if let Some(found) = found {
                prop_assert_eq!(found.op, u64::from(op));
                prop_assert_eq!(found.s, s);
                prop_assert_eq!(found.t, t.map(str::as_bytes));
                if let Some(id) = found.id() {
                    prop_assert_eq!(d["id"].as_str().unwrap(), id.to_string());
                }
            }
            if d.is_object() || d.is_null() {
                prop_assert!(found.is_some(), "{}", text);
            }
        }

        #[test]
        fn any_bytes_are_looked_at_without_panic(text in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = scan(&text);
        }
    }

    #[test]
    fn a_message_is_read_from_both_ends() {
        let text = br#"{"t":"MESSAGE_CREATE","op":0,"d":{"id":"1573603864567873537","author":{"id":"1"}},"s":123}"#;
        let found = scan(text).unwrap();
        assert_eq!((found.op, found.s), (0, Some(123)));
        assert_eq!(found.t, Some(&b"MESSAGE_CREATE"[..]));
        assert_eq!(found.id(), Some(1_573_603_864_567_873_537));
    }

    #[test]
    fn an_id_that_is_not_the_datas_first_is_left_to_the_full_parser() {
        let text = br#"{"t":"MESSAGE_CREATE","op":0,"d":{"author":{"id":"1"},"id":"2"},"s":3}"#;
        assert_eq!(scan(text).unwrap().id(), None);
    }

    #[test]
    fn spaces_other_members_and_fractions_make_it_unsure() {
        for text in [
            r#"{ "t":null,"s":null,"op":11,"d":null}"#,
            r#"{"t":null,"x":1,"s":null,"op":11,"d":null}"#,
            r#"{"t":null,"op":11,"d":null,"s":null,"x":1}"#,
            r#"{"t":null,"s":1.5,"op":11,"d":null}"#,
            r#"{"t":null,"op":11,"d":null}"#,
            "",
            "{}",
        ] {
            assert_eq!(scan(text.as_bytes()), None, "{text}");
        }
    }
}
