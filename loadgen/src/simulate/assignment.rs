//! Which guild is on which node.

use std::thread;

use guildhall_server::placement::{Bound, BoundedLoads, Placement, Room};

use super::population::Population;

/// The seat of each guild, by rank: two bytes a guild.
#[derive(Debug)]
pub struct Assignment {
    seats: Vec<u16>,
    displaced: u64,
    nowhere: u64,
}

impl Assignment {
    /// As the ring and its pins have it; on all cores.
    pub fn of(placement: &Placement, population: &Population) -> Self {
        let mut seats = vec![0; population.len() as usize];
        let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let part = seats.len().div_ceil(threads).max(1);
        thread::scope(|scope| {
            for (number, seats) in seats.chunks_mut(part).enumerate() {
                scope.spawn(move || {
                    let first = (number * part) as u32;
                    for (rank, seat) in (first..).zip(seats) {
                        *seat = placement.seat(Population::id(rank));
                    }
                });
            }
        });
        Self {
            seats,
            displaced: 0,
            nowhere: 0,
        }
    }

    /// With bounded loads, the heaviest guild first; pins are left out.
    pub fn bounded(placement: &Placement, population: &Population, bound: Bound) -> Self {
        let mut loads = BoundedLoads::new(placement.ring(), population.total(), bound);
        let (mut displaced, mut nowhere) = (0, 0);
        let place = |rank| {
            let placed = loads.place(Population::id(rank), population.load(rank));
            displaced += u64::from(placed.how == Room::Displaced);
            nowhere += u64::from(placed.how == Room::Nowhere);
            placed.seat
        };
        Self {
            seats: (0..population.len()).map(place).collect(),
            displaced,
            nowhere,
        }
    }

    /// The seats by rank.
    pub fn seats(&self) -> &[u16] {
        &self.seats
    }

    /// Guilds that are not where the ring alone would have them, as their node was full.
    pub fn displaced(&self) -> u64 {
        self.displaced
    }

    /// Guilds for which no node had room.
    pub fn nowhere(&self) -> u64 {
        self.nowhere
    }
}
