//! `/placement`, `/ring`, `/ring/points`: which node owns what.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::Admin;
use super::answer::{Answer, bad_request, ok};
use crate::placement::{Generation, NodeName, Reason};
use crate::protocol::GuildId;

/// Most pins that `/ring` lists.
const MAX_PINS_SHOWN: usize = 1_000;

#[derive(Deserialize)]
pub(super) struct Which {
    guild: Option<String>,
}

/// Where a guild belongs, and where it runs. Hashes are 64 bits wide and shown in hexadecimal:
/// many JSON readers would round the numbers.
#[derive(Serialize)]
struct PlacementAnswer<'a> {
    guild_id: GuildId,
    node: &'a NodeName,
    reason: Reason,
    generation: Generation,
    hash: String,
    ring: RingPosition<'a>,
    /// Distinct nodes, of distinct zones as long as there are any: each is who owns it without those before it and
    /// their zones.
    owners: Vec<&'a NodeName>,
    moved_from: Option<&'a NodeName>,
    ignored_override: Option<&'a NodeName>,
    /// Whether its actor runs on the node that answers.
    running: bool,
    executor: Option<usize>,
}

/// The virtual node that it meets first.
#[derive(Serialize)]
struct RingPosition<'a> {
    point: String,
    index: u32,
    points: usize,
    node: &'a NodeName,
    virtual_node: u32,
}

fn hex(value: u64) -> String {
    format!("{value:016x}")
}

pub(super) async fn placement(admin: web::Data<Admin>, which: web::Query<Which>) -> Answer {
    let guild: GuildId = which
        .guild
        .as_deref()
        .and_then(|guild| guild.parse().ok())
        .ok_or_else(|| bad_request("expected ?guild= with a guild id"))?;
    let placement = admin.view.placement().snapshot();
    let decision = placement.place(guild.get());
    let running = admin.view.guild(guild);
    Ok(ok(&PlacementAnswer {
        guild_id: guild,
        node: decision.node,
        reason: decision.reason,
        generation: decision.generation,
        hash: hex(decision.location.hash),
        ring: RingPosition {
            point: hex(decision.location.point),
            index: decision.location.index,
            points: placement.ring().len(),
            node: &placement.ring().members()[usize::from(decision.location.seat)].name,
            virtual_node: decision.location.replica,
        },
        owners: decision.owners.to_vec(),
        moved_from: decision.moved_from,
        ignored_override: decision.ignored_override,
        running: running.is_some(),
        executor: running.map(|guild| guild.executor),
    }))
}

#[derive(Serialize)]
struct RingAnswer<'a> {
    generation: Generation,
    virtual_nodes: u32,
    points: usize,
    members: Vec<MemberAnswer<'a>>,
    override_count: usize,
    /// The first 1,000 by rising guild id.
    overrides: BTreeMap<GuildId, &'a NodeName>,
    /// How many of all overrides name a node that is not a member.
    ignored_overrides: usize,
}

#[derive(Serialize)]
struct MemberAnswer<'a> {
    name: &'a NodeName,
    weight: f64,
    /// Share of the ring, 0 to 1.
    share: f64,
}

pub(super) async fn ring(admin: web::Data<Admin>) -> HttpResponse {
    let placement = admin.view.placement().snapshot();
    let ring = placement.ring();
    let mut pins: Vec<(GuildId, &NodeName)> = placement
        .overrides()
        .iter()
        .map(|(guild, node)| (GuildId::new(guild), node))
        .collect();
    pins.sort_unstable_by_key(|&(guild, _)| guild);
    pins.truncate(MAX_PINS_SHOWN);
    ok(&RingAnswer {
        generation: placement.generation(),
        virtual_nodes: ring.settings().virtual_nodes,
        points: ring.len(),
        members: ring
            .shares()
            .into_iter()
            .map(|(member, share)| MemberAnswer {
                name: &member.name,
                weight: member.weight.get(),
                share,
            })
            .collect(),
        override_count: placement.overrides().len(),
        overrides: pins.into_iter().collect(),
        ignored_overrides: placement.ignored_overrides().count(),
    })
}

/// Every virtual node: its point in hexadecimal, and the number of its node in `nodes`.
#[derive(Serialize)]
struct PointsAnswer<'a> {
    generation: Generation,
    nodes: Vec<&'a NodeName>,
    points: Vec<(String, u16)>,
}

pub(super) async fn points(admin: web::Data<Admin>) -> HttpResponse {
    let placement = admin.view.placement().snapshot();
    let ring = placement.ring();
    ok(&PointsAnswer {
        generation: placement.generation(),
        nodes: ring.members().iter().map(|member| &member.name).collect(),
        points: ring
            .points()
            .map(|(point, seat)| (hex(point), seat))
            .collect(),
    })
}
