//! The consistent-hash ring: which member owns which stretch of the 64-bit circle.
//!
//! All points lie in one sorted array, beside it the seat (the member's number) of each. A bucket
//! index on the top bits of the hash says where in the array to begin, so a look-up reads a few
//! cache lines whatever the number of points. A ring is immutable; a change of members merges or
//! filters the sorted arrays of the old one into a new one.

mod bound;
mod index;
mod owners;
mod settings;

use std::cmp::Ordering;

use bound::Bounded;
use index::BucketIndex;
pub use owners::Owners;
pub use settings::{RingError, RingSettings};

use super::{Member, NodeName, guild_hash, hashing::PointHasher};

/// An immutable ring of at least one member.
///
/// *Order does not matter:* members are seated in the order of their names, and of two virtual
/// nodes on the same point the one whose node's name comes first owns it, so the same members and
/// settings always make the same ring.
#[derive(Clone, Debug, PartialEq)]
pub struct Ring {
    settings: RingSettings,
    /// In the order of their names; a seat is an index into this.
    members: Vec<Member>,
    /// Sorted, and at the end one entry `u64::MAX` that is no virtual node: it stops every search
    /// and stands for the first point, where the circle closes.
    points: Vec<u64>,
    /// The seat each point belongs to; the last entry repeats the first.
    seats: Vec<u16>,
    index: BucketIndex,
    /// Where no member may own more than so much.
    bounded: Option<Bounded>,
}

/// A guild's place on the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// The hash of the guild's id.
    pub hash: u64,
    /// The first point at or after the hash, going round: the virtual node that owns the guild.
    pub point: u64,
    /// The number of that point in the order of the circle, from 0.
    pub index: u32,
    /// Whose virtual node it is, as an index into [`Ring::members`]: the owner, but on a ring with a
    /// [bound](Ring::within).
    pub seat: u16,
    /// Which of that node's virtual nodes it is, from 0.
    pub replica: u32,
}

impl Ring {
    /// Builds a ring. Fails without members, with two of one name, with settings out of range, or
    /// above [`RingSettings::MAX_MEMBERS`] members or [`RingSettings::MAX_POINTS`] virtual nodes.
    pub fn build(
        members: impl IntoIterator<Item = Member>,
        settings: RingSettings,
    ) -> Result<Self, RingError> {
        let mut members: Vec<_> = members.into_iter().collect();
        members.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        if let Some(pair) = members.windows(2).find(|pair| pair[0].name == pair[1].name) {
            return Err(RingError::DuplicateMember {
                name: pair[0].name.clone(),
            });
        }
        let total = settings.check(&members)?;
        let mut run = Vec::with_capacity(total);
        for (seat, member) in (0_u16..).zip(&members) {
            run.extend(virtual_nodes(member, seat, settings));
        }
        run.sort_unstable();
        Ok(Self::assemble(settings, members, run.into_iter(), total))
    }

    /// This ring with one member more: its points are merged into the sorted ones. Fails like
    /// [`Ring::build`].
    pub fn with_member(&self, member: Member) -> Result<Self, RingError> {
        if self.bounded.is_some() {
            let (ring, bound) = self.unbound();
            return Ok(ring.with_member(member)?.bound_again(bound));
        }
        let Err(seat) = self.seat_of(&member.name) else {
            return Err(RingError::DuplicateMember { name: member.name });
        };
        let mut members = self.members.clone();
        members.insert(seat, member);
        let total = self.settings.check(&members)?;

        let seat = seat as u16;
        let mut joining: Vec<_> =
            virtual_nodes(&members[usize::from(seat)], seat, self.settings).collect();
        joining.sort_unstable();
        // The seats behind the new one move up by one, which keeps their order.
        let seated = self
            .points()
            .map(|(point, old)| (point, old + u16::from(old >= seat)));
        let merged = merge(seated, joining.into_iter());
        Ok(Self::assemble(self.settings, members, merged, total))
    }

    /// This ring with one member less. Fails when the node is not a member or is the last one.
    pub fn without_member(&self, node: &NodeName) -> Result<Self, RingError> {
        if self.bounded.is_some() {
            let (ring, bound) = self.unbound();
            return Ok(ring.without_member(node)?.bound_again(bound));
        }
        let Ok(seat) = self.seat_of(node) else {
            return Err(RingError::UnknownMember { name: node.clone() });
        };
        let mut members = self.members.clone();
        members.remove(seat);
        let total = self.settings.check(&members)?;

        let seat = seat as u16;
        let staying = self
            .points()
            .filter(|&(_, old)| old != seat)
            .map(|(point, old)| (point, old - u16::from(old > seat)));
        Ok(Self::assemble(self.settings, members, staying, total))
    }

    fn bound_again(self, bound: Option<super::Bound>) -> Self {
        match bound {
            Some(bound) => self.within(bound),
            None => self,
        }
    }

    /// Lays out the arrays from sorted `(point, seat)` pairs, `total` of them.
    fn assemble(
        settings: RingSettings,
        members: Vec<Member>,
        sorted: impl Iterator<Item = (u64, u16)>,
        total: usize,
    ) -> Self {
        let mut points = Vec::with_capacity(total + 1);
        let mut seats = Vec::with_capacity(total + 1);
        for (point, seat) in sorted {
            points.push(point);
            seats.push(seat);
        }
        debug_assert_eq!(points.len(), total);
        let index = BucketIndex::new(&points);
        points.push(u64::MAX);
        seats.push(seats[0]);
        Self {
            settings,
            members,
            points,
            seats,
            index,
            bounded: None,
        }
    }

    /// The virtual nodes' points in the order of the circle, each with the number in [`members`](Self::members) of who
    /// owns what lies before it.
    pub fn points(&self) -> impl Iterator<Item = (u64, u16)> {
        // Without the sentinel.
        let points = self.points[..self.len()].iter().copied();
        points.zip(self.seats.iter().copied())
    }

    /// The position in `points` of the first point at or after the hash; may be the sentinel's.
    #[inline]
    fn search(&self, hash: u64) -> usize {
        let mut at = self.index.start(hash);
        // Ends at the sentinel at the latest. Buckets are at least as many as points, so the
        // expected number of steps is below one.
        while self.points[at] < hash {
            at += 1;
        }
        at
    }

    /// The index of a node in [`Ring::members`], or where it would be.
    pub fn seat_of(&self, node: &NodeName) -> Result<usize, usize> {
        self.members
            .binary_search_by(|member| member.name.cmp(node))
    }

    #[inline]
    fn name_at(&self, position: usize) -> &NodeName {
        &self.members[usize::from(self.seats[position])].name
    }

    /// The node that owns a guild.
    #[inline]
    pub fn owner(&self, guild: u64) -> &NodeName {
        self.name_at(self.search(guild_hash(guild)))
    }

    /// The node that owns a guild, as an index into [`Ring::members`].
    #[inline]
    pub fn seat(&self, guild: u64) -> u16 {
        self.seats[self.search(guild_hash(guild))]
    }

    /// The seats of the virtual nodes from the guild's hash on, once round the circle. A seat comes as often as its
    /// node has virtual nodes; the first one owns the guild.
    pub fn walk(&self, guild: u64) -> impl Iterator<Item = u16> + '_ {
        let start = self.search(guild_hash(guild)) % self.len();
        let seats = &self.seats[..self.len()];
        seats[start..].iter().chain(&seats[..start]).copied()
    }

    /// Bytes that the points, their seats and the index take.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.points) + size_of_val(&*self.seats) + self.index.bytes()
    }

    /// The first `n` distinct nodes from the guild's hash on, going round: the owner, then who
    /// would own it without the owner, and so on. All members when there are fewer than `n`.
    /// Allocates nothing for `n` up to 4.
    #[inline]
    pub fn owners(&self, guild: u64, n: usize) -> Owners<'_> {
        Owners::new(self, self.search(guild_hash(guild)), n)
    }

    /// The guild's place on the ring.
    pub fn position(&self, guild: u64) -> Location {
        let hash = guild_hash(guild);
        let position = self.search(hash) % self.len();
        let point = self.points[position];
        let bounded = self.bounded.as_ref();
        let home = bounded.and_then(|bounded| bounded.home(position));
        let seat = home.unwrap_or(self.seats[position]);
        let member = &self.members[usize::from(seat)];
        let mut hasher = PointHasher::new(&member.name);
        let replica = (0..member.weight.points(self.settings.virtual_nodes))
            .find(|&replica| hasher.point(replica) == point)
            .expect("invariant: each point is the hash of one of its member's virtual nodes");
        Location {
            hash,
            point,
            index: position as u32,
            seat,
            replica,
        }
    }

    /// Each member with the share of the circle it owns; the shares add up to 1. In the order of
    /// the names.
    pub fn shares(&self) -> Vec<(&Member, f64)> {
        let mut owned = vec![0_u128; self.members.len()];
        for (arc, seat) in self.arcs().into_iter().zip(&self.seats) {
            owned[usize::from(*seat)] += arc;
        }
        let share = |arc: u128| arc as f64 / 2_f64.powi(64);
        self.members
            .iter()
            .zip(owned.into_iter().map(share))
            .collect()
    }

    /// Whether a node is a member.
    #[inline]
    pub fn contains(&self, node: &NodeName) -> bool {
        self.seat_of(node).is_ok()
    }

    /// The members, in the order of their names.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// What the ring was built with.
    pub const fn settings(&self) -> RingSettings {
        self.settings
    }

    /// The number of virtual nodes on the ring: at least 1.
    #[expect(clippy::len_without_is_empty, reason = "a ring is never empty")]
    pub fn len(&self) -> usize {
        self.points.len() - 1
    }
}

fn virtual_nodes(
    member: &Member,
    seat: u16,
    settings: RingSettings,
) -> impl Iterator<Item = (u64, u16)> {
    let mut hasher = PointHasher::new(&member.name);
    (0..member.weight.points(settings.virtual_nodes))
        .map(move |replica| (hasher.point(replica), seat))
}

/// Merges two sorted runs into one.
fn merge<T: Ord>(
    a: impl Iterator<Item = T>,
    b: impl Iterator<Item = T>,
) -> impl Iterator<Item = T> {
    let (mut a, mut b) = (a.peekable(), b.peekable());
    std::iter::from_fn(move || match (a.peek(), b.peek()) {
        (Some(x), Some(y)) if x.cmp(y) == Ordering::Greater => b.next(),
        (Some(_), _) => a.next(),
        (None, _) => b.next(),
    })
}

#[cfg(test)]
mod tests;
