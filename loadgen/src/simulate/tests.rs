//! What a simulation must show whatever the machine: the ring's and the bound's promises, at a size that a test can wait for.

use clap::Parser as _;

use super::*;
use crate::cli::{Cli, Command};

fn simulated(line: &str) -> Simulated {
    let line = format!("loadgen simulate {line}");
    let Command::Simulate(args) = Cli::try_parse_from(line.split_whitespace())
        .unwrap()
        .command
    else {
        panic!("another command");
    };
    simulate(&args).unwrap()
}

fn step<'a>(simulated: &'a Simulated, name: &str) -> &'a Step {
    let mut steps = simulated.steps.iter();
    steps.find(|step| step.name.contains(name)).unwrap()
}

#[test]
fn a_ring_moves_only_what_a_change_must_move() {
    let simulated = simulated("--nodes 60 --guilds 100000 --zones 3 --pins 100");
    let join = step(&simulated, "join");
    assert_eq!(join.nodes, 61);
    let moved = join.ring_moved.unwrap();
    assert_eq!(moved.between_survivors, 0);
    assert!((0.5 / 61.0..1.6 / 61.0).contains(&moved.share), "{moved:?}");
    let leave = step(&simulated, "leave").ring_moved.unwrap();
    assert_eq!(leave.between_survivors, 0);
    let zone = step(&simulated, "zone");
    assert_eq!(zone.nodes, 40);
    let moved = zone.ring_moved.unwrap();
    assert_eq!(moved.between_survivors, 0);
    assert!((0.28..0.39).contains(&moved.share), "{moved:?}");
    let pins = step(&simulated, "pins");
    assert!(pins.ring_moved.unwrap().guilds <= 100);
    assert!(pins.ring.load < simulated.steps[0].ring.load);
}

#[test]
fn bounded_loads_keep_their_bound_where_no_guild_is_too_heavy() {
    let simulated = simulated("--nodes 50 --guilds 100000 --skew 0.5 --bound 1.1 --pins 0");
    assert!(simulated.heaviest_over_mean < 0.1);
    for step in &simulated.steps {
        assert!(step.bounded.load <= 1.1 + 1e-9, "{step:?}");
        assert_eq!(step.nowhere, 0);
    }
    assert!(simulated.steps[0].ring.load > 1.1);
    assert!(simulated.steps[0].displaced > 0);
}

#[test]
fn zones_heeded_put_every_standby_elsewhere() {
    let simulated = simulated("--nodes 30 --guilds 3000 --zones 3 --pins 0");
    assert!((simulated.standby.in_another_zone_heeded - 1.0).abs() < 1e-9);
    assert!(simulated.standby.in_another_zone < 0.9);
}

#[test]
fn settings_that_do_not_fit_are_refused() {
    for line in [
        "--nodes 3 --zones 4",
        "--skew -1",
        "--bound 1",
        "--pins 70000",
    ] {
        let line = format!("loadgen simulate --guilds 10 {line}");
        let refused = match Cli::try_parse_from(line.split_whitespace()) {
            Ok(Cli {
                command: Command::Simulate(args),
            }) => simulate(&args).is_err(),
            Ok(_) => panic!("another command"),
            Err(_) => true,
        };
        assert!(refused, "{line}");
    }
}
