//! What a simulation found out.

use std::fmt::Write as _;

use serde::Serialize;

use super::balance::{Balance, Moved};

/// Everything a simulation found out.
#[derive(Debug, Serialize)]
pub struct Simulated {
    /// Nodes at the start.
    pub nodes: u32,
    /// Zones.
    pub zones: u32,
    /// Guilds.
    pub guilds: u32,
    /// Exponent of the loads.
    pub skew: f64,
    /// Virtual nodes of each node.
    pub virtual_nodes: u32,
    /// The bound on loads.
    pub bound: f64,
    /// Guilds that were pinned.
    pub pins: u32,
    /// The heaviest guild's load over a node's fair share: no placement of whole guilds can be more even.
    pub heaviest_over_mean: f64,
    /// The start, then each change of it.
    pub steps: Vec<Step>,
    /// Who stands by for whom.
    pub standby: Standby,
    /// What look-ups cost.
    pub lookups: Vec<Lookup>,
    /// Bytes of the ring at the start.
    pub ring_bytes: usize,
    /// The most resident bytes that the simulation had.
    pub peak_rss_bytes: u64,
    /// Seconds it took.
    pub seconds: f64,
}

/// All guilds under one placement. What moved is relative to the start.
#[derive(Debug, Serialize)]
pub struct Step {
    /// What happened.
    pub name: String,
    /// Nodes then.
    pub nodes: u32,
    /// By ring and pins.
    pub ring: Balance,
    /// By ring and pins.
    pub ring_moved: Option<Moved>,
    /// Seconds to place all guilds, on all cores.
    pub ring_seconds: f64,
    /// With bounded loads, without pins.
    pub bounded: Balance,
    /// With bounded loads, without pins.
    pub bounded_moved: Option<Moved>,
    /// Seconds to place all guilds, on one core.
    pub bounded_seconds: f64,
    /// Guilds that bounded loads put elsewhere than the ring.
    pub displaced: u64,
    /// Guilds for which no node had room within the bound.
    pub nowhere: u64,
}

/// Whether a guild's second owner is out of the reach of its first one's failure.
#[derive(Debug, Serialize)]
pub struct Standby {
    /// Guilds looked at.
    pub sample: u32,
    /// Share with a second owner in another zone, by the ring's order.
    pub in_another_zone: f64,
    /// The same when zones are heeded.
    pub in_another_zone_heeded: f64,
}

/// What one kind of look-up costs.
#[derive(Debug, Serialize)]
pub struct Lookup {
    /// Which kind.
    pub what: String,
    /// Nanoseconds on average.
    pub nanoseconds: f64,
}

/// Tables for people.
pub(super) fn table(simulated: &Simulated) -> String {
    let mut out = String::new();
    write(&mut out, simulated).expect("invariant: writing to a String cannot fail");
    out
}

fn write(out: &mut String, simulated: &Simulated) -> std::fmt::Result {
    writeln!(
        out,
        "{} guilds (Zipf, exponent {}) on {} nodes in {} zones, {} virtual nodes each; the heaviest guild is {:.2} of a fair share\n",
        simulated.guilds,
        simulated.skew,
        simulated.nodes,
        simulated.zones,
        simulated.virtual_nodes,
        simulated.heaviest_over_mean,
    )?;
    writeln!(
        out,
        "| {:<20} | nodes | max/mean guilds | max/mean load | without giants | guilds moved | load moved | of these between survivors | placed in s |",
        "ring and pins"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|---|---|")?;
    for step in &simulated.steps {
        let seconds = step.ring_seconds;
        row(out, step, &step.ring, step.ring_moved.as_ref(), seconds)?;
    }
    writeln!(
        out,
        "\n| {:<20} | nodes | max/mean guilds | max/mean load | without giants | guilds moved | load moved | of these between survivors | placed in s |",
        format!("bounded, c = {}", simulated.bound)
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|---|---|")?;
    // Pins do not count in with bounded loads.
    for step in simulated.steps.iter().take(4) {
        let seconds = step.bounded_seconds;
        let moved = step.bounded_moved.as_ref();
        row(out, step, &step.bounded, moved, seconds)?;
    }
    if let Some(start) = simulated.steps.first() {
        writeln!(
            out,
            "\nbounded loads displace {} guilds at the start; {} fit nowhere within the bound",
            start.displaced, start.nowhere
        )?;
    }
    writeln!(
        out,
        "second owner in another zone: {:.1} % by the ring's order, {:.1} % with zones heeded",
        simulated.standby.in_another_zone * 100.0,
        simulated.standby.in_another_zone_heeded * 100.0
    )?;
    for lookup in &simulated.lookups {
        writeln!(
            out,
            "a look-up ({}) takes {:.0} ns",
            lookup.what, lookup.nanoseconds
        )?;
    }
    writeln!(
        out,
        "the ring takes {:.2} MB, the simulation {:.0} MB and {:.1} s",
        simulated.ring_bytes as f64 / 1e6,
        simulated.peak_rss_bytes as f64 / 1e6,
        simulated.seconds
    )
}

fn row(
    out: &mut String,
    step: &Step,
    balance: &Balance,
    moved: Option<&Moved>,
    seconds: f64,
) -> std::fmt::Result {
    write!(
        out,
        "| {:<20} | {} | {:.3} | {:.3} | {:.3} ",
        step.name, step.nodes, balance.count, balance.load, balance.load_without_giants
    )?;
    match moved {
        Some(moved) => write!(
            out,
            "| {} ({:.3} %) | {:.3} % | {} ",
            moved.guilds,
            moved.share * 100.0,
            moved.load_share * 100.0,
            moved.between_survivors
        )?,
        None => write!(out, "| - | - | - ")?,
    }
    writeln!(out, "| {seconds:.2} |")
}
