//! Messages that carry a number, so that a reader can tell whether it got each of them once and in
//! order.

use serde_json::Value;

use crate::payload::Payload;

/// The content of message `number` of a series.
pub fn content(series: &str, number: usize) -> String {
    format!("{series}-{number}")
}

/// The number of a message of a series, if it is one.
pub fn number(series: &str, message: &Value) -> Option<usize> {
    let content = message["content"].as_str()?;
    content
        .strip_prefix(series)?
        .strip_prefix('-')?
        .parse()
        .ok()
}

/// The numbers of the messages of a series among payloads.
pub fn numbers(series: &str, payloads: &[Payload]) -> Vec<usize> {
    payloads
        .iter()
        .filter(|payload| payload.is("MESSAGE_CREATE"))
        .filter_map(|payload| number(series, &payload.d))
        .collect()
}

/// The ids of the messages among payloads.
pub fn ids(payloads: &[Payload]) -> Vec<String> {
    payloads
        .iter()
        .filter(|payload| payload.is("MESSAGE_CREATE"))
        .map(|payload| crate::rest::text(&payload.d["id"]).to_owned())
        .collect()
}
