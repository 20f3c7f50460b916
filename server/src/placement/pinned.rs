//! Values that must never change: a node that computes others would look for guilds where the
//! rest of its cluster does not have them. They were computed with the reference C implementation
//! of XXH3 and a ring written independently of this one.

use super::{Member, NodeName, Ring, RingSettings, guild_hash, hashing::PointHasher};

#[test]
fn guild_hashes_are_pinned() {
    let pinned = [
        (0, 0xc77b_3abb_6f87_acd9),
        (1, 0xf36b_4a1a_44f7_8bf3),
        (2, 0x3e69_4879_7985_511c),
        (42, 0x2e4f_e982_b689_10ac),
        (41_771_983_423_143_937, 0x2d6e_ee16_2947_cc0d),
        (81_384_788_765_712_384, 0xda6d_9373_da77_182a),
        (197_038_439_483_310_086, 0x08d9_dbf4_c381_0173),
        (613_425_648_685_547_541, 0x7e61_bc72_a432_0d4c),
        (1_000_000_000_000_000_001, 0xab25_39b7_4de5_300c),
        (4_611_686_018_427_387_904, 0x8645_fe12_f5c5_9667),
        (1_234_567_890_123_456_789, 0x98a3_a46e_8a70_20c8),
        (2_000_000_000_000_000_001, 0x9ab0_2b8c_b3e8_6ee7),
        (9_223_372_036_854_775_808, 0xb7aa_1c28_d234_f8d6),
        (18_446_744_073_709_551_615, 0x5111_c7e4_7d78_4413),
    ];
    for (guild, hash) in pinned {
        assert_eq!(guild_hash(guild), hash, "guild {guild}");
    }
}

#[test]
fn virtual_node_points_are_pinned() {
    let longest = "x".repeat(64);
    let pinned = [
        ("node-1", 0, 0x8536_1ec1_1c8d_53d0),
        ("node-1", 1, 0x48e9_2660_5849_23b5),
        ("node-1", 149, 0xa1cf_1ea4_37dd_9fac),
        ("node-2", 0, 0x94fe_724e_7b2e_0015),
        ("eu-west_1.pod-0", 7, 0xaf31_6009_af42_2ebf),
        (&longest, u32::MAX, 0xe360_b240_9e01_1566),
    ];
    for (name, replica, point) in pinned {
        let mut hasher = PointHasher::new(&NodeName::new(name).unwrap());
        assert_eq!(hasher.point(replica), point, "{name} {replica}");
    }
}

#[test]
fn owners_in_a_ring_of_three_are_pinned() {
    let members =
        ["node-1", "node-2", "node-3"].map(|name| Member::new(NodeName::new(name).unwrap()));
    let ring = Ring::build(members, RingSettings::default()).unwrap();
    // Guild, owner, point, the point's number on the circle, the owner's virtual node.
    let pinned = [
        (0, "node-1", 0xc798_3448_3b9c_33ef, 341, 99),
        (1, "node-1", 0xf3a8_f5ee_3705_f2dc, 424, 91),
        (2, "node-3", 0x3fd6_2a78_702d_ca0d, 121, 13),
        (42, "node-1", 0x2f2e_d864_341f_9589, 88, 97),
        (
            41_771_983_423_143_937,
            "node-2",
            0x2e14_0da0_7702_ed5a,
            87,
            40,
        ),
        (
            81_384_788_765_712_384,
            "node-1",
            0xdac6_7383_9b7b_2382,
            380,
            87,
        ),
        (
            197_038_439_483_310_086,
            "node-1",
            0x08e4_5d19_13f3_9c1b,
            13,
            10,
        ),
        (
            613_425_648_685_547_541,
            "node-1",
            0x7edc_1be1_28db_6a0e,
            227,
            134,
        ),
        (
            1_000_000_000_000_000_001,
            "node-1",
            0xab51_3163_3997_d426,
            302,
            148,
        ),
        (
            4_611_686_018_427_387_904,
            "node-1",
            0x8882_163d_2ebe_4e98,
            242,
            131,
        ),
        (
            1_234_567_890_123_456_789,
            "node-2",
            0x9934_ae54_8e6e_78ff,
            269,
            21,
        ),
        (
            2_000_000_000_000_000_001,
            "node-3",
            0x9aee_2f17_61dc_94f3,
            270,
            71,
        ),
        (
            9_223_372_036_854_775_808,
            "node-1",
            0xb876_ff8f_428b_43ef,
            324,
            65,
        ),
        (
            18_446_744_073_709_551_615,
            "node-2",
            0x528c_6c4e_26f8_8a94,
            151,
            13,
        ),
    ];
    for (guild, owner, point, index, replica) in pinned {
        assert_eq!(ring.owner(guild).as_str(), owner, "guild {guild}");
        let found = ring.position(guild);
        assert_eq!(
            (found.point, found.index, found.replica),
            (point, index, replica),
            "guild {guild}"
        );
    }
}
