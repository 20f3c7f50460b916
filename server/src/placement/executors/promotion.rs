//! Which guild gets a thread of its own, and which gives it back.

use std::time::Duration;

use super::rebalance::MAX_PER_MINUTE;
use super::{BalanceSettings, Balancer, Candidate, Decision, Plan, Tenant, choose};

impl Balancer {
    /// A guild that takes enough of a shared thread that a thread of its own is worth it, while
    /// somebody waits for that: one that is busy and delays nobody gains nothing by a thread of its own.
    pub(super) fn is_hot(settings: &BalanceSettings, plan: &Plan, tenant: &Tenant) -> bool {
        let Some(thread) = plan.thread(tenant.thread) else {
            return false;
        };
        !thread.dedicated
            && !thread.stuck
            && tenant.share >= settings.promote_share
            && tenant.delay.max(thread.delay) >= settings.promote_delay
    }

    /// Whether the guild may be promoted as soon as it has been hot for long enough.
    pub(super) fn is_next(&self, plan: &Plan, tenant: &Tenant) -> bool {
        self.free_threads(plan) > 0
            && !tenant.fixed
            && self.memory.is_settled(tenant.guild)
            && Self::is_hot(&self.settings, plan, tenant)
    }

    /// How many more guilds may get a thread of their own. A thread that is given back just now is
    /// not free yet.
    fn free_threads(&self, plan: &Plan) -> usize {
        let taken = plan.threads.iter().filter(|thread| thread.dedicated);
        let promised = plan
            .decisions
            .iter()
            .filter(|decision| matches!(decision, Decision::Promote { .. }));
        let taken = taken.count() + promised.count();
        self.settings.max_dedicated.saturating_sub(taken)
    }

    pub(super) fn promote(&mut self, now: Duration, plan: &mut Plan) {
        let hot = plan
            .tenants
            .iter()
            .filter(|it| Self::is_hot(&self.settings, plan, it));
        self.memory.hot.look(now, hot.map(|it| it.guild));
        let long = self.settings.promote_after;
        while self.memory.lately() < MAX_PER_MINUTE {
            let chosen = plan
                .tenants
                .iter()
                .find(|it| self.is_next(plan, it) && self.memory.hot.for_long(it.guild, now, long));
            let Some(&tenant) = chosen else {
                return;
            };
            let thread = plan.thread(tenant.thread).map(|thread| thread.delay);
            self.memory.note(now, tenant.guild);
            plan.take(Decision::Promote {
                guild: tenant.guild,
                from: tenant.thread,
                share: tenant.share,
                delay: tenant.delay.max(thread.unwrap_or_default()),
            });
        }
    }

    pub(super) fn demote(&mut self, now: Duration, plan: &mut Plan) {
        let own = |tenant: &&Tenant| {
            let thread = plan.thread(tenant.thread);
            thread.is_some_and(|thread| thread.dedicated && !thread.stuck)
        };
        let quiet = plan.tenants.iter().filter(own);
        let quiet = quiet.filter(|it| it.share < self.settings.demote_share);
        let quiet: Vec<Tenant> = quiet.copied().collect();
        let guilds = quiet.iter().map(|it| it.guild);
        self.memory.quiet.look(now, guilds);
        for tenant in quiet {
            let long = self.settings.demote_after;
            if tenant.fixed
                || !self.memory.is_settled(tenant.guild)
                || !self.memory.quiet.for_long(tenant.guild, now, long)
                || self.memory.lately() >= MAX_PER_MINUTE
            {
                continue;
            }
            let Some(to) = choose(&open_threads(plan)) else {
                return;
            };
            self.memory.note(now, tenant.guild);
            plan.take(Decision::Demote {
                guild: tenant.guild,
                from: tenant.thread,
                to,
                share: tenant.share,
            });
        }
    }
}

/// The shared threads that work.
fn open_threads(plan: &Plan) -> Vec<Candidate> {
    let open = plan.threads.iter().filter(|it| !it.dedicated && !it.stuck);
    let candidate = |thread: &super::Thread| Candidate {
        id: thread.id,
        stuck: false,
        share: thread.share,
        guilds: thread.guilds,
        newcomers: 0,
    };
    open.map(candidate).collect()
}
