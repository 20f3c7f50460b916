//! Bounded loads: no node takes more than `c` times its fair share, as long as guilds are small enough to be shared out.
//!
//! A guild goes to the first node on its walk round the ring that has room for it. How much room a node has follows from
//! the sum of all loads: `c · total · weight / sum of weights`. Guilds are placed heaviest first by whoever calls, so
//! that the few that matter stay where the ring has them and the small ones fill what is left.
//!
//! A guild that is displaced this way has to be remembered, as a pin: the ring alone does not say where it is.

use super::Ring;

/// The bound `c`: above 1 and at most [`Bound::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Bound(f64);

impl Bound {
    /// The largest bound. Above it a bound hardly ever displaces a guild.
    pub const MAX: f64 = 100.0;

    /// Checks and takes a bound.
    pub fn new(bound: f64) -> Result<Self, BoundError> {
        // A NaN fails both comparisons and is refused here as well.
        if bound > 1.0 && bound <= Self::MAX {
            Ok(Self(bound))
        } else {
            Err(BoundError { bound })
        }
    }

    /// The bound as a number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl Default for Bound {
    /// 1.25: a quarter above the fair share.
    fn default() -> Self {
        Self(1.25)
    }
}

/// A bound that is not a number above 1 and at most [`Bound::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("bound {bound} is outside the range above 1 up to 100")]
pub struct BoundError {
    /// The refused bound.
    pub bound: f64,
}

/// Where a guild went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The node, as an index into [`Ring::members`].
    pub seat: u16,
    /// How it came there.
    pub how: Room,
}

/// How a guild came to its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// The ring's owner had room.
    Owner,
    /// The owner was full, another node had room.
    Displaced,
    /// No node had room: it went to an empty one, or to the one with the smallest load for its weight.
    Nowhere,
}

/// Shares guilds out over the nodes of a ring. Loads are in any unit, the same for all.
#[derive(Clone, Debug)]
pub struct BoundedLoads<'a> {
    ring: &'a Ring,
    /// By seat; all the capacity that a node has.
    capacity: Vec<f64>,
    /// By seat; what it has been given.
    load: Vec<f64>,
    largest: f64,
}

impl<'a> BoundedLoads<'a> {
    /// Empty nodes with room for guilds whose loads add up to `total`.
    pub fn new(ring: &'a Ring, total: f64, bound: Bound) -> Self {
        let weights = || ring.members().iter().map(|member| member.weight.get());
        let all: f64 = weights().sum();
        let capacity: Vec<f64> = weights()
            .map(|weight| bound.0 * total * weight / all)
            .collect();
        Self {
            ring,
            load: vec![0.0; capacity.len()],
            largest: capacity.iter().copied().fold(0.0, f64::max),
            capacity,
        }
    }

    /// Places one guild more.
    pub fn place(&mut self, guild: u64, load: f64) -> Placed {
        let placed = self.find(guild, load);
        self.load[usize::from(placed.seat)] += load;
        placed
    }

    fn find(&self, guild: u64, load: f64) -> Placed {
        let owner = self.ring.seat(guild);
        let has_room = |seat: usize, load: f64| self.load[seat] + load <= self.capacity[seat];
        if has_room(usize::from(owner), load) {
            return Placed {
                seat: owner,
                how: Room::Owner,
            };
        }
        if load <= self.largest
            && let Some(seat) = self
                .ring
                .walk(guild)
                .find(|seat| has_room(usize::from(*seat), load))
        {
            return Placed {
                seat,
                how: Room::Displaced,
            };
        }
        let empty = || {
            let mut walk = self.ring.walk(guild);
            walk.find(|seat| self.load[usize::from(*seat)] <= 0.0)
        };
        let has_empty = self.load.iter().any(|load| *load <= 0.0);
        let seat = if has_empty { empty() } else { None };
        Placed {
            seat: seat.unwrap_or_else(|| self.emptiest()),
            how: Room::Nowhere,
        }
    }

    /// The seat with the smallest load for its capacity; of several the first.
    fn emptiest(&self) -> u16 {
        let filled = self.load.iter().zip(&self.capacity);
        let filled = (0_u16..).zip(filled.map(|(load, capacity)| load / capacity));
        filled
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map_or(0, |(seat, _)| seat)
    }

    /// What each node has been given, by seat.
    pub fn loads(&self) -> &[f64] {
        &self.load
    }

    /// What each node has room for in all, by seat.
    pub fn capacities(&self) -> &[f64] {
        &self.capacity
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::placement::{Member, NodeName, RingSettings, Weight};

    fn ring(weights: &[f64]) -> Ring {
        let members = weights.iter().enumerate().map(|(i, weight)| {
            let name = NodeName::new(&format!("node-{i}")).unwrap();
            Member::weighted(name, Weight::new(*weight).unwrap())
        });
        let settings = RingSettings {
            virtual_nodes: 40,
            ..RingSettings::default()
        };
        Ring::build(members, settings).unwrap()
    }

    fn weights() -> impl Strategy<Value = Vec<f64>> {
        vec(prop_oneof![Just(0.5), Just(1.0), Just(2.0)], 1..20)
    }

    proptest! {
        /// If every node refused a guild of load `l`, the loads would add up to more than
        /// `c · total - nodes · l`; so one with `l <= (c - 1) · total / nodes` is never refused by all.
        #[test]
        fn small_guilds_leave_no_node_above_its_bound(
            weights in weights(),
            loads in vec(0.1_f64..1.0, 200..600),
            seed: u64,
        ) {
            let ring = ring(&weights);
            let total: f64 = loads.iter().sum();
            let bound = Bound::new(1.0 + 1.01 * weights.len() as f64 / total).unwrap();
            let mut bounded = BoundedLoads::new(&ring, total, bound);
            for (guild, load) in loads.iter().enumerate() {
                let guild = seed.wrapping_add(guild as u64 * 7919);
                let placed = bounded.place(guild, *load);
                prop_assert_ne!(placed.how, Room::Nowhere);
                if placed.how == Room::Owner {
                    prop_assert_eq!(placed.seat, ring.seat(guild));
                }
            }
            for (load, capacity) in bounded.loads().iter().zip(bounded.capacities()) {
                prop_assert!(load <= capacity);
            }
            let placed: f64 = bounded.loads().iter().sum();
            prop_assert!((placed - total).abs() < 1e-6);
        }

        #[test]
        fn a_wide_bound_is_the_ring(weights in weights(), guilds in vec(any::<u64>(), 1..100)) {
            let ring = ring(&weights);
            let mut bounded = BoundedLoads::new(&ring, 1e9, Bound::default());
            for guild in guilds {
                let placed = bounded.place(guild, 1.0);
                prop_assert_eq!(placed, Placed { seat: ring.seat(guild), how: Room::Owner });
                prop_assert_eq!(ring.members()[usize::from(placed.seat)].name.as_str(), ring.owner(guild).as_str());
            }
        }

        #[test]
        fn any_loads_are_placed_and_the_same_ones_the_same_way(
            weights in weights(),
            loads in vec(0.0_f64..1e6, 1..100),
        ) {
            let ring = ring(&weights);
            let total = loads.iter().sum::<f64>() / 3.0;
            let run = || {
                let mut bounded = BoundedLoads::new(&ring, total, Bound::default());
                let seats = loads.iter().zip(0..).map(|(load, guild)| bounded.place(guild, *load).seat);
                seats.collect::<Vec<_>>()
            };
            let seats = run();
            prop_assert!(seats.iter().all(|seat| usize::from(*seat) < weights.len()));
            prop_assert_eq!(seats, run());
        }
    }

    #[test]
    fn guilds_too_large_for_any_node_take_an_empty_one_each() {
        let ring = ring(&[1.0; 4]);
        let mut bounded = BoundedLoads::new(&ring, 4.0, Bound::default());
        let mut seats: Vec<u16> = (0..4)
            .map(|guild| {
                let placed = bounded.place(guild, 2.0);
                assert_eq!(placed.how, Room::Nowhere);
                placed.seat
            })
            .collect();
        seats.sort_unstable();
        assert_eq!(seats, [0, 1, 2, 3]);
        assert_eq!(bounded.place(9, 5.0).seat, 0);
    }

    #[test]
    fn a_bound_leaves_room_above_the_mean() {
        for bad in [1.0, 0.5, -1.0, 100.1, f64::NAN, f64::INFINITY] {
            assert!(Bound::new(bad).is_err(), "{bad}");
        }
        assert!((Bound::new(1.25).unwrap().get() - 1.25).abs() < 1e-12);
    }
}
