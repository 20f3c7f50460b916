use super::*;
use crate::placement::Weight;

fn name(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

fn member(node: &str) -> Member {
    Member::new(name(node))
}

fn ring(nodes: &[&str]) -> Ring {
    Ring::build(nodes.iter().map(|n| member(n)), RingSettings::default()).unwrap()
}

/// A ring with chosen points, to reach the edges of the circle that hashes hardly ever do.
fn laid_out(points: &[(u64, u16)]) -> Ring {
    let members = ["a", "b", "c"].map(member).to_vec();
    let settings = RingSettings::default();
    Ring::assemble(settings, members, points.iter().copied(), points.len())
}

#[test]
fn the_first_point_at_or_after_the_hash_owns_it_and_the_circle_closes() {
    let ring = laid_out(&[(10, 0), (20, 1), (u64::MAX - 5, 2)]);
    for (hash, owner) in [
        (0, "a"),
        (10, "a"),
        (11, "b"),
        (20, "b"),
        (21, "c"),
        (1 << 63, "c"),
        (u64::MAX - 5, "c"),
        (u64::MAX - 4, "a"),
        (u64::MAX, "a"),
    ] {
        let found = ring.name_at(ring.search(hash));
        assert_eq!(found.as_str(), owner, "hash {hash}");
    }
}

#[test]
fn a_point_at_the_very_end_of_the_circle_is_not_taken_for_its_closing() {
    let ring = laid_out(&[(10, 0), (u64::MAX, 1), (u64::MAX, 2)]);
    assert_eq!(ring.name_at(ring.search(u64::MAX)).as_str(), "b");
    let walk: Vec<_> = Owners::new(&ring, ring.search(u64::MAX), 3)
        .map(NodeName::as_str)
        .collect();
    assert_eq!(walk, ["b", "c", "a"]);
}

#[test]
fn of_equal_points_the_node_whose_name_comes_first_owns() {
    let tied = laid_out(&[(10, 1), (10, 2), (30, 0)]);
    assert_eq!(tied.name_at(tied.search(10)).as_str(), "b");
    // The order that build and merge give equal points.
    let merged: Vec<_> = merge([(10, 2), (30, 0)].into_iter(), [(10, 1)].into_iter()).collect();
    assert_eq!(merged, [(10, 1), (10, 2), (30, 0)]);
    let mut sorted = vec![(30, 0), (10, 2), (10, 1)];
    sorted.sort_unstable();
    assert_eq!(sorted, merged);
}

#[test]
fn the_walk_goes_round_and_names_everybody_once() {
    let ring = laid_out(&[(10, 0), (20, 0), (30, 1), (40, 0), (50, 2)]);
    let walk = |hash: u64, n: usize| -> Vec<_> {
        Owners::new(&ring, ring.search(hash), n)
            .map(NodeName::as_str)
            .collect()
    };
    assert_eq!(walk(0, 9), ["a", "b", "c"]);
    assert_eq!(walk(45, 9), ["c", "a", "b"]);
    assert_eq!(walk(60, 2), ["a", "b"]);
    assert_eq!(walk(60, 0), [""; 0]);
    assert_eq!(ring.owners(1, 9).len(), 3);
}

#[test]
fn one_virtual_node_owns_the_whole_circle() {
    let settings = RingSettings {
        virtual_nodes: 1,
        owners: 1,
    };
    let ring = Ring::build([member("only")], settings).unwrap();
    assert_eq!(ring.len(), 1);
    for guild in [0, 1, u64::MAX] {
        assert_eq!(ring.owner(guild).as_str(), "only");
        assert_eq!(ring.position(guild).index, 0);
    }
    assert_eq!(ring.shares()[0].1.to_bits(), 1.0_f64.to_bits());
}

#[test]
fn shares_are_the_arcs_before_the_points() {
    let quarter = 1 << 62;
    let ring = laid_out(&[(quarter, 0), (2 * quarter, 1), (3 * quarter, 2)]);
    let shares: Vec<_> = ring.shares().into_iter().map(|(_, share)| share).collect();
    assert_eq!(shares, [0.5, 0.25, 0.25]);
}

#[test]
fn a_position_names_hash_point_index_and_replica() {
    let ring = ring(&["node-1", "node-2", "node-3"]);
    for guild in 0..1_000_u64 {
        let location = ring.position(guild);
        assert_eq!(location.hash, guild_hash(guild));
        assert_eq!(location.point, ring.points[location.index as usize]);
        let point = PointHasher::new(ring.owner(guild)).point(location.replica);
        assert_eq!(point, location.point);
        let before = ring.points[(location.index as usize + ring.len() - 1) % ring.len()];
        let distance = |from: u64| location.point.wrapping_sub(from);
        assert!(distance(location.hash) < distance(before));
    }
}

#[test]
fn refuses_what_makes_no_ring() {
    let build = |members: &[&str], settings| {
        Ring::build(members.iter().map(|n| member(n)), settings).unwrap_err()
    };
    let good = RingSettings::default();
    assert_eq!(build(&[], good), RingError::NoMembers);
    assert_eq!(
        build(&["b", "a", "b"], good),
        RingError::DuplicateMember { name: name("b") }
    );
    for found in [0, 10_001] {
        let settings = RingSettings {
            virtual_nodes: found,
            ..good
        };
        assert_eq!(build(&["a"], settings), RingError::VirtualNodes { found });
    }
    let settings = RingSettings { owners: 0, ..good };
    assert_eq!(build(&["a"], settings), RingError::NoOwners);

    let many = (0..4_097).map(|i| member(&format!("n{i}")));
    let found = Ring::build(many, good).unwrap_err();
    assert_eq!(found, RingError::TooManyMembers { found: 4_097 });
    let heavy = Weight::new(100.0).unwrap();
    let many = (0..280).map(|i| Member::weighted(name(&format!("n{i}")), heavy));
    let found = Ring::build(many, good).unwrap_err();
    assert_eq!(found, RingError::TooManyPoints { found: 4_200_000 });
}

#[test]
fn refuses_to_add_a_member_twice_or_to_remove_a_stranger_or_the_last() {
    let two = ring(&["a", "b"]);
    let again = two.with_member(member("b")).unwrap_err();
    assert_eq!(again, RingError::DuplicateMember { name: name("b") });
    let stranger = two.without_member(&name("c")).unwrap_err();
    assert_eq!(stranger, RingError::UnknownMember { name: name("c") });
    let one = two.without_member(&name("a")).unwrap();
    let last = one.without_member(&name("b")).unwrap_err();
    assert_eq!(last, RingError::NoMembers);
}
