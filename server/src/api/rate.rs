//! The limits' verdicts as headers and bodies.
//!
//! Of the `X-RateLimit-*` set a response has all or none: some libraries fail on a part of it.

use std::net::IpAddr;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, VIA};
use serde_json::json;

use super::answer::json_response;
use super::context::Context;
use crate::auth::rate_limit::{
    Network, RateRefusal, RateScope, RateState, Subject, seconds, whole_seconds,
};
use crate::clock;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const RESET_AFTER: HeaderName = HeaderName::from_static("x-ratelimit-reset-after");
const BUCKET: HeaderName = HeaderName::from_static("x-ratelimit-bucket");
const GLOBAL: HeaderName = HeaderName::from_static("x-ratelimit-global");
/// Says whose limit a 429 is about.
pub(super) const SCOPE: HeaderName = HeaderName::from_static("x-ratelimit-scope");

/// Counts a request that has no valid token. Only such requests count against their network, so
/// that nobody is locked out by a neighbour's guessing.
pub(super) fn check_stranger(context: &Context, address: Option<IpAddr>) -> Option<HttpResponse> {
    let subject = Subject::Network(Network::from(address?));
    let checked = context.limits.check_global(subject, clock::uptime());
    checked.err().map(|refusal| refuse(&refusal))
}

/// 429 in Discord's form.
pub(super) fn refuse(refusal: &RateRefusal<'_>) -> HttpResponse {
    let global = refusal.scope == RateScope::Global;
    let body = json!({
        "message": "You are being rate limited.",
        "retry_after": seconds(refusal.retry_after),
        "global": global,
    });
    let mut response = json_response(StatusCode::TOO_MANY_REQUESTS, body.to_string().into());
    let headers = response.headers_mut();
    let retry_after = whole_seconds(refusal.retry_after);
    headers.insert(RETRY_AFTER, HeaderValue::from(retry_after));
    headers.insert(SCOPE, HeaderValue::from_static(refusal.scope.as_str()));
    if global {
        headers.insert(GLOBAL, HeaderValue::from_static("true"));
    }
    insert_via(headers);
    insert_state(headers, &refusal.state);
    response
}

/// Without this header five libraries take a 429 for one of a firewall, and raise.
pub(super) fn insert_via(headers: &mut HeaderMap) {
    headers.insert(VIA, HeaderValue::from_static("1.1 guildhall"));
}

/// Adds the whole `X-RateLimit-*` set of a bucket.
pub(super) fn insert_state(headers: &mut HeaderMap, state: &RateState<'_>) {
    let reset_after = seconds(state.reset_after);
    let reset = clock::unix_ms() as f64 / 1_000.0 + reset_after;
    headers.insert(LIMIT, state.limit.into());
    headers.insert(REMAINING, state.remaining.into());
    for (name, text) in [
        (RESET, format!("{reset:.3}")),
        (RESET_AFTER, format!("{reset_after:.3}")),
        (BUCKET, state.bucket.to_owned()),
    ] {
        let value = HeaderValue::from_str(&text).expect("invariant: digits and dots are visible");
        headers.insert(name, value);
    }
}
