//! The labels that figures are split by: each with a fixed, short list of values.

use std::fmt::Debug;

use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::protocol::CloseCode;

/// A label with a fixed list of values.
pub trait Label: Copy + Debug + Send + Sync + 'static {
    /// Its name.
    const NAME: &'static str;
    /// Every value, in the order of [`Label::index`].
    const ALL: &'static [Self];
    /// As it is written.
    fn value(self) -> &'static str;
    /// Place in [`Label::ALL`].
    fn index(self) -> usize;
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident = $label:literal { $($(#[$vdoc:meta])* $variant:ident = $value:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl Label for $name {
            const NAME: &'static str = $label;
            const ALL: &'static [Self] = &[$(Self::$variant),+];
            fn value(self) -> &'static str {
                match self { $(Self::$variant => $value),+ }
            }
            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

label! {
    /// What a session is doing.
    SessionState = "state" {
        /// It has a connection that has been sent Hello and has not identified.
        Connected = "connected",
        /// It is identified and has a connection.
        Active = "active",
        /// Its connection is gone; it waits to be resumed.
        Detached = "detached",
    }
}

label! {
    /// Events that stand in no log.
    EphemeralKind = "kind" {
        /// TYPING_START.
        Typing = "typing",
        /// PRESENCE_UPDATE.
        Presence = "presence",
    }
}

label! {
    /// How a Resume ended.
    ResumeOutcome = "outcome" {
        /// Everything missed was sent again.
        Whole = "whole",
        /// Something could not be sent again: the client has to identify.
        Refused = "refused",
    }
}

label! {
    /// What came of a Resume of a session that was not on this node.
    ElsewhereOutcome = "outcome" {
        /// Its node had let it go.
        LetGo = "let_go",
        /// Its node was gone; the client had just what the last note says.
        Noted = "noted",
        /// Its node was gone; the client had got something after the last note.
        Later = "later",
        /// Its node was gone; the client lacked something from before the last note.
        Earlier = "earlier",
        /// Nothing was noted of it.
        Unknown = "unknown",
        /// It has ended, is somebody else's, or does not reach back to what the client has.
        Ended = "ended",
    }
}

label! {
    /// How a request to a guild ended.
    RequestOutcome = "outcome" {
        /// It was done.
        Ok = "ok",
        /// It was answered with an error that is the caller's (status 4xx).
        Refused = "refused",
        /// It could not be done now (status 5xx).
        Unavailable = "unavailable",
    }
}

impl RequestOutcome {
    /// The outcome that an HTTP status stands for.
    pub const fn of_status(status: u16) -> Self {
        match status {
            0..=399 => Self::Ok,
            400..=499 => Self::Refused,
            _ => Self::Unavailable,
        }
    }
}

label! {
    /// The class of an HTTP status.
    StatusClass = "status" {
        /// 100 to 199.
        Informational = "1xx",
        /// 200 to 299.
        Success = "2xx",
        /// 300 to 399.
        Redirection = "3xx",
        /// 400 to 499.
        ClientError = "4xx",
        /// 500 and up.
        ServerError = "5xx",
    }
}

impl StatusClass {
    /// The class of a status.
    pub const fn of(status: u16) -> Self {
        match status {
            0..=199 => Self::Informational,
            200..=299 => Self::Success,
            300..=399 => Self::Redirection,
            400..=499 => Self::ClientError,
            _ => Self::ServerError,
        }
    }
}

label! {
    /// From what kind of thread to what a guild was moved.
    MoveKind = "kind" {
        /// From one shared thread to another.
        Shared = "shared",
        /// To a thread of its own.
        Promotion = "promotion",
        /// From a thread of its own to a shared one.
        Demotion = "demotion",
        /// To another node; the one that it leaves counts.
        Node = "node",
    }
}

label! {
    /// How a move of a guild ended.
    MoveOutcome = "outcome" {
        /// It was handed over.
        Done = "done",
        /// It was moved, but had to be read from its journal.
        Loaded = "loaded",
        /// It was begun, and the guild stayed or was started elsewhere.
        Aborted = "aborted",
        /// It was not begun.
        Refused = "refused",
    }
}

label! {
    /// What was decided about a guild.
    DecisionKind = "kind" {
        /// It goes to another shared executor.
        Rebalance = "rebalance",
        /// It gets an executor of its own.
        Promote = "promote",
        /// It gives that back.
        Demote = "demote",
    }
}

label! {
    /// What became of an append to a guild's log on NATS.
    AppendOutcome = "outcome" {
        /// It is stored.
        Acknowledged = "acknowledged",
        /// Another one was first.
        Refused = "refused",
        /// It was not answered, and the log did not show what became of it.
        Ambiguous = "ambiguous",
        /// It was not made.
        Failed = "failed",
    }
}

label! {
    /// Whether this node sent something or heard it.
    Way = "way" {
        /// Sent.
        Sent = "sent",
        /// Heard.
        Received = "received",
    }
}

label! {
    /// What became of a request to a guild of another node.
    PeerOutcome = "outcome" {
        /// It was answered.
        Answered = "answered",
        /// The guild was not there: it is asked again where it is.
        NotThere = "not_there",
        /// It was not answered in time.
        TimedOut = "timed_out",
        /// It was not sent: the node does not answer.
        BreakerOpen = "breaker_open",
        /// It was not sent: too many were under way to that node.
        BulkheadFull = "bulkhead_full",
        /// It was not sent, or the answer is lost: NATS is not connected, or the node went away.
        Lost = "lost",
    }
}

label! {
    /// Who closed a connection.
    Closer = "by" {
        /// This server, with a code of its table.
        Server = "server",
        /// The client, with a code of its own choice.
        Client = "client",
        /// Nobody said why: the connection broke.
        Lost = "lost",
    }
}

/// How a connection ended. There are at most 32 of these: a client's codes outside the server's table count
/// as 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Close {
    by: &'static str,
    code: u16,
}

impl Close {
    /// The server closed.
    pub fn by_server(code: CloseCode) -> Self {
        Self {
            by: Closer::Server.value(),
            code: code.code(),
        }
    }

    /// The client closed with this code, if it gave one.
    pub fn by_client(code: Option<u16>) -> Self {
        let known = |&code: &u16| CloseCode::ALL.iter().any(|known| known.code() == code);
        Self {
            by: Closer::Client.value(),
            code: code.filter(known).unwrap_or(0),
        }
    }

    /// The connection broke without a close frame.
    pub fn lost() -> Self {
        Self {
            by: Closer::Lost.value(),
            code: 0,
        }
    }
}

/// A metric per value of a label. Each is there from the start, so that counting is one atomic
/// operation and a scrape shows every value.
#[derive(Debug)]
pub struct Split<L, M> {
    family: Family<[(&'static str, &'static str); 1], M>,
    parts: Vec<M>,
    label: std::marker::PhantomData<L>,
}

impl<L: Label, M: Clone + Default> Default for Split<L, M> {
    fn default() -> Self {
        let family = Family::<[(&'static str, &'static str); 1], M>::default();
        let parts = L::ALL
            .iter()
            .map(|value| family.get_or_create_owned(&[(L::NAME, value.value())]))
            .collect();
        Self {
            family,
            parts,
            label: std::marker::PhantomData,
        }
    }
}

impl<L: Label, M> Split<L, M> {
    /// The metric of one value.
    pub fn of(&self, value: L) -> &M {
        &self.parts[value.index()]
    }
}

impl<L: Label> Split<L, Counter> {
    /// All values together.
    pub fn total(&self) -> u64 {
        self.parts.iter().map(Counter::get).sum()
    }
}

impl<L, M: Clone> Clone for Split<L, M> {
    fn clone(&self) -> Self {
        Self {
            family: self.family.clone(),
            parts: self.parts.clone(),
            label: std::marker::PhantomData,
        }
    }
}

impl<L, M> EncodeMetric for Split<L, M>
where
    Family<[(&'static str, &'static str); 1], M>: EncodeMetric,
{
    fn encode(&self, encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.family.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        self.family.metric_type()
    }
}
