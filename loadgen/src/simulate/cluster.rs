//! The nodes of a simulation: their names, their zones, and what happens to them.

use anyhow::{Context as _, Result};
use guildhall_server::placement::{
    Member, NodeName, Overrides, Placement, Ring, RingError, RingSettings, Zones,
};

use super::SimulateArgs;
use super::assignment::Assignment;
use super::population::Population;
use super::report::Standby;
use crate::report::ratio;

/// Guilds whose stand-bys are looked at.
const SAMPLE: u32 = 100_000;

fn name(number: u32) -> NodeName {
    NodeName::new(&format!("node-{number}")).expect("invariant: letters and digits")
}

/// The nodes of a zone: every `zones`th.
fn zone_of(number: u32, args: &SimulateArgs) -> u32 {
    number % args.zones
}

pub(super) fn ring(args: &SimulateArgs) -> Result<Ring, RingError> {
    let settings = RingSettings {
        virtual_nodes: args.virtual_nodes,
        ..RingSettings::default()
    };
    Ring::build((0..args.nodes).map(|n| Member::new(name(n))), settings)
}

/// A node that was not there before.
pub(super) fn joiner(args: &SimulateArgs) -> Member {
    Member::new(name(args.nodes))
}

/// A node that goes.
pub(super) fn leaver(args: &SimulateArgs) -> NodeName {
    name(args.nodes / 2)
}

/// The placement after the nodes of the first zone failed; the same as it is when there is but one zone.
pub(super) fn without_zone(base: &Placement, args: &SimulateArgs) -> Result<Placement> {
    if args.zones == 1 {
        return Ok(base.clone());
    }
    let staying = (0..args.nodes).filter(|number| zone_of(*number, args) != 0);
    let members = staying.map(|number| Member::new(name(number)));
    let ring = Ring::build(members, base.ring().settings())?;
    Ok(base.with_ring(ring))
}

/// Pins of the `count` heaviest guilds, each to the node that has the least load then.
pub(super) fn pins(
    base: &Placement,
    population: &Population,
    assignment: &Assignment,
    count: u32,
) -> Result<Overrides> {
    let members = base.ring().members();
    let mut loads = vec![0.0; members.len()];
    for (rank, seat) in (count..).zip(&assignment.seats()[count as usize..]) {
        loads[usize::from(*seat)] += population.load(rank);
    }
    let mut pins = Overrides::new();
    for rank in 0..count {
        let least = loads.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
        let (seat, _) = least.context("a cluster without nodes")?;
        loads[seat] += population.load(rank);
        pins.pin(Population::id(rank), members[seat].name.clone())?;
    }
    Ok(pins)
}

/// How many guilds would have a node left that expects them if the owner's zone failed, by the ring's own order and
/// with zones heeded.
pub(super) fn standby(base: &Placement, args: &SimulateArgs, population: &Population) -> Standby {
    let mut zones = Zones::new();
    for number in 0..args.nodes {
        let zone = format!("zone-{}", zone_of(number, args));
        zones.put(name(number), zone.into());
    }
    let ring = base.ring();
    let is_apart = |first: Option<&NodeName>, second: Option<&NodeName>| match (first, second) {
        (Some(first), Some(second)) => zones.of(first) != zones.of(second),
        _ => false,
    };
    let sample = population.len().min(SAMPLE);
    let (mut plain, mut heeded) = (0, 0);
    for rank in 0..sample {
        let guild = Population::id(rank);
        let mut owners = ring.owners(guild, 2);
        plain += u32::from(is_apart(owners.next(), owners.next()));
        let owners = zones.owners(ring, guild, 2);
        heeded += u32::from(is_apart(owners.first().copied(), owners.get(1).copied()));
    }
    Standby {
        sample,
        in_another_zone: ratio(f64::from(plain), f64::from(sample)),
        in_another_zone_heeded: ratio(f64::from(heeded), f64::from(sample)),
    }
}
