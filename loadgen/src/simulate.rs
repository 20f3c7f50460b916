//! `loadgen simulate`: placement at internet scale with the server's own ring code, without any server.
//!
//! Guilds have Zipf loads. Nodes join, leave and fail by the zone, the heaviest guilds are pinned, and the loads are
//! bounded; after each step every guild is placed again and compared with where it was.

mod args;
mod assignment;
mod balance;
mod cluster;
mod cost;
mod population;
mod report;

pub use args::SimulateArgs;
pub use report::{Simulated, Step};

use std::time::Instant;

use anyhow::Result;
use guildhall_server::placement::{Bound, Overrides, Placement};

use crate::procfs::peak_resident_bytes;
use assignment::Assignment;
use balance::{Balance, Moved};
use population::Population;

/// Simulates and prints.
pub fn run(args: &SimulateArgs) -> Result<()> {
    let simulated = simulate(args)?;
    if args.json {
        println!("{}", serde_json::to_string(&simulated)?);
    } else {
        print!("{}", report::table(&simulated));
    }
    Ok(())
}

/// One cluster through all steps.
pub fn simulate(args: &SimulateArgs) -> Result<Simulated> {
    args.check()?;
    let began = Instant::now();
    let bound = Bound::new(args.bound)?;
    let population = Population::new(args.guilds, args.skew);
    let course = Course {
        population: &population,
        bound,
    };

    let ring = cluster::ring(args)?;
    let base = Placement::new(ring, Overrides::new());
    let start = course.place("start", &base);
    let mut steps = vec![start.step(None)];

    let pins = cluster::pins(&base, &population, &start.plain, args.pins)?;
    let pinned = base.with_overrides(pins);
    let changes = [
        ("join of one node", base.join(cluster::joiner(args))?),
        ("leave of one node", base.leave(&cluster::leaver(args))?),
        ("loss of a zone", cluster::without_zone(&base, args)?),
        ("pins of the heaviest", pinned),
    ];
    let mut lookups = vec![cost::lookup("ring", &base, &population)];
    for (name, placement) in &changes {
        let placed = course.place(name, placement);
        steps.push(placed.step(Some(&start)));
        if !placement.overrides().is_empty() {
            lookups.push(cost::lookup("ring and pins", placement, &population));
        }
    }
    Ok(Simulated {
        nodes: args.nodes,
        zones: args.zones,
        guilds: args.guilds,
        skew: args.skew,
        virtual_nodes: args.virtual_nodes,
        bound: args.bound,
        pins: args.pins,
        heaviest_over_mean: population.load(0) / population.total() * f64::from(args.nodes),
        steps,
        standby: cluster::standby(&base, args, &population),
        lookups,
        ring_bytes: base.ring().bytes(),
        peak_rss_bytes: peak_resident_bytes(std::process::id())?,
        seconds: began.elapsed().as_secs_f64(),
    })
}

/// What stays the same over all steps.
struct Course<'a> {
    population: &'a Population,
    bound: Bound,
}

/// All guilds under one placement, by the ring and its pins alone and with bounded loads.
struct Placed<'a> {
    name: &'a str,
    placement: &'a Placement,
    population: &'a Population,
    plain: Assignment,
    plain_seconds: f64,
    bounded: Assignment,
    bounded_seconds: f64,
}

impl Course<'_> {
    fn place<'a>(&'a self, name: &'a str, placement: &'a Placement) -> Placed<'a> {
        let began = Instant::now();
        let plain = Assignment::of(placement, self.population);
        let plain_seconds = began.elapsed().as_secs_f64();
        let began = Instant::now();
        let bounded = Assignment::bounded(placement, self.population, self.bound);
        Placed {
            name,
            placement,
            population: self.population,
            plain,
            plain_seconds,
            bounded,
            bounded_seconds: began.elapsed().as_secs_f64(),
        }
    }
}

impl Placed<'_> {
    fn step(&self, before: Option<&Placed<'_>>) -> Step {
        let ring = self.placement.ring();
        let moved = |pick: for<'x, 'y> fn(&'x Placed<'y>) -> &'x Assignment| {
            before.map(|before| {
                let rings = (before.placement.ring(), ring);
                Moved::between(rings, (pick(before), pick(self)), self.population)
            })
        };
        Step {
            name: self.name.to_owned(),
            nodes: ring.members().len() as u32,
            ring: Balance::of(&self.plain, ring, self.population),
            ring_moved: moved(|placed| &placed.plain),
            ring_seconds: self.plain_seconds,
            bounded: Balance::of(&self.bounded, ring, self.population),
            bounded_moved: moved(|placed| &placed.bounded),
            bounded_seconds: self.bounded_seconds,
            displaced: self.bounded.displaced(),
            nowhere: self.bounded.nowhere(),
        }
    }
}

#[cfg(test)]
mod tests;
