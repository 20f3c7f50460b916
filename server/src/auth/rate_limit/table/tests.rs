use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn keys_do_not_share_a_limit() {
    let table = LimitTable::new(1_000);
    let quota = Quota::per_second(2);
    for _ in 0..2 {
        for key in 0..10 {
            assert!(table.take(&key, quota, ms(0)).1.is_ok());
        }
    }
    for key in 0..10 {
        let (standing, taken) = table.take(&key, quota, ms(0));
        assert_eq!(taken, Err(ms(500)));
        assert_eq!(standing.remaining, 0);
        assert_eq!(standing.reset_after, ms(1_000));
    }
}

#[test]
fn idle_keys_free_their_slots_by_themselves() {
    let table = LimitTable::new(1_000);
    let quota = Quota::per_second(1);
    let capacity = table.capacity() as u64;
    // A hundred times as many keys as there is room for, each idle before the next ones come.
    for round in 0..100 {
        let now = ms(round * 2_000);
        assert_eq!(table.active(now), 0);
        for key in 0..capacity / 32 {
            assert!(table.take(&(round, key), quota, now).1.is_ok());
        }
        assert_eq!(table.active(now) as u64, capacity / 32);
    }
    assert_eq!(table.evicted(), 0);
}

#[test]
fn a_flood_of_keys_takes_no_more_than_the_capacity_and_locks_nobody_out() {
    let table = LimitTable::new(1_000);
    let quota = Quota::per_second(1);
    assert_eq!(table.capacity(), 1_024);
    for key in 0..100_000 {
        assert!(table.take(&key, quota, ms(0)).1.is_ok(), "a new key");
    }
    assert_eq!(table.active(ms(0)), 1_024);
    assert_eq!(table.evicted(), 100_000 - 1_024);
}

#[test]
fn of_a_full_set_the_key_nearest_to_idle_gives_way() {
    let table = LimitTable::new(1);
    let slow = Quota::new(1_000, Duration::from_secs(1_000)).unwrap();
    let keys = 0..1_000_000_u64;
    // One abuser with a long way to go, then a flood of keys with a short one.
    for _ in 0..900 {
        assert!(table.take(&"abuser", slow, ms(0)).1.is_ok());
    }
    for key in keys.take(100_000) {
        assert!(table.take(&key, slow, ms(0)).1.is_ok());
    }
    let (standing, _) = table.take(&"abuser", slow, ms(0));
    assert_eq!(standing.remaining, 99, "the abuser was not forgotten");
}

#[test]
fn reservations_queue_up_to_the_longest_wait() {
    let table = LimitTable::new(10);
    let quota = Quota::per_second(10);
    let reserve = |now| table.reserve(&1, quota, ms(300), now);
    for _ in 0..10 {
        assert_eq!(reserve(ms(0)), Ok(ms(0)));
    }
    assert_eq!(reserve(ms(0)), Ok(ms(100)));
    assert_eq!(reserve(ms(0)), Ok(ms(200)));
    assert_eq!(reserve(ms(0)), Ok(ms(300)));
    // What is refused does not lengthen the queue.
    assert_eq!(reserve(ms(0)), Err(ms(400)));
    assert_eq!(reserve(ms(0)), Err(ms(400)));
    assert_eq!(reserve(ms(100)), Ok(ms(300)));
}

#[test]
fn of_many_threads_no_more_pass_than_the_quota_says() {
    let table = LimitTable::new(10);
    let quota = Quota::per_second(1_000);
    let passed: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let taken = || table.take(&"key", quota, ms(7)).1.is_ok();
                scope.spawn(move || (0..1_000).filter(|_| taken()).count())
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    assert_eq!(passed, 1_000);
}

proptest! {
    #[test]
    fn in_no_window_does_more_pass_than_a_burst_and_the_rate(
        burst in 1_u32..20,
        steps in proptest::collection::vec((0_u64..400, 0_u8..3), 1..200),
    ) {
        let table = LimitTable::new(100);
        let quota = Quota::per_second(burst);
        let mut now = 0;
        let mut passed: HashMap<u8, Vec<u64>> = HashMap::new();
        for (step, key) in steps {
            now += step;
            let (standing, taken) = table.take(&key, quota, ms(now));
            match taken {
                Ok(()) => passed.entry(key).or_default().push(now),
                Err(wait) => {
                    prop_assert_eq!(standing.remaining, 0);
                    prop_assert!(wait > ms(0) && wait <= standing.reset_after);
                }
            }
        }
        for times in passed.values() {
            for (i, first) in times.iter().enumerate() {
                for (j, last) in times.iter().enumerate().skip(i) {
                    let allowed = u64::from(burst) + (last - first) * u64::from(burst) / 1_000;
                    prop_assert!((j - i + 1) as u64 <= allowed + 1);
                }
            }
        }
    }

    #[test]
    fn who_waits_as_told_passes(
        burst in 1_u32..50,
        period_ms in 1_u64..5_000,
        extra in 0_usize..20,
    ) {
        let table = LimitTable::new(100);
        let quota = Quota::new(burst, ms(period_ms)).unwrap();
        let mut now = ms(1_000);
        for _ in 0..burst as usize + extra {
            if let Err(wait) = table.take(&0, quota, now).1 {
                let almost = wait.saturating_sub(Duration::from_nanos(1));
                prop_assert!(table.take(&0, quota, now + almost).1.is_err());
                now += wait;
                prop_assert!(table.take(&0, quota, now).1.is_ok());
            }
        }
    }
}
