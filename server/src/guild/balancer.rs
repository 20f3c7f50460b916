//! Measures each second how busy guilds and their threads are, asks what to do about it, and has it
//! done. What is done and why is [`placement::executors`](crate::placement::executors)'.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::executors::{ExecutorKind, ExecutorState};
use super::handoff::{Reason, Target};
use super::loads::{BusyGuild, Load, Loads, NodeLoad};
use super::registry::Registry;
use super::stats::Health;
use crate::clock;
use crate::counters::{Counters, DecisionKind};
use crate::placement::executors::{BalanceSettings, Balancer, Decision, Tenant, Thread};
use crate::protocol::GuildId;

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(1);

/// Looks until it is dropped; moves guilds where there are settings for that. Needs a runtime of
/// tokio's.
pub async fn run(registry: Registry, settings: Option<BalanceSettings>) {
    let mut loads = Loads::new(registry.clone());
    let mut balancer = settings.map(Balancer::new);
    let mut moves = FuturesUnordered::new();
    let mut looks = tokio::time::interval(PERIOD);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last = clock::now();
    loop {
        tokio::select! {
            _ = looks.tick() => {}
            Some(()) = moves.next(), if !moves.is_empty() => continue,
        }
        let passed = last.elapsed();
        last = clock::now();
        let load = loads.tick(passed);
        let states = registry.executors().states();
        show(registry.counters(), &states, &load);
        // The loads of guilds that are on their way say little.
        let Some(balancer) = balancer.as_mut().filter(|_| moves.is_empty()) else {
            continue;
        };
        let threads: Vec<Thread> = states.iter().map(thread).collect();
        let tenants = tenants(&registry, &states, &load.guilds);
        for decision in balancer.decide(clock::uptime(), &threads, &tenants) {
            tell(registry.counters(), &decision);
            moves.push(carry_out(&registry, decision));
        }
    }
}

fn thread(state: &ExecutorState) -> Thread {
    Thread {
        id: state.id,
        dedicated: state.kind != ExecutorKind::Shared,
        stuck: state.stuck.is_some(),
        share: state.load.guilds,
        delay: state.load.delay,
        guilds: state.guilds,
    }
}

/// The guilds that are not at rest, and those that have a thread of their own, at rest or not.
fn tenants(registry: &Registry, states: &[ExecutorState], busy: &[BusyGuild]) -> Vec<Tenant> {
    let is_busy = |id: GuildId| busy.iter().any(|it| it.guild.id == id);
    let at_rest = states.iter().filter_map(|state| match state.kind {
        ExecutorKind::Dedicated(id) if !is_busy(id) => Some(BusyGuild {
            guild: registry.find(id)?,
            load: Load::default(),
        }),
        _ => None,
    });
    let at_rest: Vec<BusyGuild> = at_rest.collect();
    busy.iter().chain(&at_rest).map(tenant).collect()
}

fn tenant(busy: &BusyGuild) -> Tenant {
    let BusyGuild { guild, load } = busy;
    // The operator may know of something that the load does not show yet.
    let by_hand = guild.reason == Reason::ByHand;
    Tenant {
        guild: guild.id.get(),
        thread: guild.executor,
        share: load.share,
        delay: load.queue_delay,
        fixed: by_hand || guild.moving || guild.stats.health() != Health::Serving,
    }
}

/// Moves the guild; how that ends is told by the move.
async fn carry_out(registry: &Registry, decision: Decision) {
    let (target, reason) = match decision {
        Decision::Rebalance { to, .. } => (Target::Shared(to), Reason::Balance),
        Decision::Promote { .. } => (Target::Dedicated, Reason::Load),
        Decision::Demote { to, .. } => (Target::Shared(to), Reason::Quiet),
    };
    let guild = GuildId::new(decision.guild());
    // An error was told as well. The guild is where it was, and is looked at again once it has settled.
    let _ = registry.move_guild(guild, target, reason).await;
}

fn percent(share: f64) -> f64 {
    (share * 1e3).round() / 10.0
}

fn tell(counters: &Counters, decision: &Decision) {
    let guild = GuildId::new(decision.guild());
    let kind = match *decision {
        Decision::Rebalance {
            from,
            to,
            share,
            from_share,
            to_share,
            mean,
            ..
        } => {
            tracing::info!(
                %guild,
                from,
                to,
                percent = percent(share),
                from_percent = percent(from_share),
                to_percent = percent(to_share),
                mean_percent = percent(mean),
                "a thread has too much to do: a guild goes to another one"
            );
            DecisionKind::Rebalance
        }
        Decision::Promote {
            from, share, delay, ..
        } => {
            tracing::info!(
                %guild,
                from,
                percent = percent(share),
                delay_us = delay.as_micros() as u64,
                "a guild keeps its thread busy: it gets one of its own"
            );
            DecisionKind::Promote
        }
        Decision::Demote {
            from, to, share, ..
        } => {
            tracing::info!(
                %guild,
                from,
                to,
                percent = percent(share),
                "a guild is quiet again: it gives its thread back"
            );
            DecisionKind::Demote
        }
    };
    counters.balance.decisions.of(kind).inc();
}

fn show(counters: &Counters, states: &[ExecutorState], load: &NodeLoad) {
    let figures = &counters.balance;
    let own = states.iter().filter(|it| it.kind != ExecutorKind::Shared);
    let own: usize = own.map(|it| it.guilds).sum();
    figures
        .guilds_dedicated
        .set(i64::try_from(own).unwrap_or(i64::MAX));
    let shares = load.guilds.iter().map(|it| it.load.share);
    figures.top_guild_load.set(shares.fold(0.0, f64::max));
    figures.show_executors(states.iter().map(|it| {
        let delay = it.load.delay.as_secs_f64();
        (it.id, it.load.busy, delay)
    }));
}
