//! One generation of the whole: ring, pins, and what came before.

use std::sync::Arc;

use super::{Decision, Generation, Member, NodeName, Overrides, Reason, Ring, RingError, Zones};

/// Decides where every guild lives in one generation. Immutable: a change makes the placement of
/// the next generation, which shares what did not change and remembers its predecessor for the
/// hand-over of the guilds that move.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    generation: Generation,
    rules: Rules,
    zones: Arc<Zones>,
    /// The rules of the generation before. Replaced, not chained, at the next change.
    former: Option<Rules>,
}

#[derive(Clone, Debug, PartialEq)]
struct Rules {
    ring: Arc<Ring>,
    overrides: Arc<Overrides>,
    coming: Option<Arc<Coming>>,
}

/// Where guilds go over to another ring, one by one.
#[derive(Clone, Debug, PartialEq)]
struct Coming {
    /// That ring. Guilds can be pinned to its members too.
    ring: Ring,
    /// Members of the present ring that may still have guilds that go. Those of the others have gone.
    waits: Vec<NodeName>,
}

impl Rules {
    fn is_member(&self, node: &NodeName) -> bool {
        let coming = self.coming.as_ref();
        self.ring.contains(node) || coming.is_some_and(|it| it.ring.contains(node))
    }

    #[inline]
    fn ring_owner(&self, guild: u64) -> &NodeName {
        let owner = self.ring.owner(guild);
        match &self.coming {
            Some(coming) if !coming.waits.contains(owner) => coming.ring.owner(guild),
            _ => owner,
        }
    }

    #[inline]
    fn pinned(&self, guild: u64) -> Option<&NodeName> {
        if self.overrides.is_empty() {
            return None;
        }
        let node = self.overrides.get(guild)?;
        self.is_member(node).then_some(node)
    }

    #[inline]
    fn owner(&self, guild: u64) -> &NodeName {
        self.pinned(guild).unwrap_or_else(|| self.ring_owner(guild))
    }
}

impl Placement {
    /// The first placement of a cluster.
    pub fn new(ring: Ring, overrides: Overrides) -> Self {
        Self::at(Generation::FIRST, ring, overrides)
    }

    /// A placement whose generation was numbered elsewhere, without a predecessor.
    pub fn at(generation: Generation, ring: Ring, overrides: Overrides) -> Self {
        Self {
            generation,
            rules: Rules {
                ring: Arc::new(ring),
                overrides: Arc::new(overrides),
                coming: None,
            },
            zones: Arc::default(),
            former: None,
        }
    }

    /// The same with nodes in zones.
    #[must_use]
    pub fn in_zones(mut self, zones: Zones) -> Self {
        self.zones = Arc::new(zones);
        self
    }

    /// The same while guilds go over, one by one, to the `ring` that is coming: those that are there already
    /// are pinned to its members, or belonged to a node that is not among those that `waits` lists.
    #[must_use]
    pub fn towards(mut self, ring: Ring, waits: Vec<NodeName>) -> Self {
        self.rules.coming = Some(Arc::new(Coming { ring, waits }));
        self
    }

    /// The next generation, with another ring.
    #[must_use]
    pub fn with_ring(&self, ring: Ring) -> Self {
        self.next(Rules {
            ring: Arc::new(ring),
            overrides: Arc::clone(&self.rules.overrides),
            coming: None,
        })
    }

    /// The next generation, with other pins.
    #[must_use]
    pub fn with_overrides(&self, overrides: Overrides) -> Self {
        self.next(Rules {
            ring: Arc::clone(&self.rules.ring),
            overrides: Arc::new(overrides),
            coming: self.rules.coming.clone(),
        })
    }

    /// The next generation, with one member more.
    pub fn join(&self, member: Member) -> Result<Self, RingError> {
        Ok(self.with_ring(self.rules.ring.with_member(member)?))
    }

    /// The next generation, with one member less. Pins to it lose their effect.
    pub fn leave(&self, node: &NodeName) -> Result<Self, RingError> {
        Ok(self.with_ring(self.rules.ring.without_member(node)?))
    }

    fn next(&self, rules: Rules) -> Self {
        Self {
            generation: self.generation.next(),
            rules,
            zones: Arc::clone(&self.zones),
            former: Some(self.rules.clone()),
        }
    }

    /// The node that owns a guild. This is the look-up on every message's path.
    #[inline]
    pub fn owner(&self, guild: u64) -> &NodeName {
        self.rules.owner(guild)
    }

    /// The same as an index into the members of [`Placement::ring`].
    pub fn seat(&self, guild: u64) -> u16 {
        let ring = &*self.rules.ring;
        let pinned = self.rules.pinned(guild);
        let seat = pinned.and_then(|node| ring.seat_of(node).ok());
        seat.map_or_else(|| ring.seat(guild), |seat| seat as u16)
    }

    /// The node that owned a guild in the former generation, when that was another one. It may
    /// have left the cluster since.
    pub fn moved_from(&self, guild: u64) -> Option<&NodeName> {
        let before = self.former.as_ref()?.owner(guild);
        (before != self.owner(guild)).then_some(before)
    }

    /// Everything there is to say about a guild's place.
    pub fn place(&self, guild: u64) -> Decision<'_> {
        let ring = &*self.rules.ring;
        let pinned = self.rules.pinned(guild);
        let wanted = ring.settings().owners.min(ring.members().len());
        let node = self.owner(guild);
        let others = ring.owners(guild, ring.members().len());
        let others = others.filter(|&owner| owner != node);
        let owners = self
            .zones
            .spread(std::iter::once(node).chain(others), wanted);
        Decision {
            guild,
            node,
            reason: if pinned.is_some() {
                Reason::Override
            } else {
                Reason::Ring
            },
            ignored_override: self.rules.overrides.get(guild).filter(|_| pinned.is_none()),
            location: ring.position(guild),
            owners,
            moved_from: self.moved_from(guild),
            generation: self.generation,
        }
    }

    /// The pins without effect, because they name nodes that are not members; in no particular
    /// order.
    pub fn ignored_overrides(&self) -> impl Iterator<Item = (u64, &NodeName)> {
        self.rules
            .overrides
            .iter()
            .filter(|(_, node)| !self.rules.is_member(node))
    }

    /// This placement's number.
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// The ring in force.
    pub fn ring(&self) -> &Ring {
        &self.rules.ring
    }

    /// The ring that guilds go over to, where they do.
    pub fn coming(&self) -> Option<&Ring> {
        self.rules.coming.as_ref().map(|coming| &coming.ring)
    }

    /// The ring of the former generation.
    pub fn former_ring(&self) -> Option<&Ring> {
        self.former.as_ref().map(|former| &*former.ring)
    }

    /// Which node is in which zone.
    pub fn zones(&self) -> &Zones {
        &self.zones
    }

    /// The pins in force.
    pub fn overrides(&self) -> &Overrides {
        &self.rules.overrides
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::RingSettings;

    fn name(name: &str) -> NodeName {
        NodeName::new(name).unwrap()
    }

    fn three() -> Placement {
        let members = ["node-1", "node-2", "node-3"].map(|n| Member::new(name(n)));
        let ring = Ring::build(members, RingSettings::default()).unwrap();
        Placement::new(ring, Overrides::new())
    }

    fn pin(guild: u64, node: &str) -> Overrides {
        let mut overrides = Overrides::new();
        overrides.pin(guild, name(node)).unwrap();
        overrides
    }

    #[test]
    fn each_change_takes_the_next_generation_and_keeps_only_the_one_before() {
        let first = three();
        assert_eq!(first.generation(), Generation(1));
        assert_eq!(first.former_ring(), None);

        let joined = first.join(Member::new(name("node-4"))).unwrap();
        assert_eq!(joined.generation(), Generation(2));
        assert_eq!(joined.former_ring(), Some(first.ring()));

        let left = joined.leave(&name("node-1")).unwrap();
        assert_eq!(left.generation(), Generation(3));
        assert_eq!(left.former_ring(), Some(joined.ring()));

        let pinned = left.with_overrides(pin(1, "node-2"));
        assert_eq!(pinned.generation(), Generation(4));
        assert_eq!(pinned.former_ring(), Some(left.ring()));

        let numbered = Placement::at(Generation(9), pinned.ring().clone(), Overrides::new());
        assert_eq!(numbered.former_ring(), None);
        assert_eq!(
            numbered.with_overrides(Overrides::new()).generation(),
            Generation(10)
        );
    }

    #[test]
    fn a_refused_change_leaves_no_new_generation() {
        let first = three();
        assert!(first.join(Member::new(name("node-1"))).is_err());
        assert!(first.leave(&name("node-9")).is_err());
    }

    #[test]
    fn a_pin_wins_over_the_ring_and_heads_the_owners() {
        let first = three();
        let guild = 42;
        let other = first.ring().owners(guild, 3).nth(2).unwrap().clone();
        let pinned = first.with_overrides(pin(guild, other.as_str()));

        let decision = pinned.place(guild);
        assert_eq!(decision.node, &other);
        assert_eq!(decision.reason, Reason::Override);
        assert_eq!(decision.ignored_override, None);
        assert_eq!(decision.moved_from, Some(first.owner(guild)));
        assert_eq!(decision.location, first.place(guild).location);
        let ring: Vec<_> = first.ring().owners(guild, 2).collect();
        assert_eq!(decision.owners.as_slice(), [&other, ring[0], ring[1]]);
        assert_eq!(pinned.owner(guild), &other);
        assert_eq!(pinned.ignored_overrides().count(), 0);
    }

    #[test]
    fn a_guilds_owners_lie_in_distinct_zones_also_where_it_is_pinned() {
        let members = (1..=6).map(|n| Member::new(name(&format!("node-{n}"))));
        let ring = Ring::build(members, RingSettings::default()).unwrap();
        let mut zones = Zones::new();
        for n in 1..=6 {
            zones.put(name(&format!("node-{n}")), format!("zone-{}", n % 3).into());
        }
        let placement = Placement::new(ring, pin(7, "node-5")).in_zones(zones);
        for guild in 0..200 {
            let decision = placement.place(guild);
            assert_eq!(decision.owners[0], decision.node);
            let zone = |node: &&NodeName| placement.zones().of(node).unwrap().to_owned();
            let zones: std::collections::HashSet<String> =
                decision.owners.iter().map(zone).collect();
            assert_eq!(zones.len(), 3, "{:?}", decision.owners);
            // Who is named second has it when the first one's zone is lost.
            let lost = placement.zones().of(decision.node).unwrap();
            let gone = |node: &NodeName| placement.zones().of(node) == Some(lost);
            let members = placement.ring().members().iter().map(|it| it.name.clone());
            let mut left = placement.clone();
            for node in members.filter(|node| gone(node)) {
                left = left.leave(&node).unwrap();
            }
            assert_eq!(left.owner(guild), decision.owners[1]);
        }
        assert_eq!(placement.place(7).node, &name("node-5"));
        let joined = placement.join(Member::new(name("node-7"))).unwrap();
        assert_eq!(joined.zones(), placement.zones());
    }

    #[test]
    fn a_pin_to_a_stranger_is_ignored_and_reported_until_it_joins() {
        let guild = 42;
        let stranger = name("node-9");
        let placement = three().with_overrides(pin(guild, "node-9"));
        let decision = placement.place(guild);
        assert_eq!(decision.node, placement.ring().owner(guild));
        assert_eq!(decision.reason, Reason::Ring);
        assert_eq!(decision.ignored_override, Some(&stranger));
        assert_eq!(placement.place(43).ignored_override, None);
        let ignored: Vec<_> = placement.ignored_overrides().collect();
        assert_eq!(ignored, [(guild, &stranger)]);

        let joined = placement.join(Member::new(stranger.clone())).unwrap();
        assert_eq!(joined.owner(guild), &stranger);
        assert_eq!(joined.place(guild).reason, Reason::Override);
        assert_eq!(joined.ignored_overrides().count(), 0);
    }

    #[test]
    fn while_guilds_go_over_to_another_ring_those_that_went_are_there_and_the_others_are_not() {
        let former = three();
        let coming = former.join(Member::new(name("node-4"))).unwrap();
        let goes = |guild: &u64| former.owner(*guild) != coming.owner(*guild);
        let going: Vec<u64> = (0..1_000).filter(goes).take(2).collect();
        let placement = Placement::at(
            Generation(7),
            former.ring().clone(),
            pin(going[0], "node-4"),
        )
        .towards(coming.ring().clone(), vec![former.owner(going[1]).clone()]);
        assert_eq!(placement.owner(going[0]), &name("node-4"));
        assert_eq!(placement.owner(going[1]), former.owner(going[1]));
        assert_eq!(placement.ignored_overrides().count(), 0);
        let settled = placement.clone().towards(coming.ring().clone(), vec![]);
        assert_eq!(settled.owner(going[1]), &name("node-4"));
        let stranger = placement.with_overrides(pin(going[1], "node-9"));
        assert_eq!(stranger.owner(going[1]), former.owner(going[1]));
    }

    #[test]
    fn moved_from_names_the_former_owner_even_after_it_left() {
        let before = three();
        let after = before.leave(&name("node-2")).unwrap();
        for guild in 0..1_000 {
            let was = before.owner(guild);
            let moved = (was.as_str() == "node-2").then_some(was);
            assert_eq!(after.moved_from(guild), moved);
            assert_eq!(after.place(guild).moved_from, moved);
        }
    }
}
