//! Evening out shared threads.
//!
//! A thread above 1.5 times the mean gives guilds worth 30 % of the difference to the one that has
//! least to do, where that is below 0.5 times the mean. No guild is larger than what evens the two out,
//! so the one that gives stays the busier one: with the same loads, no move calls for another one back.

use std::time::Duration;

use super::{Balancer, Decision, Plan, Tenant, Thread};

/// A thread above so many times the mean gives.
const HIGH: f64 = 1.5;
/// A thread below so many times the mean takes.
const LOW: f64 = 0.5;
/// The part of the difference that is moved at once.
const PART: f64 = 0.3;
/// How long it has to be so: a blip is over sooner.
const LONG: Duration = Duration::from_secs(3);
/// A guild with a smaller share is not worth a pause.
pub(super) const MIN_PIECE: f64 = 0.01;
/// Most guilds that are moved by one decision.
pub const MAX_AT_ONCE: usize = 8;
/// Most guilds that are moved in a minute, for whatever reason.
pub const MAX_PER_MINUTE: usize = 60;

impl Balancer {
    pub(super) fn rebalance(&mut self, now: Duration, plan: &mut Plan) {
        // Who is about to get a thread of its own will be gone from the one that it is on.
        let leaving: Vec<Tenant> = plan
            .tenants
            .iter()
            .filter(|tenant| self.is_next(plan, tenant))
            .copied()
            .collect();
        let mut shared: Vec<Thread> = plan
            .threads
            .iter()
            .filter(|thread| !thread.dedicated && !thread.stuck)
            .copied()
            .collect();
        for thread in &mut shared {
            let gone = leaving.iter().filter(|it| it.thread == thread.id);
            thread.share -= gone.map(|it| it.share).sum::<f64>();
        }
        let mean = shared.iter().map(|it| it.share).sum::<f64>() / shared.len().max(1) as f64;
        let is_low = shared.iter().any(|it| it.share < LOW * mean);
        let mut high: Vec<usize> = shared
            .iter()
            .filter(|it| is_low && it.share > HIGH * mean && it.share >= self.settings.min_share)
            .map(|it| it.id)
            .collect();
        self.memory.uneven.look(now, high.iter().copied());
        high.retain(|&id| self.memory.uneven.for_long(id, now, LONG));
        let mut left = MAX_AT_ONCE;
        for from in high {
            let low = shared.iter().min_by(|a, b| a.share.total_cmp(&b.share));
            let Some(&to) = low.filter(|it| it.share < LOW * mean) else {
                return;
            };
            let Some(from) = shared.iter().find(|it| it.id == from).copied() else {
                continue;
            };
            let pieces = self.pieces(plan, &leaving, &from, from.share - to.share);
            for tenant in pieces {
                if left == 0 || self.memory.lately() >= MAX_PER_MINUTE {
                    return;
                }
                left -= 1;
                self.memory.note(now, tenant.guild);
                plan.take(Decision::Rebalance {
                    guild: tenant.guild,
                    from: from.id,
                    to: to.id,
                    share: tenant.share,
                    from_share: from.share,
                    to_share: to.share,
                    mean,
                });
                for thread in &mut shared {
                    if thread.id == from.id {
                        thread.share -= tenant.share;
                    } else if thread.id == to.id {
                        thread.share += tenant.share;
                    }
                }
            }
        }
    }

    /// Guilds of this thread worth a part of the difference, the largest that fit first; where none is
    /// so small, the smallest one, unless it is more than what evens out.
    fn pieces(
        &self,
        plan: &Plan,
        leaving: &[Tenant],
        from: &Thread,
        difference: f64,
    ) -> Vec<Tenant> {
        let may_go = |it: &&Tenant| {
            it.thread == from.id
                && !it.fixed
                && it.share >= MIN_PIECE
                && self.memory.is_settled(it.guild)
                && leaving.iter().all(|leaving| leaving.guild != it.guild)
        };
        let mut room = PART * difference;
        let mut pieces = Vec::new();
        let mut smallest = None;
        for tenant in plan.tenants.iter().filter(may_go) {
            if tenant.share <= room {
                room -= tenant.share;
                pieces.push(*tenant);
            }
            smallest = Some(*tenant);
        }
        if pieces.is_empty() {
            pieces.extend(smallest.filter(|it| it.share <= difference / 2.0));
        }
        pieces
    }
}
