//! Request bodies: read within bounds, then turned into a form or into the error that says where it
//! is wrong.

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use actix_web::{HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::context::Settings;
use super::forms::Object;
use super::multipart;
use crate::protocol::ApiError;

/// How deep arrays and objects may nest. Forms need 8; clients of all languages can read more.
const MAX_DEPTH: usize = 32;
/// Up to this many bytes of a body that is refused are read and thrown away: most clients look at
/// the response only once they have sent all, and lose it if the connection is closed before. 25
/// MiB are the most that libraries send to Discord.
const MAX_DRAINED: usize = 26 << 20;
/// The body did not arrive in time.
const TIMED_OUT: ApiError = ApiError::new(408, 0, "408: Request Timeout");

/// Reads a body and gives its JSON: the body itself, or the part of it that libraries put beside
/// files. Empty where the request has none.
pub(super) async fn read(
    request: &HttpRequest,
    payload: &mut web::Payload,
    settings: &Settings,
) -> Result<Bytes, ApiError> {
    let headers = request.headers();
    let declared = header(headers, &CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
    if declared.is_some_and(|length| length > MAX_DRAINED as u64) {
        return Err(too_large(headers));
    }
    let arriving = collect(payload, settings.max_body, headers);
    let body = tokio::time::timeout(settings.body_timeout, arriving)
        .await
        .map_err(|_| TIMED_OUT)??;
    if body.is_empty() {
        // Libraries send the strangest types with nothing.
        return Ok(body);
    }
    let encoding = header(headers, &CONTENT_ENCODING).unwrap_or("identity");
    if !encoding.eq_ignore_ascii_case("identity") {
        return Err(ApiError::UNSUPPORTED_MEDIA_TYPE);
    }
    let Some(kind) = header(headers, &CONTENT_TYPE) else {
        return Ok(body);
    };
    let (essence, parameters) = kind.split_once(';').unwrap_or((kind, ""));
    let essence = essence.trim();
    if essence.eq_ignore_ascii_case("application/json") {
        Ok(body)
    } else if essence.eq_ignore_ascii_case("multipart/form-data") {
        multipart::payload_json(parameters, &body)
    } else {
        Err(ApiError::UNSUPPORTED_MEDIA_TYPE)
    }
}

fn header<'a>(
    headers: &'a HeaderMap,
    name: &actix_web::http::header::HeaderName,
) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Who uploads a large file is told that files are not taken, rather than that this one is large.
fn too_large(headers: &HeaderMap) -> ApiError {
    let kind = header(headers, &CONTENT_TYPE).unwrap_or_default();
    if kind.to_ascii_lowercase().starts_with("multipart/form-data") {
        ApiError::UPLOADS_REFUSED
    } else {
        ApiError::TOO_LARGE
    }
}

async fn collect(
    payload: &mut web::Payload,
    max: usize,
    headers: &HeaderMap,
) -> Result<Bytes, ApiError> {
    let mut body = BytesMut::new();
    let mut arrived = 0;
    while let Some(chunk) = payload.next().await {
        // A body that breaks off is no JSON.
        let chunk = chunk.map_err(|_| ApiError::INVALID_JSON)?;
        arrived += chunk.len();
        if arrived <= max {
            body.extend_from_slice(&chunk);
        } else if arrived > MAX_DRAINED {
            break;
        } else {
            body = BytesMut::new();
        }
    }
    if arrived > max {
        return Err(too_large(headers));
    }
    Ok(body.freeze())
}

/// Reads a form from a JSON object; no body is an empty form.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let form: Object<T> = parse_any(if body.is_empty() { b"{}" } else { body })?;
    Ok(form.0)
}

/// Reads a list of forms from a JSON array; no body is an empty list.
pub(super) fn parse_list<T: DeserializeOwned>(body: &[u8]) -> Result<Vec<T>, ApiError> {
    let list: Vec<Object<T>> = parse_any(if body.is_empty() { b"[]" } else { body })?;
    Ok(list.into_iter().map(|form| form.0).collect())
}

fn parse_any<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    // Parts that are passed on as they came are not looked into by the parser, so its own bound on
    // nesting does not hold for them.
    if depth(body) > MAX_DEPTH {
        return Err(ApiError::INVALID_JSON);
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&mut json, &mut track);
    match T::deserialize(tracked) {
        Ok(form) => json
            .end()
            .map(|()| form)
            .map_err(|_| ApiError::INVALID_JSON),
        Err(error) if error.classify() == Category::Data => {
            Err(wrong_value(&track.path(), &error.to_string()))
        }
        Err(_) => Err(ApiError::INVALID_JSON),
    }
}

/// The deepest nesting of a JSON text; of any other text, some number.
fn depth(text: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut in_string = false;
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match (in_string, byte) {
            (true, b'\\') => {
                bytes.next();
            }
            (_, b'"') => in_string = !in_string,
            (false, b'{' | b'[') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// 400 with the place and Discord's word for the fault, as far as the parser's text tells.
fn wrong_value(path: &serde_path_to_error::Path, text: &str) -> ApiError {
    let mut steps: Vec<String> = path
        .iter()
        .filter_map(|segment| match segment {
            serde_path_to_error::Segment::Seq { index } => Some(index.to_string()),
            serde_path_to_error::Segment::Map { key } => Some(key.clone()),
            _ => None,
        })
        .collect();
    let text = text.split(" at line ").next().unwrap_or(text);
    if let Some(rest) = text.strip_prefix("missing field `") {
        steps.push(rest.trim_end_matches('`').to_owned());
        return ApiError::invalid_form(
            join(&steps),
            "BASE_TYPE_REQUIRED",
            "This field is required",
        );
    }
    let (code, message) = FAULTS
        .iter()
        .find(|(expected, ..)| text.contains(expected))
        .map_or(("BASE_TYPE_INVALID", text.to_owned()), |fault| {
            (fault.1, fault.2.to_owned())
        });
    ApiError::invalid_form(join(&steps), code, message)
}

/// What the parser expected, Discord's code and its message.
const FAULTS: &[(&str, &str, &str)] = &[
    ("snowflake", "NUMBER_TYPE_COERCE", "Value is not snowflake."),
    (
        "permission bit set",
        "NUMBER_TYPE_COERCE",
        "Value is not int.",
    ),
    (
        "expected a string",
        "STRING_TYPE_CONVERT",
        "Could not interpret value as string.",
    ),
    (
        "expected a boolean",
        "BOOLEAN_TYPE_CONVERT",
        "Must be either true or false.",
    ),
    (
        "expected a sequence",
        "LIST_TYPE_CONVERT",
        "Only iterables may be used in a ListType",
    ),
    (
        "expected struct",
        "DICT_TYPE_CONVERT",
        "Only dictionaries may be used in a DictType",
    ),
    (
        "expected a map",
        "DICT_TYPE_CONVERT",
        "Only dictionaries may be used in a DictType",
    ),
    (
        "ISO 8601",
        "DATE_TIME_TYPE_PARSE",
        "Could not parse value. Should be ISO8601.",
    ),
    (
        "invalid value: integer",
        "NUMBER_TYPE_MAX",
        "Value is out of range.",
    ),
    ("expected u", "NUMBER_TYPE_COERCE", "Value is not int."),
];

fn join(steps: &[String]) -> String {
    if steps.is_empty() {
        return "body".to_owned();
    }
    steps.join(".")
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::value::RawValue;

    use super::*;
    use crate::protocol::{Permissions, Timestamp, UserId};

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Form {
        name: Option<String>,
        count: Option<u16>,
        on: Option<bool>,
        user: Option<UserId>,
        rights: Option<Permissions>,
        until: Option<Timestamp>,
        list: Option<Vec<Object<Inner>>>,
        raw: Option<Vec<Box<RawValue>>>,
    }

    #[derive(Debug, Deserialize)]
    struct Inner {
        id: UserId,
    }

    fn fault(text: &str) -> (String, String) {
        let error = parse::<Form>(text.as_bytes()).unwrap_err();
        assert_eq!((error.status, error.code), (400, 50_035), "{text}");
        let field = error.field.unwrap();
        (field.path.into_owned(), field.code.into_owned())
    }

    #[test]
    fn a_wrong_type_is_named_with_its_place() {
        for (text, path, code) in [
            (r#"{"name":1}"#, "name", "STRING_TYPE_CONVERT"),
            (r#"{"count":"x"}"#, "count", "NUMBER_TYPE_COERCE"),
            (r#"{"count":70000}"#, "count", "NUMBER_TYPE_MAX"),
            (r#"{"count":-1}"#, "count", "NUMBER_TYPE_MAX"),
            (r#"{"count":1.5}"#, "count", "NUMBER_TYPE_COERCE"),
            (r#"{"on":"yes"}"#, "on", "BOOLEAN_TYPE_CONVERT"),
            (r#"{"user":"x"}"#, "user", "NUMBER_TYPE_COERCE"),
            (r#"{"rights":"x"}"#, "rights", "NUMBER_TYPE_COERCE"),
            (r#"{"until":"today"}"#, "until", "DATE_TIME_TYPE_PARSE"),
            (r#"{"list":{}}"#, "list", "LIST_TYPE_CONVERT"),
            (
                r#"{"list":[{"id":1},{"id":[]}]}"#,
                "list.1.id",
                "NUMBER_TYPE_COERCE",
            ),
            (r#"{"list":[{}]}"#, "list.0.id", "BASE_TYPE_REQUIRED"),
            (r#"{"list":["x"]}"#, "list.0", "DICT_TYPE_CONVERT"),
            (r#"{"list":[[1]]}"#, "list.0", "DICT_TYPE_CONVERT"),
            (r#"["x", "y"]"#, "body", "DICT_TYPE_CONVERT"),
            (r#" ["x"]"#, "body", "DICT_TYPE_CONVERT"),
            ("3", "body", "DICT_TYPE_CONVERT"),
        ] {
            assert_eq!(fault(text), (path.to_owned(), code.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_not_json_is_refused_as_that() {
        for text in [
            "{",
            "nope",
            "{}x",
            "{\"name\":\"\u{1}\"}",
            "{\"a\":1,}",
            "\"",
            "{\"raw\":[{]}",
        ] {
            assert_eq!(
                parse::<Form>(text.as_bytes()).unwrap_err(),
                ApiError::INVALID_JSON,
                "{text}"
            );
        }
        let not_utf8 = parse::<Form>(b"{\"name\":\"\xff\"}");
        assert_eq!(not_utf8.unwrap_err(), ApiError::INVALID_JSON);
    }

    #[test]
    fn no_body_null_and_unknown_keys_are_an_empty_form() {
        for text in ["", "{}", r#"{"name":null,"list":null,"new":{"a":[1]}}"#] {
            let form: Form = parse(text.as_bytes()).unwrap();
            assert!(form.name.is_none() && form.list.is_none(), "{text}");
        }
        let form: Form = parse(br#"{"list":[{"id":"3"}]}"#).unwrap();
        assert_eq!(form.list.unwrap()[0].0.id, UserId::new(3));
        for text in ["", " [] "] {
            assert!(parse_list::<Form>(text.as_bytes()).unwrap().is_empty());
        }
    }

    #[test]
    fn raw_parts_come_as_they_are_but_not_deeper_than_allowed() {
        let nested = |n: usize| format!("{{\"raw\":[{}{}]}}", "[".repeat(n), "]".repeat(n));
        let form: Form = parse(nested(MAX_DEPTH - 2).as_bytes()).unwrap();
        assert_eq!(form.raw.unwrap().len(), 1);
        for n in [MAX_DEPTH - 1, 10_000, 100_000] {
            let refused = parse::<Form>(nested(n).as_bytes());
            assert_eq!(refused.unwrap_err(), ApiError::INVALID_JSON);
        }
        // Brackets in strings do not nest.
        let text = format!("{{\"name\":\"\\\"{}\"}}", "[".repeat(100));
        assert!(parse::<Form>(text.as_bytes()).is_ok());
    }
}
