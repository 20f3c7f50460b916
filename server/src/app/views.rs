//! What the admin API sees of the node.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::admin::{
    DrainInfo, ExecutorInfo, GuildInfo, MoveInfo, NodeInfo, NodeState, SessionInfo, View,
    ViewFuture,
};
use crate::clock;
use crate::config::{Config, PublicUrl};
use crate::counters::{EphemeralKind, SessionState};
use crate::fanout::HubId;
use crate::guild::executors::{ExecutorKind, ExecutorState};
use crate::guild::handoff::Moved;
use crate::guild::registry::{Registry, RunningGuild};
use crate::guild::stats::GuildStats;
use crate::placement::{NodeName, PlacementHandle};
use crate::protocol::GuildId;
use crate::session::id::SessionId;
use crate::session::links::HubMail;
use crate::session::report::SessionReport;
use crate::session::shared::SessionShared;
use crate::supervision::drain::{Drain, Progress};

/// The node as the admin API sees it.
pub(super) struct NodeView {
    name: NodeName,
    number: u16,
    workers: usize,
    public_url: String,
    started_ms: u64,
    placement: PlacementHandle,
    registry: Registry,
    shared: SessionShared,
    drain: Drain,
    takes_traffic: AtomicBool,
}

impl NodeView {
    pub(super) fn new(
        config: &Config,
        public: &PublicUrl,
        placement: PlacementHandle,
        registry: Registry,
        shared: SessionShared,
        drain: Drain,
    ) -> Self {
        Self {
            name: config.node.name.clone(),
            number: config.node.number,
            workers: config.node.workers,
            public_url: public.to_string(),
            started_ms: clock::unix_ms(),
            placement,
            registry,
            shared,
            drain,
            takes_traffic: AtomicBool::new(false),
        }
    }

    /// From now on the node takes traffic, until it drains.
    pub(super) fn takes_traffic(&self) {
        self.takes_traffic.store(true, Ordering::Release);
    }

    fn drain_info(&self, progress: Progress) -> DrainInfo {
        DrainInfo {
            since_ms: progress.since_ms,
            step: progress.step,
            guilds: progress.guilds,
            guilds_left: progress.guilds.min(self.registry.count()),
        }
    }
}

impl View for NodeView {
    fn node(&self) -> NodeInfo {
        let drain = self.drain.progress();
        NodeInfo {
            name: self.name.clone(),
            number: self.number,
            state: match drain {
                Some(_) => NodeState::Draining,
                None if self.takes_traffic.load(Ordering::Acquire) => NodeState::Ready,
                None => NodeState::Starting,
            },
            started_ms: self.started_ms,
            public_url: self.public_url.clone(),
            workers: self.workers,
            executors: self.registry.executors().count(),
            sessions: self.shared.links.sessions(),
            connections: self.shared.links.connections(),
            guilds: self.registry.count(),
            drain: drain.map(|progress| self.drain_info(progress)),
        }
    }

    fn placement(&self) -> &PlacementHandle {
        &self.placement
    }

    fn complaints(&self) -> Vec<String> {
        let executors = self.registry.executors().states();
        let executors = executors.iter().filter_map(ExecutorState::complaint);
        let others = self.shared.links.lines.all();
        let others = others.iter().filter_map(|line| line.complaint());
        executors.chain(others).collect()
    }

    fn executors(&self) -> Vec<ExecutorInfo> {
        let executors = self.registry.executors().states();
        executors.iter().map(executor_info).collect()
    }

    fn guilds(&self) -> Vec<GuildInfo> {
        self.registry.running().iter().map(guild_info).collect()
    }

    fn guild(&self, id: GuildId) -> Option<GuildInfo> {
        self.registry.find(id).as_ref().map(guild_info)
    }

    fn session(&self, id: &str) -> ViewFuture<Option<SessionInfo>> {
        let asked = id.parse::<SessionId>().ok().and_then(|session| {
            let (reply, answer) = oneshot::channel();
            let hub = self.shared.links.find(session)?;
            let mail = HubMail::Report { session, reply };
            self.shared.links.post(hub, mail).then_some((hub.0, answer))
        });
        let id = id.to_owned();
        Box::pin(async move {
            let (hub, answer) = asked?;
            let report = answer.await.ok()??;
            Some(session_info(id, hub, &report))
        })
    }

    fn furthest_behind(&self, limit: usize) -> ViewFuture<Vec<SessionInfo>> {
        let links = &self.shared.links;
        let ask = |hub: HubId| {
            let (reply, answer) = oneshot::channel();
            let mail = HubMail::FurthestBehind { limit, reply };
            links.post(hub, mail).then_some((hub.0, answer))
        };
        let asked: Vec<_> = links.hubs().into_iter().filter_map(ask).collect();
        Box::pin(async move {
            let mut sessions = Vec::new();
            for (hub, answer) in asked {
                let reports = answer.await.unwrap_or_default();
                let info =
                    |report: &SessionReport| session_info(report.id.to_string(), hub, report);
                sessions.extend(reports.iter().map(info));
            }
            sessions.sort_by_key(|it| Reverse((it.pending_bytes, it.kept_bytes)));
            sessions.truncate(limit);
            sessions
        })
    }
}

fn executor_info(executor: &ExecutorState) -> ExecutorInfo {
    ExecutorInfo {
        id: executor.id,
        dedicated: executor.kind != ExecutorKind::Shared,
        dedicated_to: match executor.kind {
            ExecutorKind::Shared => None,
            ExecutorKind::Dedicated(guild) => Some(guild),
        },
        guilds: executor.guilds,
        state: match executor.stuck {
            None => "serving",
            Some(_) => "stuck",
        },
        stuck_since_ms: executor.stuck.map(|stuck| stuck.since_ms),
        stuck_in: executor.stuck_in(),
        load: executor.load.guilds,
        busy: executor.load.busy,
        loop_delay_ms: ms(executor.load.delay),
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn guild_info(guild: &RunningGuild) -> GuildInfo {
    let stats = &guild.stats;
    let load = stats.load.get();
    GuildInfo {
        id: guild.id,
        executor: guild.executor,
        dedicated: guild.kind != ExecutorKind::Shared,
        placed_ms: guild.placed_ms,
        placed_because: guild.reason.name(),
        moving: guild.moving,
        moves: guild
            .moves
            .iter()
            .flat_map(|it| it.iter())
            .map(move_info)
            .collect(),
        started_ms: guild.started_ms,
        state: stats.health().name(),
        restarts: GuildStats::get(&stats.restarts),
        last_restart_ms: match GuildStats::get(&stats.last_restart_us) {
            0 => None,
            us => Some(us as f64 / 1e3),
        },
        position: GuildStats::get(&stats.position),
        sessions: GuildStats::get(&stats.sessions),
        hubs: GuildStats::get(&stats.hubs),
        waiting_requests: guild.mail.count(),
        waiting_bytes: guild.mail.bytes(),
        requests: GuildStats::get(&stats.requests),
        items: GuildStats::get(&stats.items),
        appends: GuildStats::get(&stats.appends),
        offered: GuildStats::get(&stats.offered),
        busy_ns: stats.meter.busy_ns(),
        load: load.share,
        queue_delay_ms: ms(load.queue_delay),
        events_per_second: load.events,
        offered_per_second: load.offered,
    }
}

fn move_info(moved: &Moved) -> MoveInfo {
    MoveInfo {
        from: moved.from,
        to: moved.to,
        kind: moved.kind,
        reason: moved.reason.name(),
        at_ms: moved.at_ms,
        pause_ms: moved.pause.map(|pause| pause.as_secs_f64() * 1e3),
    }
}

fn session_info(id: String, hub: u32, report: &SessionReport) -> SessionInfo {
    SessionInfo {
        id,
        user_id: report.user,
        bot: report.bot,
        state: match report.detached_ms {
            None => SessionState::Active,
            Some(_) => SessionState::Detached,
        },
        detached_ms: report.detached_ms,
        hub,
        shard: report.shard,
        intents: report.intents.bits(),
        guilds: report.guilds,
        seq: report.seq,
        pending_events: report.pending_events,
        pending_bytes: report.pending_bytes,
        kept_events: report.kept_events,
        kept_bytes: report.kept_bytes,
        late_events: report.late_events,
        dropped_typing: report.dropped.of(EphemeralKind::Typing),
        dropped_presences: report.dropped.of(EphemeralKind::Presence),
    }
}
