//! What a handler answers, and how that and every error become responses.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use crate::guild::command::{Outcome, Reply};
use crate::protocol::ApiError;

/// How long a client is asked to wait where a 429 does not say, in milliseconds.
const UNKNOWN_WAIT_MS: u64 = 1_000;

/// What a request came to, if not to an error.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// 200 or 201 with a JSON body.
    Json(StatusCode, Bytes),
    /// 204.
    NoContent,
}

/// What every handler returns.
pub(super) type Handled = Result<Answer, ApiError>;

impl Answer {
    /// 200 with a value.
    pub(super) fn json(value: &impl Serialize) -> Handled {
        Self::serialized(StatusCode::OK, value)
    }

    /// 201 with a value.
    pub(super) fn created(value: &impl Serialize) -> Handled {
        Self::serialized(StatusCode::CREATED, value)
    }

    fn serialized(status: StatusCode, value: &impl Serialize) -> Handled {
        match serde_json::to_vec(value) {
            Ok(body) => Ok(Self::Json(status, body.into())),
            Err(error) => {
                tracing::error!(%error, "a response cannot be serialized");
                Err(ApiError::INTERNAL)
            }
        }
    }

    /// What a guild said: 200 with its body, or 204.
    pub(super) fn of(outcome: Outcome) -> Handled {
        match outcome? {
            Reply::Json(body) => Ok(Self::Json(StatusCode::OK, body)),
            Reply::Done | Reply::Unchanged => Ok(Self::NoContent),
            Reply::Members { members, .. } => Self::json(&members),
        }
    }

    /// What a guild said about something new: 201 with its body, or 204 where it was there before.
    pub(super) fn of_creation(outcome: Outcome) -> Handled {
        match Self::of(outcome)? {
            Self::Json(_, body) => Ok(Self::Json(StatusCode::CREATED, body)),
            Self::NoContent => Ok(Self::NoContent),
        }
    }

    /// Whether the guild did it; the answer is 204.
    pub(super) fn done(outcome: Outcome) -> Handled {
        outcome.map(|_| Self::NoContent)
    }
}

/// The body of a reply that must have one.
pub(super) fn body_of(outcome: Outcome) -> Result<Bytes, ApiError> {
    match outcome? {
        Reply::Json(body) => Ok(body),
        reply => {
            tracing::error!(?reply, "a guild's reply lacks a body");
            Err(ApiError::INTERNAL)
        }
    }
}

/// The one place where answers and errors become responses.
pub(super) fn respond(handled: Handled) -> HttpResponse {
    match handled {
        Ok(Answer::Json(status, body)) => json_response(status, body),
        Ok(Answer::NoContent) => HttpResponse::NoContent().finish(),
        Err(error) => respond_error(&error),
    }
}

fn respond_error(error: &ApiError) -> HttpResponse {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let mut response = json_response(status, error_body(error.body()));
        let seconds = error.retry_after_ms.map_or(1, |ms| ms.div_ceil(1_000));
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
        return response;
    }
    if status != StatusCode::TOO_MANY_REQUESTS {
        return json_response(status, error_body(error.body()));
    }
    // A limit that a guild has set. Several libraries fail on a 429 without all of this.
    let wait_ms = error.retry_after_ms.unwrap_or(UNKNOWN_WAIT_MS);
    let mut body = error.clone().retry_after(wait_ms).body();
    body["global"] = false.into();
    let mut response = json_response(status, error_body(body));
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from(wait_ms.div_ceil(1_000)));
    headers.insert(super::rate::SCOPE, HeaderValue::from_static("shared"));
    super::rate::insert_via(headers);
    response
}

/// An error's body with its keys in Discord's order, for whoever compares texts.
fn error_body(body: Value) -> Bytes {
    #[derive(Serialize)]
    struct Ordered {
        message: Value,
        code: Value,
        #[serde(flatten)]
        rest: Value,
    }
    let mut rest = body;
    let ordered = Ordered {
        message: rest["message"].take(),
        code: rest["code"].take(),
        rest: match rest {
            Value::Object(mut keys) => {
                keys.retain(|key, _| key != "message" && key != "code");
                Value::Object(keys)
            }
            other => other,
        },
    };
    serde_json::to_vec(&ordered)
        .expect("invariant: values serialize to JSON")
        .into()
}

/// 405 with the methods that the path has.
pub(super) fn method_not_allowed(allow: HeaderValue) -> HttpResponse {
    let mut response = respond_error(&ApiError::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(ALLOW, allow);
    response
}

/// A response whose type is exactly `application/json`: six libraries compare it as a string.
pub(super) fn json_response(status: StatusCode, body: Bytes) -> HttpResponse {
    const JSON: (HeaderName, HeaderValue) =
        (CONTENT_TYPE, HeaderValue::from_static("application/json"));
    HttpResponse::build(status).insert_header(JSON).body(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn a_guilds_own_limit_has_what_libraries_wait_by() {
        let response = respond(Err(ApiError::SLOW_MODE.retry_after(4_200)));
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        let header = |name: &str| response.headers().get(name).unwrap().to_str().unwrap();
        assert_eq!(header("retry-after"), "5");
        assert_eq!(header("x-ratelimit-scope"), "shared");
        assert_eq!(header("via"), "1.1 guildhall");
        let body = actix_web::body::to_bytes(response.into_body())
            .await
            .unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["code"], 20_016);
        assert_eq!(body["retry_after"], 4.2);
        assert_eq!(body["global"], false);
    }

    #[actix_web::test]
    async fn bodies_of_errors_begin_like_discords() {
        for error in ApiError::ALL {
            let response = respond(Err(error.clone()));
            assert_eq!(response.status().as_u16(), error.status);
            let body = actix_web::body::to_bytes(response.into_body())
                .await
                .unwrap();
            let message = serde_json::to_string(&error.message).unwrap();
            let start = format!("{{\"message\":{message},\"code\":{}", error.code);
            assert!(body.starts_with(start.as_bytes()), "{body:?}");
        }
        let response = respond(Err(ApiError::UNAUTHORIZED));
        let body = actix_web::body::to_bytes(response.into_body())
            .await
            .unwrap();
        assert_eq!(body, "{\"message\":\"401: Unauthorized\",\"code\":0}");
        let field = respond(Err(ApiError::invalid_form("a.b", "X", "y")));
        let body = actix_web::body::to_bytes(field.into_body()).await.unwrap();
        assert_eq!(
            body,
            "{\"message\":\"Invalid Form Body\",\"code\":50035,\
             \"errors\":{\"a\":{\"b\":{\"_errors\":[{\"code\":\"X\",\"message\":\"y\"}]}}}}"
        );
    }
}
