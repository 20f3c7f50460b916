//! What nodes ask each other beside what they ask guilds: rare, small, and answered with JSON.

use std::pin::Pin;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::moves::NodeMoved;
use crate::placement::NodeName;
use crate::protocol::GuildId;

/// A question to a node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Question {
    /// Read a guild ahead that is about to come.
    Prepare(GuildId),
    /// Move a guild of yours: to this node, or to where the ring has it.
    Move(GuildId, Option<NodeName>),
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

/// The way of an answer.
pub type Answering = Pin<Box<dyn Future<Output = Result<Value, Unanswered>> + Send>>;

/// Who answers questions of other nodes, and hears what they do.
pub trait Control: Send + Sync {
    /// Answers a question.
    fn answer(&self, question: Question) -> Answering;
    /// Another node has moved a guild.
    fn moved(&self, moved: NodeMoved);
}
