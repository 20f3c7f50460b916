//! Where the time of a request goes, told to a collector of traces by OTLP.
//!
//! A request that a node takes has a [`Way`]; the guild that it reaches hangs its own spans on that. Whether they are
//! exported is decided with each guild's answer and at the request's end: the number that a trace has at random is held
//! against a bound that grows with the sessions that the guild's event was offered to. So a delivery has the same chance
//! in a guild of ten sessions and of ten thousand, and the spans of a request that one guild answers go together or not
//! at all; of one that several answer, those of the first may be missing.
//!
//! Without `log.otlp_endpoint` a way is nothing but a null pointer.

mod endpoint;
mod export;
mod json;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

pub use endpoint::Endpoint;
pub use export::{Figures, figures, finish, is_on, start};

use crate::clock;
use crate::protocol::GuildId;

/// Where this process begins: half of the id of each of its traces.
static PROCESS: LazyLock<u64> = LazyLock::new(|| {
    let mut bytes = [0; 8];
    // Without it traces are told apart by their other half alone.
    let _ = getrandom::fill(&mut bytes);
    u64::from_le_bytes(bytes) | 1
});

tokio::task_local! {
    static CURRENT: Way;
}

/// The trace of one request, or none. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Way(Option<Arc<Root>>);

#[derive(Debug)]
struct Root {
    /// The request's number, which the log and the response have too.
    request: u64,
    /// Half of the trace's id, as good as random.
    number: u64,
    begun: Instant,
    /// Sessions that were offered what came of it; 1 where nothing did.
    weight: AtomicU64,
    /// Spans that hang on it so far.
    spans: AtomicU64,
}

/// What kind of work a span is, by OTLP's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Internal = 1,
    Server = 2,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(String),
    Number(u64),
}

/// A piece of work that is done.
#[derive(Debug, Clone)]
struct Span {
    trace: (u64, u64),
    id: u64,
    parent: Option<u64>,
    name: String,
    kind: Kind,
    /// Since the Unix epoch.
    begun: Duration,
    ended: Duration,
    failed: bool,
    attributes: Vec<(&'static str, Value)>,
}

/// From when to when.
pub type Stretch = (Instant, Instant);

/// What a REST request was.
#[derive(Debug)]
pub struct RestSpan {
    /// The method.
    pub method: String,
    /// The pattern of the path, which has no ids.
    pub route: String,
    /// The guild that it was about.
    pub guild: Option<GuildId>,
    /// How it was answered.
    pub status: u16,
}

/// What a guild did for a request.
#[derive(Debug, Clone, Copy)]
pub struct GuildSpan {
    /// The guild.
    pub guild: GuildId,
    /// From when its actor had the request until it answers.
    pub handled: Stretch,
    /// The append that has its record.
    pub journal: Option<Stretch>,
    /// Handing items to hubs.
    pub fan_out: Option<Stretch>,
    /// Sessions that were offered each of them.
    pub sessions: u64,
    /// Hubs that have these sessions.
    pub hubs: u64,
}

impl Way {
    /// The trace of a request with this number that begins now; none while nothing is exported.
    pub fn begin(request: u64) -> Self {
        if !is_on() {
            return Self(None);
        }
        Self(Some(Arc::new(Root {
            request,
            number: scattered(request ^ *PROCESS),
            begun: clock::now(),
            weight: AtomicU64::new(1),
            spans: AtomicU64::new(0),
        })))
    }

    /// Whether there is one.
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Exports what a guild did, if this trace is one of those.
    pub fn guild(&self, span: &GuildSpan) {
        let Some(root) = &self.0 else { return };
        if span.fan_out.is_some() {
            root.weight.fetch_max(span.sessions, Ordering::Relaxed);
        }
        if !root.is_taken() {
            return;
        }
        let guild = ("guildhall.guild", Value::Text(span.guild.to_string()));
        let own = root.next();
        let handled = root.span("guild", (own, Some(root.number)), span.handled);
        export::send(handled.with([guild.clone()]));
        if let Some(stretch) = span.journal {
            let span = root.span("journal", (root.next(), Some(own)), stretch);
            export::send(span.with([guild.clone()]));
        }
        if let Some(stretch) = span.fan_out {
            let fan_out = root.span("fan-out", (root.next(), Some(own)), stretch);
            export::send(fan_out.with([
                guild,
                ("guildhall.sessions", Value::Number(span.sessions)),
                ("guildhall.hubs", Value::Number(span.hubs)),
            ]));
        }
    }

    /// Exports the request itself, which ends now, if this trace is one of those.
    pub fn rest(&self, what: RestSpan) {
        let Some(root) = self.0.as_ref().filter(|root| root.is_taken()) else {
            return;
        };
        let name = format!("{} {}", what.method, what.route);
        let mut span = root
            .span(name, (root.number, None), (root.begun, clock::now()))
            .with([
                ("http.request.method", Value::Text(what.method)),
                ("http.route", Value::Text(what.route)),
                (
                    "http.response.status_code",
                    Value::Number(what.status.into()),
                ),
                (
                    "guildhall.request",
                    Value::Text(format!("{:016x}", root.request)),
                ),
            ]);
        if let Some(guild) = what.guild {
            span = span.with([("guildhall.guild", Value::Text(guild.to_string()))]);
        }
        span.kind = Kind::Server;
        span.failed = what.status >= 500;
        export::send(span);
    }
}

impl Root {
    fn is_taken(&self) -> bool {
        let bound =
            (u64::MAX / export::every()).saturating_mul(self.weight.load(Ordering::Relaxed));
        self.number <= bound
    }

    /// The id of another span.
    fn next(&self) -> u64 {
        let count = 1 + self.spans.fetch_add(1, Ordering::Relaxed);
        scattered(self.number.wrapping_add(count))
    }

    fn span(
        &self,
        name: impl Into<String>,
        (id, parent): (u64, Option<u64>),
        (begun, ended): Stretch,
    ) -> Span {
        Span {
            trace: (*PROCESS, self.number),
            id,
            parent,
            name: name.into(),
            kind: Kind::Internal,
            begun: clock::unix_at(begun),
            ended: clock::unix_at(ended),
            failed: false,
            attributes: Vec::new(),
        }
    }
}

impl Span {
    fn with<const N: usize>(mut self, attributes: [(&'static str, Value); N]) -> Self {
        self.attributes.extend(attributes);
        self
    }
}

/// Does something on the way of a request: what it asks guilds hangs on that.
pub async fn on<F: Future>(way: &Way, work: F) -> F::Output {
    if way.is_on() {
        CURRENT.scope(way.clone(), work).await
    } else {
        work.await
    }
}

/// The way that this task is on.
pub fn current() -> Way {
    if is_on() {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    } else {
        Way::default()
    }
}

/// Spreads numbers that follow each other over all that there are, each to another one (`SplitMix64`); never 0, which
/// OTLP takes for none.
const fn scattered(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    if z == 0 { 1 } else { z }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_follow_each_other_are_spread_evenly() {
        let quarter = u64::MAX / 4;
        let low = (0..10_000).filter(|&it| scattered(it) <= quarter).count();
        assert!((2_300..2_700).contains(&low), "{low}");
    }

    #[test]
    fn without_a_collector_there_is_no_way() {
        assert!(!Way::begin(1).is_on());
        assert!(!current().is_on());
        assert_eq!(size_of::<Way>(), size_of::<usize>());
    }
}
