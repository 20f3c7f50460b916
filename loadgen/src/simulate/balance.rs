//! How even an assignment is, and what two of them have in common.

use guildhall_server::placement::Ring;
use serde::Serialize;

use super::assignment::Assignment;
use super::population::Population;
use crate::report::ratio;

/// Largest over mean, over the nodes.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Balance {
    /// By number of guilds.
    pub count: f64,
    /// By load.
    pub load: f64,
    /// By load, over the nodes that have no guild that is by itself more than a fair share.
    pub load_without_giants: f64,
}

impl Balance {
    /// Of the members of `ring`, which all weigh the same.
    pub fn of(assignment: &Assignment, ring: &Ring, population: &Population) -> Self {
        let nodes = ring.members().len();
        let mut counts = vec![0_u64; nodes];
        let mut loads = vec![0.0; nodes];
        for (rank, seat) in (0..).zip(assignment.seats()) {
            counts[usize::from(*seat)] += 1;
            loads[usize::from(*seat)] += population.load(rank);
        }
        let fair = population.total() / nodes as f64;
        let mut has_giant = vec![false; nodes];
        let giants = (0..population.len()).take_while(|rank| population.load(*rank) > fair);
        for rank in giants {
            has_giant[usize::from(assignment.seats()[rank as usize])] = true;
        }
        let largest = |loads: &mut dyn Iterator<Item = f64>| loads.fold(0.0, f64::max);
        let others = loads.iter().zip(&has_giant);
        let mut others = others.filter(|(_, has)| !**has).map(|(load, _)| *load);
        let mean = f64::from(population.len()) / nodes as f64;
        Self {
            count: largest(&mut counts.iter().map(|count| *count as f64)) / mean,
            load: largest(&mut loads.iter().copied()) / fair,
            load_without_giants: largest(&mut others) / fair,
        }
    }
}

/// What a change moved.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Moved {
    /// Guilds on another node than before.
    pub guilds: u64,
    /// Their share of all guilds.
    pub share: f64,
    /// Their share of the load.
    pub load_share: f64,
    /// Guilds that moved although the node that they were on is still there, to one that was there before: nothing but
    /// a side effect.
    pub between_survivors: u64,
}

impl Moved {
    /// From the first of each pair to the second.
    pub fn between(
        (old_ring, new_ring): (&Ring, &Ring),
        (old, new): (&Assignment, &Assignment),
        population: &Population,
    ) -> Self {
        let members = old_ring.members().iter();
        // Seats move up and down as members come and go.
        let now: Vec<Option<u16>> = members
            .map(|member| new_ring.seat_of(&member.name).ok().map(|seat| seat as u16))
            .collect();
        let members = new_ring.members().iter();
        let is_old: Vec<bool> = members
            .map(|member| old_ring.contains(&member.name))
            .collect();
        let (mut guilds, mut load, mut between) = (0, 0.0, 0);
        for (rank, (old, new)) in (0..).zip(old.seats().iter().zip(new.seats())) {
            let now = now[usize::from(*old)];
            if now != Some(*new) {
                guilds += 1;
                load += population.load(rank);
                between += u64::from(now.is_some() && is_old[usize::from(*new)]);
            }
        }
        Self {
            guilds,
            share: ratio(guilds as f64, f64::from(population.len())),
            load_share: ratio(load, population.total()),
            between_survivors: between,
        }
    }
}
