//! What can go wrong, and the bounded collection of it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Violations that are kept in full; the others are counted.
pub(super) const KEPT: usize = 20;

/// What kind of promise was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A session's sequence number did not rise by one.
    Gap,
    /// A session saw a publish twice.
    Duplicate,
    /// A session saw a message with a lower id after one with a higher id.
    Reorder,
    /// An acknowledged publish never came to a session of its guild.
    Loss,
    /// A message that was never published, or whose publish was refused.
    Ghost,
    /// One publish under two message ids.
    Conflict,
    /// Something of a guild that the session's user is no member of.
    Stray,
    /// A message of a guild whose member the user is, but of a channel that it may not see, or after it left.
    Leak,
    /// A message before its guild's snapshot.
    Early,
    /// The server broke the WebSocket or gateway protocol.
    Protocol,
}

impl Kind {
    /// Every kind, in the order of the enum.
    pub const ALL: [Self; 10] = [
        Self::Gap,
        Self::Duplicate,
        Self::Reorder,
        Self::Loss,
        Self::Ghost,
        Self::Conflict,
        Self::Stray,
        Self::Leak,
        Self::Early,
        Self::Protocol,
    ];

    /// The kind's name, lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::Duplicate => "duplicate",
            Self::Reorder => "reorder",
            Self::Loss => "loss",
            Self::Ghost => "ghost",
            Self::Conflict => "conflict",
            Self::Stray => "stray",
            Self::Leak => "leak",
            Self::Early => "early",
            Self::Protocol => "protocol",
        }
    }
}

/// One broken promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// What kind.
    pub kind: Kind,
    /// Number of the session within the run, if it is about one.
    pub session: Option<u32>,
    /// Index of the guild within the run, if it is about one.
    pub guild: Option<u32>,
    /// What should have been seen.
    pub expected: String,
    /// What was seen.
    pub seen: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        if let Some(guild) = self.guild {
            write!(f, " guild {guild}")?;
        }
        if let Some(session) = self.session {
            write!(f, " session {session}")?;
        }
        write!(f, ": expected {}, saw {}", self.expected, self.seen)
    }
}

/// Counts of all violations, and the first [`KEPT`] in full.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Violations {
    first: Vec<Violation>,
    counts: [u64; Kind::ALL.len()],
}

impl Violations {
    /// Counts one; `describe` runs only while there is room to keep it.
    pub fn add(&mut self, kind: Kind, describe: impl FnOnce() -> Violation) {
        self.counts[kind as usize] += 1;
        if self.first.len() < KEPT {
            self.first.push(describe());
        }
    }

    /// Adds those of another collection.
    pub fn merge(&mut self, other: Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        let room = KEPT - self.first.len();
        self.first.extend(other.first.into_iter().take(room));
    }

    /// The first ones in full.
    pub fn first(&self) -> &[Violation] {
        &self.first
    }

    /// How many of `kind`.
    pub fn count(&self, kind: Kind) -> u64 {
        self.counts[kind as usize]
    }

    /// How many in all.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}
