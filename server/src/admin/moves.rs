//! `/guilds/{id}/promote`, `/demote`, `/move`: which thread or node runs a guild, by hand; `/moves`: what went where.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::answer::{Answer, bad_request, ok};
use super::{Admin, orders};
use crate::cluster::control::GuildOrder;
use crate::cluster::moves::NodeMoved;
use crate::placement::NodeName;
use crate::protocol::{ApiError, GuildId};

/// Where a guild is to go.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, untagged)]
enum MoveForm {
    Executor {
        executor: usize,
    },
    /// To a node, where it stays; with null back to where the ring has it.
    Node {
        node: Option<NodeName>,
    },
}

/// A move between nodes.
#[derive(Serialize)]
struct NodeMovedAnswer<'a> {
    id: GuildId,
    from: &'a NodeName,
    to: &'a NodeName,
    reason: &'a str,
    at_ms: u64,
    /// From the last that it handled on one until it answered on the other; none where it did not run.
    pause_ms: Option<f64>,
}

impl<'a> From<&'a NodeMoved> for NodeMovedAnswer<'a> {
    fn from(moved: &'a NodeMoved) -> Self {
        Self {
            id: moved.guild,
            from: &moved.from,
            to: &moved.to,
            reason: &moved.reason,
            at_ms: moved.at_ms,
            pause_ms: moved.pause_us.map(|us| us as f64 / 1e3),
        }
    }
}

#[derive(Serialize)]
struct MovesAnswer<'a> {
    /// The last 256 of all nodes that this one has heard of, the newest first.
    moves: Vec<NodeMovedAnswer<'a>>,
    /// Of these.
    pause: Pauses,
}

#[derive(Serialize)]
struct Pauses {
    count: usize,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    max_ms: Option<f64>,
    /// How many took at most so many milliseconds.
    buckets: Vec<(f64, usize)>,
}

/// Upper bounds of the histogram, in milliseconds.
const BOUNDS_MS: [f64; 9] = [2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 250.0, 1_000.0, 10_000.0];

/// Gives a guild a thread of its own.
pub(super) async fn promote(admin: web::Data<Admin>, path: web::Path<String>) -> Answer {
    go(&admin, &path, GuildOrder::Promote).await
}

/// Takes a guild's own thread away.
pub(super) async fn demote(admin: web::Data<Admin>, path: web::Path<String>) -> Answer {
    go(&admin, &path, GuildOrder::Demote).await
}

async fn go(admin: &Admin, id: &str, order: GuildOrder) -> Answer {
    let id: GuildId = id.parse().map_err(|_| ApiError::UNKNOWN_GUILD)?;
    Ok(ok(&orders::anywhere(admin, id, order).await?))
}

/// Moves a guild to the shared thread that the body names, or to the one with the least to do.
pub(super) async fn to(
    admin: web::Data<Admin>,
    path: web::Path<String>,
    body: web::Bytes,
) -> Answer {
    let executor = if body.is_empty() {
        None
    } else {
        let expected = "expected {\"executor\": N} or {\"node\": NAME}";
        let form: MoveForm =
            serde_json::from_slice(&body).map_err(|_| bad_request(expected.to_owned()))?;
        match form {
            MoveForm::Executor { executor } => Some(executor),
            MoveForm::Node { node } => return to_node(&admin, &path, node).await,
        }
    };
    go(&admin, &path, GuildOrder::Executor(executor)).await
}

async fn to_node(admin: &Admin, id: &str, node: Option<NodeName>) -> Answer {
    let id: GuildId = id.parse().map_err(|_| ApiError::UNKNOWN_GUILD)?;
    let cluster = admin.cluster.as_ref();
    let cluster = cluster.ok_or_else(|| bad_request("there is only this node".to_owned()))?;
    let moved = cluster.move_to_node(id, node).await;
    let moved = moved.map_err(ApiError::from)?;
    Ok(ok(&NodeMovedAnswer::from(&moved)))
}

/// What went from one node to another.
pub(super) async fn list(admin: web::Data<Admin>) -> HttpResponse {
    let moves = admin.cluster.as_ref().map(|it| it.moves());
    let moves = moves.unwrap_or_default();
    let mut pauses: Vec<f64> = moves
        .iter()
        .filter_map(|it| Some(it.pause_us? as f64 / 1e3))
        .collect();
    pauses.sort_by(f64::total_cmp);
    let quantile = |q: f64| {
        let rank = (q * pauses.len() as f64).ceil() as usize;
        pauses.get(rank.max(1) - 1).copied()
    };
    let up_to = |bound: f64| pauses.partition_point(|pause| *pause <= bound);
    ok(&MovesAnswer {
        moves: moves.iter().map(NodeMovedAnswer::from).collect(),
        pause: Pauses {
            count: pauses.len(),
            p50_ms: quantile(0.5),
            p99_ms: quantile(0.99),
            max_ms: pauses.last().copied(),
            buckets: BOUNDS_MS.map(|bound| (bound, up_to(bound))).to_vec(),
        },
    })
}
