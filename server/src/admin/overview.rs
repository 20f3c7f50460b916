//! `/cluster`: figures of all nodes together, whichever is asked.

use std::cmp::Ordering;

use actix_web::{HttpResponse, web};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Admin;
use super::answer::ok;
use super::view::{NodeState, View};
use crate::cluster::control::{Question, Unanswered};
use crate::cluster::report::{BusyGuild, MAX_TOP, NodeReport, Together, together};
use crate::counters::Counters;
use crate::placement::{Generation, NodeName};

/// Guilds that are named where no number is asked for.
const DEFAULT_TOP: usize = 10;
/// How long the others have where nothing is asked for, in milliseconds.
const DEFAULT_TIMEOUT_MS: u64 = 1_000;
/// The longest that they can be given, in milliseconds.
const MAX_TIMEOUT_MS: u64 = 10_000;

#[derive(Deserialize)]
pub(super) struct Query {
    top: Option<usize>,
    timeout_ms: Option<u64>,
}

#[derive(Serialize)]
struct ClusterAnswer<'a> {
    /// Whether a node is missing: then sums, guilds and durations are of the others alone.
    partial: bool,
    missing: Vec<Missing>,
    /// The placement that the node follows which answers.
    generation: Generation,
    #[serde(flatten)]
    all: Together,
    nodes: Vec<NodePart<'a>>,
}

/// A node that has not said anything.
#[derive(Serialize)]
struct Missing {
    name: NodeName,
    reason: String,
}

/// A node that has.
#[derive(Serialize)]
struct NodePart<'a> {
    name: &'a NodeName,
    version: &'a str,
    state: &'a str,
    started_ms: u64,
    generation: u64,
    guilds: usize,
    sessions: usize,
    connections: usize,
    publishes: u64,
    deliveries: u64,
}

impl<'a> From<&'a NodeReport> for NodePart<'a> {
    fn from(report: &'a NodeReport) -> Self {
        Self {
            name: &report.name,
            version: &report.version,
            state: &report.state,
            started_ms: report.started_ms,
            generation: report.generation,
            guilds: report.guilds,
            sessions: report.sessions,
            connections: report.connections,
            publishes: report.publishes,
            deliveries: report.deliveries,
        }
    }
}

/// Asks every node at once; who does not answer in time is named as missing.
pub(super) async fn cluster(admin: web::Data<Admin>, query: web::Query<Query>) -> HttpResponse {
    let top = query.top.unwrap_or(DEFAULT_TOP).min(MAX_TOP);
    let patience = query.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS);
    let patience_ms = patience.clamp(1, MAX_TIMEOUT_MS);
    let others = match &admin.cluster {
        Some(cluster) => {
            let ask = |node: NodeName| async move {
                let question = Question::Report { top, patience_ms };
                let answer = cluster.ask(node.clone(), question).await;
                (node, answer.and_then(read))
            };
            join_all(cluster.others().into_iter().map(ask)).await
        }
        None => Vec::new(),
    };
    let mut reports = vec![report(&*admin.view, &admin.counters, top)];
    let mut missing = Vec::new();
    for (name, answer) in others {
        match answer {
            Ok(report) => reports.push(report),
            Err(error) => missing.push(Missing {
                name,
                reason: error.message,
            }),
        }
    }
    reports.sort_by(|a, b| a.name.cmp(&b.name));
    missing.sort_by(|a, b| a.name.cmp(&b.name));
    ok(&ClusterAnswer {
        partial: !missing.is_empty(),
        missing,
        generation: admin.view.placement().load().generation(),
        all: together(&reports, top),
        nodes: reports.iter().map(NodePart::from).collect(),
    })
}

fn read(answer: Value) -> Result<NodeReport, Unanswered> {
    serde_json::from_value(answer).map_err(|error| Unanswered::new(500, error.to_string()))
}

/// What a node says of itself, with its `top` busiest guilds.
pub fn report(view: &dyn View, counters: &Counters, top: usize) -> NodeReport {
    let node = view.node();
    let mut guilds = view.guilds();
    let busier = |a: &super::GuildInfo, b: &super::GuildInfo| -> Ordering {
        b.load.total_cmp(&a.load).then(a.id.cmp(&b.id))
    };
    let top = top.min(MAX_TOP).min(guilds.len());
    if top > 0 && top < guilds.len() {
        guilds.select_nth_unstable_by(top - 1, busier);
    }
    guilds.truncate(top);
    guilds.sort_by(busier);
    let name = node.name.clone();
    let top = guilds.iter().map(|guild| BusyGuild {
        id: guild.id,
        node: name.clone(),
        load: guild.load,
        sessions: guild.sessions,
        queue_delay_ms: guild.queue_delay_ms,
        events_per_second: guild.events_per_second,
    });
    let latencies = [
        ("append", &counters.append_seconds),
        ("publish_ack", &counters.publish_ack_seconds),
        ("rest", &counters.rest_seconds),
        ("peer_request", &counters.cluster.request_seconds),
        ("node_move_pause", &counters.node_move_pause_seconds),
    ];
    let latencies = latencies.map(|(what, latency)| (what.to_owned(), (&latency.counts()).into()));
    NodeReport {
        top: top.collect(),
        name: node.name,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        state: match node.state {
            NodeState::Starting => "starting",
            NodeState::Ready => "ready",
            NodeState::Draining => "draining",
        }
        .to_owned(),
        started_ms: node.started_ms,
        generation: view.placement().load().generation().0,
        guilds: node.guilds,
        sessions: node.sessions,
        connections: node.connections,
        publishes: counters.publishes.get(),
        deliveries: counters.deliveries.get(),
        latencies: latencies.into(),
    }
}
