//! What the log and a trace say of a request: a number of its own, which the response has too, and the guild that it is about.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderName, HeaderValue};

use super::context::Context;
use crate::protocol::{ChannelId, GuildId};
use crate::spans::{RestSpan, Way};

/// The number in a response.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Where this process begins to count, so that two processes hardly ever give the same number.
static START: LazyLock<u64> = LazyLock::new(|| {
    let mut bytes = [0; 8];
    // Without it numbers are of this process alone.
    let _ = getrandom::fill(&mut bytes);
    u64::from_le_bytes(bytes)
});
static COUNT: AtomicU64 = AtomicU64::new(0);

/// Names one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestId(u64);

impl RequestId {
    pub(super) fn next() -> Self {
        Self(START.wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    pub(super) const fn number(self) -> u64 {
        self.0
    }

    pub(super) fn header(self) -> HeaderValue {
        let text = format!("{:016x}", self.0);
        HeaderValue::from_str(&text).expect("invariant: hexadecimal digits are visible")
    }
}

/// Whether requests are logged at all.
pub(super) fn is_on() -> bool {
    tracing::enabled!(tracing::Level::DEBUG)
}

/// One line for one request, and its span. Both have the path, which has no secrets, and not the query.
pub(super) fn tell(
    context: &Context,
    request: &HttpRequest,
    (id, way): (RequestId, &Way),
    (status, took): (u16, Duration),
) {
    let path = request.match_info();
    let guild = path.get("guild_id").and_then(|id| id.parse().ok());
    let guild: Option<GuildId> = guild.or_else(|| {
        let channel: ChannelId = path.get("channel_id")?.parse().ok()?;
        context.directory.guild_of(channel)
    });
    tracing::debug!(
        request = format_args!("{:016x}", id.0),
        guild = guild.map(tracing::field::display),
        method = %request.method(),
        path = request.path(),
        status,
        us = took.as_micros() as u64,
        "request"
    );
    if way.is_on() {
        way.rest(RestSpan {
            method: request.method().to_string(),
            route: request.match_pattern().unwrap_or_default(),
            guild,
            status,
        });
    }
}
