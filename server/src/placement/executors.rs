//! Which thread of a node runs which guild: pure, numbers in and decisions out.
//!
//! Threads are *shared* by guilds, or *dedicated* to one. A guild starts where there is least to do
//! ([`choose`]). From then on a [`Balancer`] is asked each second: it evens out shared threads, gives a
//! guild that keeps its thread too busy one of its own, and takes that back when the guild is quiet
//! again. What it decides is for others to do; should that fail, it sees so in its next input.

mod choice;
mod memory;
mod promotion;
mod rebalance;
mod settings;
mod smooth;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod simulation;

use std::time::Duration;

pub use choice::{Candidate, choose};
use memory::Memory;
pub use rebalance::{MAX_AT_ONCE, MAX_PER_MINUTE};
pub use settings::BalanceSettings;
pub use smooth::Smooth;

/// A thread that runs guilds. Shares are of a thread's time, 0 to 1, smoothed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thread {
    /// Its number.
    pub id: usize,
    /// Whether it is one guild's own.
    pub dedicated: bool,
    /// Whether it gives no sign of life: then no guild goes there or leaves it by these decisions.
    pub stuck: bool,
    /// The shares of the guilds that it has now, added up.
    pub share: f64,
    /// How long a guild waits for it to come round.
    pub delay: Duration,
    /// Guilds that it has.
    pub guilds: usize,
}

/// A guild that runs. Those at rest on a shared thread need not be told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tenant {
    /// The guild.
    pub guild: u64,
    /// The thread that it is on.
    pub thread: usize,
    /// Its share of that.
    pub share: f64,
    /// How long what is posted to it waits for its turn.
    pub delay: Duration,
    /// Whether it has to stay: it was placed by hand, is being moved, or does not serve.
    pub fixed: bool,
}

/// What is to be done, with the figures that led to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decision {
    /// A guild goes to another shared thread.
    Rebalance {
        /// The guild.
        guild: u64,
        /// The thread that it leaves.
        from: usize,
        /// The thread that it goes to.
        to: usize,
        /// The guild's share.
        share: f64,
        /// The share that the former thread's guilds take.
        from_share: f64,
        /// The share that the new thread's guilds take.
        to_share: f64,
        /// The mean of all shared threads.
        mean: f64,
    },
    /// A guild gets a thread of its own.
    Promote {
        /// The guild.
        guild: u64,
        /// The thread that it leaves.
        from: usize,
        /// The guild's share.
        share: f64,
        /// How long it or others wait.
        delay: Duration,
    },
    /// A guild goes back to a shared thread.
    Demote {
        /// The guild.
        guild: u64,
        /// The thread that it leaves.
        from: usize,
        /// The thread that it goes to.
        to: usize,
        /// The guild's share.
        share: f64,
    },
}

impl Decision {
    /// The guild.
    pub const fn guild(&self) -> u64 {
        match self {
            Self::Rebalance { guild, .. }
            | Self::Promote { guild, .. }
            | Self::Demote { guild, .. } => *guild,
        }
    }

    /// As metrics and log say it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Rebalance { .. } => "rebalance",
            Self::Promote { .. } => "promote",
            Self::Demote { .. } => "demote",
        }
    }
}

/// Decides which guilds change threads.
#[derive(Debug)]
pub struct Balancer {
    settings: BalanceSettings,
    memory: Memory,
}

/// The input of one decision, as it will be once what was decided so far is done.
struct Plan {
    /// By rising id.
    threads: Vec<Thread>,
    /// The busiest first.
    tenants: Vec<Tenant>,
    decisions: Vec<Decision>,
}

impl Balancer {
    /// A balancer that has decided nothing yet.
    pub fn new(settings: BalanceSettings) -> Self {
        Self {
            settings,
            memory: Memory::default(),
        }
    }

    /// What is to be done. `now` only ever rises. The order of the input does not matter.
    pub fn decide(
        &mut self,
        now: Duration,
        threads: &[Thread],
        tenants: &[Tenant],
    ) -> Vec<Decision> {
        let mut plan = Plan::new(threads, tenants);
        self.memory.look(now, &self.settings, &plan);
        self.demote(now, &mut plan);
        self.promote(now, &mut plan);
        self.rebalance(now, &mut plan);
        plan.decisions
    }
}

impl Plan {
    fn new(threads: &[Thread], tenants: &[Tenant]) -> Self {
        let mut threads = threads.to_vec();
        threads.sort_unstable_by_key(|thread| thread.id);
        let mut tenants = tenants.to_vec();
        tenants.sort_unstable_by(|a, b| {
            let busiest_first = b.share.total_cmp(&a.share);
            busiest_first.then(a.guild.cmp(&b.guild))
        });
        Self {
            threads,
            tenants,
            decisions: Vec::new(),
        }
    }

    fn thread(&self, id: usize) -> Option<&Thread> {
        self.threads.iter().find(|thread| thread.id == id)
    }

    /// Takes a decision: from here on the guild counts where it will be, if that thread exists.
    fn take(&mut self, decision: Decision) {
        let (guild, to) = match decision {
            Decision::Rebalance { guild, to, .. } | Decision::Demote { guild, to, .. } => {
                (guild, Some(to))
            }
            Decision::Promote { guild, .. } => (guild, None),
        };
        self.decisions.push(decision);
        let Some(at) = self.tenants.iter().position(|it| it.guild == guild) else {
            return;
        };
        let tenant = self.tenants[at];
        for thread in &mut self.threads {
            if thread.id == tenant.thread {
                thread.share -= tenant.share;
                thread.guilds = thread.guilds.saturating_sub(1);
            }
            if Some(thread.id) == to {
                thread.share += tenant.share;
                thread.guilds += 1;
            }
        }
        match to {
            Some(to) => self.tenants[at].thread = to,
            None => drop(self.tenants.remove(at)),
        }
    }
}
