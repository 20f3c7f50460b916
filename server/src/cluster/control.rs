//! What nodes ask each other beside what they ask guilds: rare, small, and answered with JSON.

use std::pin::Pin;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::moves::NodeMoved;
use super::sessions::Wanted;
use crate::placement::NodeName;
use crate::protocol::{ApiError, GuildId};

/// A question to a node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Question {
    /// Read a guild ahead that is about to come.
    Prepare(GuildId),
    /// Move a guild of yours: to this node, or to where the ring has it.
    Move(GuildId, Option<NodeName>),
    /// Say how you are.
    Describe,
    /// Come to your end, as at a SIGTERM.
    Drain,
    /// Whether you answer.
    Ping,
    /// Your figures: a [`NodeReport`](super::report::NodeReport).
    Report {
        /// How many of your busiest guilds.
        top: usize,
        /// How long there is for it.
        patience_ms: u64,
    },
    /// Let a session of yours go: its client wants to resume it here.
    Yield(Wanted),
    /// Do this with a guild of yours.
    Guild(GuildId, GuildOrder),
}

impl Question {
    /// How long who asks waits for an answer.
    pub const fn patience(&self) -> Duration {
        match self {
            Self::Describe | Self::Ping => Duration::from_secs(1),
            Self::Report { patience_ms, .. } => Duration::from_millis(*patience_ms),
            Self::Yield(_) => Duration::from_secs(3),
            Self::Prepare(_) | Self::Drain => Duration::from_secs(5),
            Self::Move(..) | Self::Guild(..) => Duration::from_secs(15),
        }
    }
}

/// What the operator wants of a guild, wherever it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum GuildOrder {
    /// To see its figures.
    Show,
    /// That it loads its state from the journal anew.
    Restart,
    /// The same, where it does not serve.
    Revive,
    /// That it gets a thread of its own.
    Promote,
    /// That it goes back to the others.
    Demote,
    /// That it goes to a shared thread, or to the one with the least to do.
    Executor(Option<usize>),
}

/// Why a question was not answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Unanswered {
    /// The HTTP status that says so.
    pub status: u16,
    /// For people.
    pub message: String,
}

impl Unanswered {
    /// With a status and a text for people.
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }
}

impl From<Unanswered> for ApiError {
    fn from(unanswered: Unanswered) -> Self {
        Self {
            status: unanswered.status,
            code: 0,
            message: unanswered.message.into(),
            field: None,
            retry_after_ms: None,
        }
    }
}

/// The way of an answer.
pub type Answering = Pin<Box<dyn Future<Output = Result<Value, Unanswered>> + Send>>;

/// Who answers questions of other nodes, and hears what they do.
pub trait Control: Send + Sync {
    /// Answers a question.
    fn answer(&self, question: Question) -> Answering;
    /// Another node has moved a guild.
    fn moved(&self, moved: NodeMoved);
}
