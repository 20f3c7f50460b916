//! One message on its way: composes the request, posts it, repeats it.

use std::fmt::Display;
use std::io::Write as _;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::timeout;

use super::Order;
use super::http::{Connection, Response};
use super::retry::Answer;
use crate::client::payload::Message;
use crate::marker::Marker;
use crate::plan::Planned;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// Longest wait that a 429 is believed.
const MAX_RETRY_AFTER: f64 = 3_600.0;

/// The whole request for a message, appended to `out`. The same for each repetition, nonce included. It is sent `held`
/// microseconds after its intended time.
pub(super) fn compose(order: &Order, planned: Planned, held: u64, out: &mut Vec<u8>) {
    let mut body = Vec::with_capacity(order.payload + 96);
    body.extend_from_slice(b"{\"content\":\"");
    let marker = Marker {
        room: planned.room,
        publish: planned.publish,
        intended: planned.intended,
        held,
    };
    order.codec.write(marker, order.payload, &mut body);
    let written = write!(
        body,
        "\",\"nonce\":\"{:08x}-{}\",\"enforce_nonce\":true}}",
        order.run, planned.number
    )
    .and_then(|()| {
        write!(
            out,
            "POST {}/channels/{}/messages HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            order.api.path,
            order.channels[planned.room as usize],
            order.api.host,
            order.tokens[planned.sender as usize],
            body.len()
        )
    });
    written.expect("invariant: writing to a Vec cannot fail");
    out.extend_from_slice(&body);
}

/// What an attempt came to, and in words why it failed.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) answer: Answer,
    pub(super) error: Option<String>,
    /// Whether a connection was opened for it.
    pub(super) opened: bool,
}

/// Posts once, to the node whose `turn` it is. `connection` is opened if there is none, and dropped if it cannot be used again.
pub(super) async fn post_once(
    (order, turn): (&Order, usize),
    connection: &mut Option<Connection>,
    request: &[u8],
) -> Attempt {
    let opened = connection.is_none();
    let mut current = match connection.take() {
        Some(connection) => connection,
        None => match timeout(ANSWER, Connection::open(order.node(turn))).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Attempt::failed(Answer::Unreachable, &error, true),
            Err(_elapsed) => {
                return Attempt::failed(Answer::Unreachable, &"connect timed out", true);
            }
        },
    };
    match timeout(ANSWER, current.request(request)).await {
        Ok(Ok(response)) => {
            if response.keep_alive {
                *connection = Some(current);
            }
            judge(&response, opened)
        }
        Ok(Err(error)) => Attempt::failed(Answer::Broken, &error, opened),
        Err(_elapsed) => Attempt::failed(Answer::Broken, &"no answer in time", opened),
    }
}

impl Attempt {
    fn failed(answer: Answer, error: &dyn Display, opened: bool) -> Self {
        Self {
            answer,
            error: Some(format!("post: {error}")),
            opened,
        }
    }
}

/// The body of a 429.
#[derive(Deserialize)]
struct Limited {
    retry_after: f64,
}

fn judge(response: &Response, opened: bool) -> Attempt {
    let answer = match response.status {
        200..=299 => match serde_json::from_slice::<Message<'_>>(&response.body) {
            Ok(message) => Answer::Acked(message.id.0),
            Err(_) => Answer::Failed,
        },
        429 => {
            let body = serde_json::from_slice::<Limited>(&response.body).ok();
            let after = body.map(|body| body.retry_after).or(response.retry_after);
            let after = after.filter(|after| *after >= 0.0).unwrap_or(1.0);
            Answer::Limited(Duration::from_secs_f64(after.min(MAX_RETRY_AFTER)))
        }
        400..=499 => Answer::Refused,
        _ => Answer::Failed,
    };
    let error = matches!(answer, Answer::Refused | Answer::Failed).then(|| {
        let body = String::from_utf8_lossy(&response.body[..response.body.len().min(300)]);
        format!("post: status {}: {body}", response.status)
    });
    Attempt {
        answer,
        error,
        opened,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let response = Response {
            status,
            retry_after: Some(2.0),
            keep_alive: true,
            body: body.as_bytes().to_vec(),
        };
        judge(&response, false).answer
    }

    #[test]
    fn each_status_has_its_meaning() {
        assert_eq!(answer(200, r#"{"id":"5","content":"x"}"#), Answer::Acked(5));
        assert_eq!(answer(200, "{}"), Answer::Failed);
        assert_eq!(answer(403, "{}"), Answer::Refused);
        assert_eq!(answer(503, "{}"), Answer::Failed);
        let limited = |millis| Answer::Limited(Duration::from_millis(millis));
        assert_eq!(answer(429, r#"{"retry_after":0.5}"#), limited(500));
        assert_eq!(answer(429, "nonsense"), limited(2_000));
        assert_eq!(answer(429, r#"{"retry_after":1e300}"#), limited(3_600_000));
    }
}
