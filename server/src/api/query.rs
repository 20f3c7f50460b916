//! Query strings, read leniently: empty parts are skipped, unknown keys ignored, the last of a
//! repeated key counts.

use std::ops::RangeInclusive;

use super::call::not_a_snowflake;
use crate::protocol::ApiError;

/// Most parts that are read; no endpoint has as many.
const MAX_PARTS: usize = 64;

/// A decoded query string.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Splits and decodes; 400 where the percent-encoding is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, ApiError> {
        let parts = text.split('&').filter(|part| !part.is_empty());
        let pairs = parts.take(MAX_PARTS).map(|part| {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            Some((decode(key, true)?, decode(value, true)?))
        });
        pairs.collect::<Option<_>>().map(Self).ok_or_else(|| {
            let what = "The query string is not percent-encoded UTF-8.";
            ApiError::invalid_form("query", "BASE_TYPE_INVALID", what)
        })
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(name, _)| name == key);
        found.map(|(_, value)| value.as_str())
    }

    /// A page size.
    pub(super) fn limit(
        &self,
        default: usize,
        range: RangeInclusive<usize>,
    ) -> Result<usize, ApiError> {
        let Some(text) = self.get("limit").filter(|text| !text.is_empty()) else {
            return Ok(default);
        };
        let error = |code, message| Err(ApiError::invalid_form("limit", code, message));
        let (low, high) = (*range.start(), *range.end());
        match text.parse::<i128>() {
            Ok(value) if value < low as i128 => error(
                "NUMBER_TYPE_MIN",
                format!("int value should be greater than or equal to {low}."),
            ),
            Ok(value) if value > high as i128 => error(
                "NUMBER_TYPE_MAX",
                format!("int value should be less than or equal to {high}."),
            ),
            Ok(value) => Ok(value as usize),
            Err(_) => {
                let shown: String = text.chars().take(40).collect();
                error(
                    "NUMBER_TYPE_COERCE",
                    format!("Value \"{shown}\" is not int."),
                )
            }
        }
    }

    /// An id, of which 0 stands for the beginning of time: libraries page from there.
    pub(super) fn id(&self, key: &'static str) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.get(key).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        match text.parse() {
            Ok(id) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Some(id)),
            _ => Err(not_a_snowflake(key, text)),
        }
    }

    /// Whether a switch is on.
    pub(super) fn flag(&self, key: &str) -> bool {
        matches!(self.get(key), Some("1" | "true" | "True"))
    }
}

/// Decodes `%XX`, and `+` where it stands for a space; `None` where that is malformed or not UTF-8.
pub(super) fn decode(text: &str, plus_is_space: bool) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                (high * 16 + low) as u8
            }
            b'+' if plus_is_space => b' ',
            byte => byte,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::parse(text).unwrap()
    }

    fn fault(result: Result<usize, ApiError>) -> String {
        result.unwrap_err().field.unwrap().code.into_owned()
    }

    #[test]
    fn empty_parts_are_skipped_and_the_last_of_a_key_counts() {
        let query = query("?&&limit=3&a=b%26c+d&limit=10&x&=");
        assert_eq!(query.limit(50, 1..=100).unwrap(), 10);
        assert_eq!(query.get("a"), Some("b&c d"));
        assert_eq!(query.get("x"), Some(""));
        assert_eq!(query.get("y"), None);
    }

    #[test]
    fn a_limit_out_of_range_is_refused_not_clamped() {
        assert_eq!(query("").limit(50, 1..=100).unwrap(), 50);
        assert_eq!(query("limit=").limit(50, 1..=100).unwrap(), 50);
        for (text, code) in [
            ("limit=0", "NUMBER_TYPE_MIN"),
            ("limit=-1", "NUMBER_TYPE_MIN"),
            ("limit=101", "NUMBER_TYPE_MAX"),
            ("limit=99999999999999999999999", "NUMBER_TYPE_MAX"),
            ("limit=ten", "NUMBER_TYPE_COERCE"),
            ("limit=1.5", "NUMBER_TYPE_COERCE"),
        ] {
            assert_eq!(fault(query(text).limit(50, 1..=100)), code, "{text}");
        }
    }

    #[test]
    fn ids_may_be_zero_but_not_text() {
        assert_eq!(query("after=0").id("after").unwrap(), Some(0));
        assert_eq!(query("after=").id("after").unwrap(), None);
        assert_eq!(query("").id("after").unwrap(), None);
        let largest = format!("after={}", u64::MAX);
        assert_eq!(query(&largest).id("after").unwrap(), Some(u64::MAX));
        for text in [
            "after=x",
            "after=-1",
            "after=%2B1",
            "after=18446744073709551616",
        ] {
            assert!(query(text).id("after").is_err(), "{text}");
        }
    }

    #[test]
    fn wrong_percent_encoding_is_refused() {
        for text in ["a=%", "a=%4", "a=%zz", "a=%ff", "%80=1"] {
            assert!(Query::parse(text).is_err(), "{text}");
        }
        assert_eq!(decode("a+b%20c", false).as_deref(), Some("a+b c"));
    }
}
