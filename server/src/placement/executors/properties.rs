//! What the balancer promises, for arbitrary loads. What it must never do whatever the input is checked
//! at each decision by the simulation: no move to or from a thread that is stuck, no guild that is
//! moved again before it has settled, no more threads of their own than allowed, no more than so
//! many moves a minute.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::simulation::Node;
use super::{BalanceSettings, Balancer, Decision};

const SECOND: Duration = Duration::from_secs(1);
/// As much as the guild wants, always.
const STEADY: fn(u64, usize) -> f64 = |_, _| 1.0;

fn settings(max_dedicated: usize) -> BalanceSettings {
    BalanceSettings {
        max_dedicated,
        ..BalanceSettings::default()
    }
}

/// Guilds by the thread that they begin on and what they want of it; many begin on the first one.
fn guilds(largest: f64) -> impl Strategy<Value = Vec<(usize, f64)>> {
    let thread = prop_oneof![Just(0_usize), 0_usize..8];
    let wants = prop_oneof![0.0..0.05, 0.0..largest];
    vec((thread, wants), 1..40)
}

/// Random numbers without a generator to carry along: the same for the same seed.
fn noise(seed: u64, second: u64, guild: usize) -> f64 {
    let mut x = seed ^ (second << 20) ^ guild as u64;
    for _ in 0..3 {
        x ^= x >> 33;
        x = x.wrapping_mul(0xff51_afd7_ed55_8ccd);
    }
    (x >> 11) as f64 / (1_u64 << 53) as f64
}

fn run(node: &mut Node, seconds: u64, noise: impl Fn(u64, usize) -> f64) {
    for second in 0..seconds {
        node.second(|guild| noise(second, guild));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// With the same loads all the time it comes to an end, and a good one.
    #[test]
    fn steady_loads_are_evened_out_and_then_left_alone(
        threads in 1_usize..7,
        wants in guilds(0.8),
        dedicated in 0_usize..4,
    ) {
        let mut node = Node::new(settings(dedicated), threads, &wants);
        run(&mut node, 600, STEADY);
        let then = node.now;
        run(&mut node, 300, STEADY);
        prop_assert_eq!(node.after(then), 0, "{:?}", node.history);
        prop_assert!(node.is_even());
    }

    /// Loads that go up and down by 80 % from second to second are not followed to and fro.
    #[test]
    fn i9_noise_does_not_make_guilds_flap(
        threads in 1_usize..7,
        wants in guilds(0.4),
        dedicated in 0_usize..3,
        seed: u64,
    ) {
        let mut node = Node::new(settings(dedicated), threads, &wants);
        let jitter = |second, guild| 0.2 + 1.6 * noise(seed, second, guild);
        run(&mut node, 300, jitter);
        let then = node.now;
        run(&mut node, 600, |second, guild| jitter(300 + second, guild));
        let soonest = node.soonest_return();
        prop_assert!(soonest >= Some(60 * SECOND) || soonest.is_none(), "{:?}", node.history);
        // Now and then a few that are near a threshold.
        let late = node.after(then);
        prop_assert!(late <= 15, "{late} moves in ten minutes: {:?}", node.history);
    }

    /// Loads that change for good every minute, threads that get stuck, moves that fail, guilds placed
    /// by hand: the bounds hold.
    #[test]
    fn the_bounds_hold_whatever_happens(
        threads in 1_usize..7,
        wants in guilds(1.5),
        dedicated in 0_usize..4,
        by_hand in vec(any::<bool>(), 40),
        stuck in vec((0_u64..600, 0_usize..8, 5_u64..100), 0..4),
        fails in prop_oneof![Just(None), (1_usize..5).prop_map(Some)],
        seed: u64,
    ) {
        let mut node = Node::new(settings(dedicated), threads, &wants);
        node.fails_every = fails;
        for (guild, by_hand) in node.guilds.iter_mut().zip(by_hand) {
            guild.by_hand = by_hand;
        }
        for second in 0..600 {
            let is_now = |&&(at, _, long): &&(u64, usize, u64)| (at..at + long).contains(&second);
            node.stuck = stuck.iter().filter(is_now).map(|it| it.1).collect();
            node.second(|guild| 2.0 * noise(seed, second / 60, guild));
        }
    }

    #[test]
    fn i9_decisions_are_a_function_of_their_input_in_any_order(
        wants in guilds(1.0),
        rotation in 0_usize..40,
        seed: u64,
    ) {
        let mut node = Node::new(settings(2), 4, &wants);
        let mut again = [0, 1].map(|_| Balancer::new(settings(2)));
        for second in 0..60 {
            node.second(|guild| 2.0 * noise(seed, second / 20, guild));
            let (mut threads, mut tenants) = node.input();
            let one = again[0].decide(node.now, &threads, &tenants);
            threads.reverse();
            let count = tenants.len();
            tenants.rotate_left(rotation % count);
            prop_assert_eq!(one, again[1].decide(node.now, &threads, &tenants));
        }
    }
}

fn names(node: &Node) -> Vec<&'static str> {
    node.history.iter().map(|(_, it)| it.name()).collect()
}

#[test]
fn guilds_that_begin_on_one_thread_are_spread() {
    let wants: Vec<_> = (0..12).map(|_| (0, 0.07)).collect();
    let mut node = Node::new(settings(0), 4, &wants);
    run(&mut node, 120, STEADY);
    let (threads, _) = node.input();
    let most = threads.iter().map(|it| it.guilds).max();
    let least = threads.iter().map(|it| it.guilds).min();
    assert!(most <= Some(5) && least >= Some(2), "{threads:?}");
}

#[test]
fn a_little_load_is_left_where_it_is() {
    let wants: Vec<_> = (0..4).map(|_| (0, 0.02)).collect();
    let mut node = Node::new(settings(1), 4, &wants);
    run(&mut node, 120, STEADY);
    assert_eq!(names(&node), [""; 0]);
}

#[test]
fn a_hot_guild_is_promoted_after_its_dwell_and_demoted_after_its_quiet() {
    let mut node = Node::new(settings(1), 2, &[(0, 0.9), (0, 0.05), (1, 0.05)]);
    let began = node.now;
    run(&mut node, 60, STEADY);
    assert_eq!(names(&node), ["promote"]);
    let (at, decision) = node.history[0];
    assert!(
        (5..15).contains(&at.saturating_sub(began).as_secs()),
        "{at:?}"
    );
    assert!(
        matches!(decision, Decision::Promote { guild: 0, from: 0, share, delay }
        if share >= 0.5 && delay >= Duration::from_millis(5))
    );
    node.guilds[0].wants = 0.1;
    let quiet = node.now;
    run(&mut node, 120, STEADY);
    assert_eq!(names(&node), ["promote", "demote"]);
    let (at, _) = node.history[1];
    assert!(
        (30..45).contains(&at.saturating_sub(quiet).as_secs()),
        "{at:?}"
    );
}

#[test]
fn a_spike_shorter_than_the_dwell_promotes_nobody() {
    let mut node = Node::new(settings(1), 1, &[(0, 1.0), (0, 0.05)]);
    run(
        &mut node,
        600,
        |second, _| {
            if second % 20 < 4 { 1.0 } else { 0.05 }
        },
    );
    assert_eq!(names(&node), [""; 0]);
}

#[test]
fn a_busy_guild_for_which_nobody_waits_stays() {
    // Its thread is at 0.6, and crowded only from 0.7 on.
    let mut node = Node::new(settings(1), 1, &[(0, 0.55), (0, 0.05)]);
    run(&mut node, 60, STEADY);
    assert_eq!(names(&node), [""; 0]);
}

#[test]
fn between_both_thresholds_a_guild_stays_where_it_is() {
    let mut node = Node::new(settings(1), 1, &[(0, 0.9), (0, 0.05)]);
    run(&mut node, 60, STEADY);
    for _ in 0..10 {
        node.guilds[0].wants = 0.3;
        run(&mut node, 60, STEADY);
        node.guilds[0].wants = 0.8;
        run(&mut node, 60, STEADY);
    }
    assert_eq!(names(&node), ["promote"]);
}

#[test]
fn what_was_placed_by_hand_stays() {
    let mut node = Node::new(settings(1), 2, &[(0, 0.9), (0, 0.2), (0, 0.2)]);
    node.guilds[0].by_hand = true;
    run(&mut node, 5, STEADY);
    // By hand to a thread of its own: it is quiet from the start and not brought back.
    node.guilds[0].thread = 2;
    node.guilds[0].wants = 0.0;
    run(&mut node, 600, STEADY);
    assert!(node.history.iter().all(|(_, it)| it.guild() != 0));
    assert_eq!(node.guilds[0].thread, 2);
}

#[test]
fn a_guild_that_somebody_else_moved_settles_first() {
    let wants: Vec<_> = (0..10).map(|_| (1, 0.06)).collect();
    let mut node = Node::new(settings(0), 2, &wants);
    for guild in &mut node.guilds {
        guild.by_hand = true;
    }
    run(&mut node, 30, STEADY);
    for guild in &mut node.guilds {
        guild.thread = 0;
        guild.by_hand = false;
    }
    let then = node.now;
    run(&mut node, 60, STEADY);
    let first = node.history.first().map(|(at, _)| at.saturating_sub(then));
    assert!(first >= Some(30 * SECOND), "{first:?}");
}
