//! A ring on which no member owns more than `c` times its share of the circle.
//!
//! A member whose virtual nodes lie so that it would own more keeps the first of its arcs, in the order of the circle, as
//! far as they fit. Each of the others goes to the next member on the walk that has room for it. Nothing but members and
//! settings decides that: whoever has the same ones makes the same ring.

use super::Ring;
use crate::placement::Bound;

/// What a whole circle measures.
const CIRCLE: u128 = 1 << 64;

/// How far a ring is bounded, and what of it is not where its virtual node lies.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bounded {
    bound: Bound,
    /// Positions of arcs that went to another member, rising, each with the seat of its virtual node.
    displaced: Vec<(u32, u16)>,
}

impl Bounded {
    /// Whose virtual node a position is, where its arc is another one's.
    pub(super) fn home(&self, position: usize) -> Option<u16> {
        let position = position as u32;
        let found = self
            .displaced
            .binary_search_by_key(&position, |(at, _)| *at);
        found.ok().map(|at| self.displaced[at].1)
    }
}

impl Ring {
    /// This ring with no member above `bound` times its share of the circle, as far as single arcs are small enough for
    /// that: one of at most `(bound - 1) / members` of the circle always is.
    #[must_use]
    pub fn within(mut self, bound: Bound) -> Self {
        self.unbind();
        let arcs = self.arcs();
        let room = self.room(bound);
        let mut load = vec![0_u128; room.len()];
        let mut leaves = Vec::new();
        for (position, arc) in arcs.iter().enumerate() {
            let seat = usize::from(self.seats[position]);
            if load[seat] + arc <= room[seat] {
                load[seat] += arc;
            } else {
                leaves.push(position);
            }
        }
        // Where they lie, before any of them goes.
        let homes = self.seats.clone();
        let mut displaced = Vec::with_capacity(leaves.len());
        for position in leaves {
            let home = homes[position];
            let after = homes[position + 1..self.len()].iter();
            let mut walk = after.chain(&homes[..position]).copied();
            let fits = |seat: &u16| {
                let seat = usize::from(*seat);
                load[seat] + arcs[position] <= room[seat]
            };
            let seat = walk.find(fits).unwrap_or(home);
            load[usize::from(seat)] += arcs[position];
            if seat != home {
                self.seats[position] = seat;
                displaced.push((position as u32, home));
            }
        }
        // The sentinel stands for the first point.
        let last = self.len();
        self.seats[last] = self.seats[0];
        self.bounded = Some(Bounded { bound, displaced });
        self
    }

    /// The bound that the ring was made with.
    pub fn bound(&self) -> Option<Bound> {
        self.bounded.as_ref().map(|bounded| bounded.bound)
    }

    /// How many arcs belong to another member than their virtual node's.
    pub fn displaced(&self) -> usize {
        let bounded = self.bounded.as_ref();
        bounded.map_or(0, |bounded| bounded.displaced.len())
    }

    /// Gives every arc back to its virtual node's member.
    fn unbind(&mut self) {
        if let Some(bounded) = self.bounded.take() {
            for (position, home) in bounded.displaced {
                self.seats[position as usize] = home;
            }
            let last = self.len();
            self.seats[last] = self.seats[0];
        }
    }

    /// The same ring without a bound, and the bound that it had.
    pub(super) fn unbound(&self) -> (Self, Option<Bound>) {
        let mut ring = self.clone();
        ring.unbind();
        (ring, self.bound())
    }

    /// How long the arc is that each point owns: from the point before it to itself.
    pub(super) fn arcs(&self) -> Vec<u128> {
        if self.len() == 1 {
            return vec![CIRCLE];
        }
        let points = &self.points[..self.len()];
        // The first point's predecessor is the last one, on the other side of zero.
        let mut before = points[points.len() - 1];
        let arc = |point: &u64| {
            let arc = point.wrapping_sub(before);
            before = *point;
            u128::from(arc)
        };
        points.iter().map(arc).collect()
    }

    /// What each member may own.
    fn room(&self, bound: Bound) -> Vec<u128> {
        let weights = || self.members.iter().map(|member| member.weight.get());
        let all: f64 = weights().sum();
        let room = |weight: f64| (bound.get() * weight / all * CIRCLE as f64) as u128;
        weights().map(room).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::placement::{Member, NodeName, RingSettings, Weight};

    fn member(number: usize, weight: f64) -> Member {
        let name = NodeName::new(&format!("node-{number}")).unwrap();
        Member::weighted(name, Weight::new(weight).unwrap())
    }

    fn plain(weights: &[f64]) -> Ring {
        let members = weights.iter().enumerate();
        let members = members.map(|(number, weight)| member(number, *weight));
        Ring::build(members, RingSettings::default()).unwrap()
    }

    fn tight() -> Bound {
        Bound::new(1.125).unwrap()
    }

    /// The largest share of a member of the circle, by its weight.
    fn largest(ring: &Ring) -> f64 {
        let all: f64 = ring.members().iter().map(|it| it.weight.get()).sum();
        let shares = ring.shares().into_iter();
        let relative = shares.map(|(member, share)| share * all / member.weight.get());
        relative.fold(0.0, f64::max)
    }

    /// The largest number of guilds on a node, by its weight, relative to the mean.
    fn fullest(ring: &Ring, guilds: u64) -> f64 {
        let mut counts = vec![0_u64; ring.members().len()];
        for guild in 0..guilds {
            counts[usize::from(ring.seat(guild << 22))] += 1;
        }
        let all: f64 = ring.members().iter().map(|it| it.weight.get()).sum();
        let counts = counts.iter().zip(ring.members());
        let relative =
            counts.map(|(count, it)| *count as f64 * all / (guilds as f64 * it.weight.get()));
        relative.fold(0.0, f64::max)
    }

    fn moved(before: &Ring, after: &Ring, guilds: u64) -> f64 {
        let goes = |guild: &u64| before.owner(guild << 22) != after.owner(guild << 22);
        (0..guilds).filter(goes).count() as f64 / guilds as f64
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_member_owns_more_than_its_bound_and_all_make_the_same_ring(
            weights in vec(prop_oneof![Just(0.5), Just(1.0), Just(2.0)], 1..40),
            c in 1.05_f64..1.5,
        ) {
            let ring = plain(&weights);
            let bound = Bound::new(c).unwrap();
            let bounded = ring.clone().within(bound);
            let longest = ring.arcs().into_iter().max().unwrap() as f64 / CIRCLE as f64;
            if longest * weights.len() as f64 <= c - 1.0 || weights.len() == 1 {
                prop_assert!(largest(&bounded) <= c + 1e-9, "{}", largest(&bounded));
            }
            let whole: f64 = bounded.shares().iter().map(|(_, share)| share).sum();
            prop_assert!((whole - 1.0).abs() < 1e-9);
            // Whatever the order in which members were heard of, and by whichever way.
            let members = weights.iter().enumerate().map(|(at, weight)| member(at, *weight));
            let members: Vec<Member> = members.collect();
            let reversed = members.iter().rev().cloned();
            let again = Ring::build(reversed, RingSettings::default()).unwrap().within(bound);
            prop_assert_eq!(&again, &bounded);
            let joined = bounded.with_member(member(99, 1.0)).unwrap();
            let left = joined.without_member(&member(99, 1.0).name).unwrap();
            prop_assert_eq!(&left, &bounded);
            // A member within the bound keeps all that is its own.
            for (position, home) in (0_usize..).zip(ring.seats[..ring.len()].iter()) {
                let seat = bounded.seats[position];
                prop_assert_eq!(bounded.bounded.as_ref().unwrap().home(position).unwrap_or(seat), *home);
            }
            for guild in 0..200_u64 {
                let location = bounded.position(guild);
                prop_assert_eq!(location, ring.position(guild));
                prop_assert_eq!(bounded.owners(guild, 1).next().unwrap(), bounded.owner(guild));
            }
        }
    }

    /// What a cluster's list of nodes is held to, after each death and each join; the table of `docs/cluster.md`.
    #[test]
    fn guilds_stay_within_a_quarter_above_the_share_after_deaths_and_joins() {
        const GUILDS: u64 = 100_000;
        let mut table = String::new();
        for nodes in [3, 5, 10, 20, 50] {
            let before = plain(&vec![1.0; nodes]);
            let joined = before.with_member(member(nodes, 1.0)).unwrap();
            let bounded = before.clone().within(tight());
            let grown = bounded.with_member(member(nodes, 1.0)).unwrap();
            let fair = 1.0 / (nodes + 1) as f64;
            writeln!(
                table,
                "| {nodes} | {:.2} | {:.2} | {:.2} | {:.2} | {:.1} % |",
                fullest(&before, GUILDS),
                fullest(&bounded, GUILDS),
                moved(&before, &joined, GUILDS) / fair,
                moved(&bounded, &grown, GUILDS) / fair,
                100.0 * moved(&before, &bounded, GUILDS),
            )
            .unwrap();
            assert!(fullest(&grown, GUILDS) <= 1.25);
            for dead in 0..nodes {
                let left = bounded.without_member(&member(dead, 1.0).name).unwrap();
                let found = fullest(&left, GUILDS);
                assert!(found <= 1.25, "{nodes} nodes without {dead}: {found}");
            }
        }
        println!("{table}");
    }

    #[test]
    fn a_join_still_moves_no_more_than_1_2_of_the_joiners_share_on_average() {
        const GUILDS: u64 = 20_000;
        let mut ring = plain(&[1.0]).within(tight());
        let mut relative = Vec::new();
        for number in 1..64 {
            let grown = ring.with_member(member(number, 1.0)).unwrap();
            relative.push(moved(&ring, &grown, GUILDS) * (number + 1) as f64);
            ring = grown;
        }
        let mean = relative.iter().sum::<f64>() / relative.len() as f64;
        let max = relative.iter().copied().fold(0.0, f64::max);
        assert!(mean <= 1.2, "{mean}");
        assert!(max <= 1.6, "{max}");
    }
}
