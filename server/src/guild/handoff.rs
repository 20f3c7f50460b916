//! Moving a running guild from one thread to another: what is asked for, and what came of it.
//!
//! [`Registry::move_guild`](super::registry::Registry::move_guild) does it. A guild's actor is a value that
//! can be sent: the one that leaves its thread hands itself over, with everything that hangs on it, to
//! a successor that waited for it there. So nothing is read again, nobody is told, and an append that
//! is under way is the successor's to see through.

pub(super) mod baton;

use std::time::Duration;

use super::executors::{ExecutorId, NoSeat};
use crate::protocol::{ApiError, GuildId};

pub use crate::counters::{MoveKind, MoveOutcome};

/// Moves that a running guild remembers.
pub const REMEMBERED: usize = 8;

/// Where a guild is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The shared executor of this number.
    Shared(ExecutorId),
    /// The shared executor with the least to do, other than the one that it is on.
    LeastLoaded,
    /// An executor of its own, which is started for it.
    Dedicated,
}

/// Why a guild is where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reason {
    /// It was started there.
    #[default]
    Started,
    /// Its former executor was stuck.
    Stuck,
    /// The operator wanted it.
    ByHand,
    /// It kept its executor so busy that others suffered.
    Load,
    /// It no longer needs an executor of its own.
    Quiet,
    /// Its former executor had more to do than others.
    Balance,
}

impl Reason {
    /// As the admin API and the log say it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Stuck => "stuck",
            Self::ByHand => "by hand",
            Self::Load => "load",
            Self::Quiet => "quiet",
            Self::Balance => "balance",
        }
    }
}

/// A move that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// The executor that it left.
    pub from: ExecutorId,
    /// The executor that it is on now.
    pub to: ExecutorId,
    /// From what to what.
    pub kind: MoveKind,
    /// Why.
    pub reason: Reason,
    /// When it was done, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// From the last that was handled there until the first can be handled here; `None` where the
    /// guild was not handed over but read from its journal.
    pub pause: Option<Duration>,
}

/// Why a guild was not moved. It is where it was, unless the text says something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    /// It does not run on this node.
    #[error("guild {0} does not run here")]
    NotRunning(GuildId),
    /// It is being moved.
    #[error("the guild is being moved already")]
    AlreadyMoving,
    /// It has what was asked for.
    #[error("the guild is there already")]
    AlreadyThere,
    /// It serves nothing until the operator has looked at it.
    #[error("the guild is quarantined")]
    Quarantined,
    /// There is no place for it there.
    #[error(transparent)]
    NoSeat(#[from] NoSeat),
    /// The target executor did not start the guild's successor in time.
    #[error("executor {0} does not answer")]
    Silent(ExecutorId),
    /// The guild does not come to rest, so that it could go to another node.
    #[error("the guild does not come to rest")]
    Restless,
    /// The guild stopped, or was taken off a stuck executor, before it could be moved.
    #[error("the guild stopped meanwhile")]
    Gone,
    /// An executor got stuck while the guild was between both: the guild is read from its journal when
    /// somebody asks for it.
    #[error("an executor got stuck during the move")]
    Interrupted,
    /// The guild takes long to leave, and goes on doing so.
    #[error("the move is under way and takes long")]
    UnderWay,
    /// The node stops.
    #[error("the node stops")]
    Draining,
}

impl MoveError {
    /// Whether nothing was begun because it could not be.
    pub const fn is_refusal(&self) -> bool {
        !matches!(
            self,
            Self::Silent(_) | Self::Restless | Self::Gone | Self::Interrupted | Self::UnderWay
        )
    }

    /// The answer that the admin API gives.
    pub fn status(&self) -> u16 {
        match self {
            Self::NotRunning(_) => 404,
            Self::NoSeat(NoSeat::Unknown(_)) => 400,
            Self::AlreadyMoving
            | Self::AlreadyThere
            | Self::Quarantined
            | Self::NoSeat(NoSeat::NotShared(_) | NoSeat::NoOther | NoSeat::NoneLeft(_)) => 409,
            Self::NoSeat(NoSeat::Stuck(_) | NoSeat::Ending | NoSeat::NotStarted(_))
            | Self::Silent(_)
            | Self::Restless
            | Self::Gone
            | Self::Interrupted
            | Self::UnderWay
            | Self::Draining => 503,
        }
    }
}

impl From<MoveError> for ApiError {
    fn from(error: MoveError) -> Self {
        if let MoveError::NotRunning(_) = error {
            return Self::UNKNOWN_GUILD;
        }
        Self {
            status: error.status(),
            code: 0,
            message: error.to_string().into(),
            field: None,
            retry_after_ms: None,
        }
    }
}
