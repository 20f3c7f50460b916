//! Guilds that go to other nodes: their actors come to rest, and then go or stay.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Moving, Registry, Running};
use crate::clock;
use crate::fanout::mail::GuildNews;
use crate::guild::actor::GuildMail;
use crate::guild::departure::{Departure, Farewell, Forward};
use crate::guild::handoff::MoveError;
use crate::guild::stats::Health;
use crate::journal::JournalError;
use crate::protocol::GuildId;

/// How long a guild may take to come to rest.
const REST: Duration = Duration::from_secs(1);

impl Registry {
    /// Has a running guild come to rest: everything that it has handled is in the journal, answered and broadcast, and what
    /// comes waits. It goes with [`release_where`](Self::release_where), and stays where the answer is dropped.
    ///
    /// Errors: it does not run here, is being moved already, is quarantined, or does not come to rest within a second.
    pub async fn depart(&self, guild: GuildId, forward: Forward) -> Result<Departure, MoveError> {
        let (at_rest, is_at_rest) = oneshot::channel();
        let incarnation = {
            let mut entry = self.movable(guild)?;
            let (sender, fate) = oneshot::channel();
            entry.moves.under_way = Some(Moving::Departing(sender));
            let farewell = Farewell {
                at_rest,
                fate,
                forward,
            };
            entry
                .mailer
                .post_control(GuildMail::Depart(Box::new(farewell)));
            entry.tenure.incarnation
        };
        let mut departure = Departure {
            registry: self.clone(),
            guild,
            incarnation,
            at_rest: clock::now(),
        };
        match timeout(REST, is_at_rest).await {
            Ok(Ok(at_rest)) => {
                departure.at_rest = at_rest;
                Ok(departure)
            }
            _ => Err(MoveError::Restless),
        }
    }

    /// Lets go of guilds that other nodes have now; answers how many. Those that were [told](Self::depart) are at rest.
    /// Others that serve finish what is under way, as far as the log lets them; what is being read is not read further. What
    /// waits is handed on by all of them. Hubs are told that they lost them.
    pub fn release_where(
        &self,
        goes: impl Fn(GuildId) -> bool,
        forward: impl Fn(GuildId) -> Forward,
    ) -> usize {
        let running = &self.inner.running;
        let ids = running.iter().map(|running| *running.key());
        let ids: Vec<GuildId> = ids.filter(|id| goes(*id)).collect();
        let hubs = &self.inner.tools.hubs;
        let mut count = 0;
        for guild in ids {
            let Some((_, mut former)) = running.remove(&guild) else {
                continue;
            };
            count += 1;
            let is_in_use = former.is_in_use();
            let forward = forward(guild);
            former.tenure.evicted.goes(Arc::clone(&forward));
            if former.departs() || former.departs_late(forward) {
                // Hubs of other nodes see by themselves where the guild is now.
                hubs.tell_local(|| GuildNews::Lost { guild });
                continue;
            }
            former.evict();
            if is_in_use {
                hubs.tell_all(|| GuildNews::Lost { guild });
            }
        }
        count
    }

    /// The guild does not go.
    pub(in crate::guild) fn stays(&self, guild: GuildId, incarnation: u64) {
        if let Some(mut entry) = self.inner.running.get_mut(&guild)
            && entry.tenure.incarnation == incarnation
            && matches!(entry.moves.under_way, Some(Moving::Departing(_)))
        {
            entry.end_move();
        }
    }

    /// Reads a guild of another node that is to come here, so that it can be served at once.
    pub async fn preload(&self, guild: GuildId) -> Result<(), JournalError> {
        let tools = &self.inner.tools;
        tools.preloads.read(tools, guild).await
    }

    /// Starts the guilds that were read and are this node's now.
    pub fn start_preloaded(&self, is_here: impl Fn(GuildId) -> bool) {
        let guilds = self.inner.tools.preloads.guilds();
        for guild in guilds.into_iter().filter(|guild| is_here(*guild)) {
            self.with_mailer(guild, |_, _| ());
        }
    }
}

impl Running {
    /// Tells an actor at rest that its guild is gone; false where there is none. No mail can be on its way to it: the
    /// entry is not in the registry any more.
    fn departs(&mut self) -> bool {
        let Some(Moving::Departing(_)) = &self.moves.under_way else {
            return false;
        };
        let Some(Moving::Departing(fate)) = self.end_move() else {
            return false;
        };
        if fate.send(()).is_err() {
            return false;
        }
        self.mailer.post_control(GuildMail::Evicted);
        true
    }

    /// Has an actor that was not told before come to rest and go; false where it is not serving, or on its way between
    /// executors.
    fn departs_late(&self, forward: Forward) -> bool {
        if self.stats.health() != Health::Serving || self.moves.under_way.is_some() {
            return false;
        }
        let (at_rest, _) = oneshot::channel();
        let (gone, fate) = oneshot::channel();
        // Received below.
        let _ = gone.send(());
        let farewell = Farewell {
            at_rest,
            fate,
            forward,
        };
        self.mailer
            .post_control(GuildMail::Depart(Box::new(farewell)));
        self.mailer.post_control(GuildMail::Evicted);
        true
    }
}
