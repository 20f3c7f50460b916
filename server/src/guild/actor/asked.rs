//! A request that waits for its answer, and what is told of it.

use std::time::Instant;

use slab::Slab;
use tokio::sync::oneshot;

use crate::clock;
use crate::guild::command::{Command, Outcome};
use crate::guild::seldom::Blank;
use crate::protocol::GuildId;
use crate::spans::{GuildSpan, Stretch, Way};

/// A request that waits for its answer.
pub(super) struct Asked {
    /// When its handling began.
    pub(super) since: Instant,
    /// Whether it is a message that is sent.
    pub(super) publishes: bool,
    writes: bool,
    way: Way,
    /// Where the answer goes.
    pub(super) reply: oneshot::Sender<Outcome>,
}

/// When the guild last did what requests wait for. Only kept while spans are exported.
#[derive(Debug, Default)]
pub(super) struct Stages {
    pub(super) append: Option<Stretch>,
    pub(super) fan_out: Option<Stretch>,
}

impl Blank for Slab<Asked> {
    const BLANK: &'static Self = &Self::new();

    fn is_blank(&self) -> bool {
        self.is_empty()
    }
}

impl Asked {
    pub(super) fn new(
        since: Instant,
        command: &Command,
        way: Way,
        reply: oneshot::Sender<Outcome>,
    ) -> Self {
        Self {
            since,
            publishes: matches!(command, Command::CreateMessage(..)),
            writes: !command.only_reads(),
            way,
            reply,
        }
    }

    /// Tells of a request that is answered now. The append that it waited for began after its handling did, and is the
    /// last one that ended; where none did, nothing was written for it.
    pub(super) fn tell(&self, guild: GuildId, stages: Option<&Stages>, sessions: u64, hubs: u64) {
        if !self.way.is_on() {
            return;
        }
        let own = |stretch: Option<Stretch>| {
            stretch.filter(|(begun, _)| self.writes && *begun >= self.since)
        };
        self.way.guild(&GuildSpan {
            guild,
            handled: (self.since, clock::now()),
            journal: own(stages.and_then(|stages| stages.append)),
            fan_out: own(stages.and_then(|stages| stages.fan_out)),
            sessions,
            hubs,
        });
    }
}
