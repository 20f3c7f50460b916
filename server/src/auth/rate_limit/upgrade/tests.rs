use super::*;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Five at once, then ten per second; waits up to a second; eight wait at most.
fn gate() -> UpgradeGate {
    UpgradeGate::new(UpgradeSettings {
        quota: Quota::new(5, ms(500)).unwrap(),
        longest: ms(1_000),
        max_held: 8,
        networks: 1_000,
    })
}

fn address(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

/// How long an upgrade is held; zero when it passes.
fn delay(admission: &Admission) -> Result<Duration, UpgradeRefusal> {
    match admission {
        Admission::Now => Ok(Duration::ZERO),
        Admission::Hold(held) => Ok(held.delay()),
        Admission::Refuse(reason) => Err(*reason),
    }
}

#[test]
fn a_client_that_tries_again_at_once_is_slowed_to_the_rate_and_never_refused() {
    let gate = gate();
    // One connection at a time, closed as soon as it is let in, for ten seconds.
    let mut now = ms(0);
    let mut tries = 0;
    while now < ms(10_000) {
        let admission = gate.admit(address(1), now);
        now += delay(&admission).unwrap();
        tries += 1;
    }
    assert_eq!(tries, 105);
    assert_eq!(gate.held(), 0);
    assert_eq!(gate.held_in_all(), 100);
}

#[test]
fn upgrades_of_one_network_take_turns_and_others_pass() {
    let gate = gate();
    let admit = |last| gate.admit(address(last), ms(0));
    let waiting: Vec<_> = (0..8).map(|_| admit(1)).collect();
    let delays: Vec<_> = waiting.iter().map(|a| delay(a).unwrap()).collect();
    assert_eq!(
        delays,
        [0, 0, 0, 0, 0, 100, 200, 300].map(ms),
        "each its own turn"
    );
    assert_eq!(gate.held(), 3);
    assert!(matches!(admit(2), Admission::Now));
}

#[test]
fn no_more_are_held_than_the_bound_and_a_place_given_up_is_free() {
    let gate = gate();
    let mut waiting: Vec<_> = (0..13).map(|_| gate.admit(address(1), ms(0))).collect();
    assert_eq!(gate.held(), 8);
    let refused = gate.admit(address(1), ms(0));
    assert_eq!(delay(&refused), Err(UpgradeRefusal::Full));
    assert_eq!(gate.refused(UpgradeRefusal::Full), 1);
    // Who need not wait needs no place.
    assert!(matches!(gate.admit(address(2), ms(0)), Admission::Now));

    waiting.pop();
    assert_eq!(gate.held(), 7);
    // The refused one has not taken a turn; the one that went away has.
    let next = gate.admit(address(1), ms(0));
    assert_eq!(delay(&next), Ok(ms(900)));
    drop((waiting, next));
    assert_eq!(gate.held(), 0);
}

#[test]
fn nobody_is_held_longer_than_the_longest_delay() {
    let settings = UpgradeSettings {
        max_held: 1_000,
        ..gate().settings
    };
    let gate = UpgradeGate::new(settings);
    let waiting: Vec<_> = (0..100).map(|_| gate.admit(address(1), ms(0))).collect();
    let delays: Vec<_> = waiting.iter().map(delay).collect();
    let (let_in, refused) = delays.split_at(15);
    assert_eq!(let_in[14], Ok(ms(1_000)));
    assert!(let_in.iter().all(|d| d.is_ok_and(|d| d <= ms(1_000))));
    assert!(
        refused
            .iter()
            .all(|d| *d == Err(UpgradeRefusal::NetworkFull))
    );
    assert_eq!(gate.held(), 10);
    assert_eq!(gate.refused(UpgradeRefusal::NetworkFull), 85);
}

#[test]
fn the_default_bounds_are_as_documented() {
    let settings = UpgradeSettings::default();
    let gate = UpgradeGate::new(settings);
    let admissions: Vec<_> = (0..3_000).map(|_| gate.admit(address(1), ms(0))).collect();
    let passed = admissions.iter().filter(|a| matches!(a, Admission::Now));
    assert_eq!(passed.count(), 500);
    assert_eq!(gate.held(), 2_000);
    assert_eq!(gate.refused(UpgradeRefusal::NetworkFull), 500);
}
