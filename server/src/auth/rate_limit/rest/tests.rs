use std::net::IpAddr;

use super::*;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn limits() -> RestLimits {
    RestLimits::new(RestSettings::default())
}

fn messages() -> Bucket {
    Bucket::new("POST /channels/{id}/messages", Quota::per_second(10))
}

const ALICE: Subject = Subject::User(1);
const BOB: Subject = Subject::User(2);

#[test]
fn a_route_counts_down_and_refuses_with_what_the_headers_need() {
    let (limits, bucket) = (limits(), messages());
    for remaining in (0..10).rev() {
        let state = limits.check(ALICE, &bucket, 7, ms(100)).unwrap();
        let expected = RateState {
            limit: 10,
            remaining,
            reset_after: ms(100 * u64::from(10 - remaining)),
            bucket: bucket.hash(),
        };
        assert_eq!(state, expected);
    }
    let refusal = limits.check(ALICE, &bucket, 7, ms(100)).unwrap_err();
    let expected = RateRefusal {
        retry_after: ms(100),
        scope: RateScope::User,
        state: RateState {
            limit: 10,
            remaining: 0,
            reset_after: ms(1_000),
            bucket: bucket.hash(),
        },
    };
    assert_eq!(refusal, expected);
    assert_eq!(limits.refused(RateScope::User), 1);
    assert_eq!(limits.refused(RateScope::Global), 0);

    assert!(limits.check(ALICE, &bucket, 7, ms(200)).is_ok());
    assert!(limits.check(ALICE, &bucket, 7, ms(200)).is_err());
}

#[test]
fn subjects_resources_and_routes_count_apart() {
    let (limits, bucket) = (limits(), messages());
    let other = Bucket::new("PUT /channels/{id}/reactions", Quota::per_second(10));
    for _ in 0..10 {
        limits.check(ALICE, &bucket, 7, ms(0)).unwrap();
    }
    assert!(limits.check(ALICE, &bucket, 7, ms(0)).is_err());
    assert!(limits.check(ALICE, &bucket, 8, ms(0)).is_ok());
    assert!(limits.check(ALICE, &other, 7, ms(0)).is_ok());
    assert!(limits.check(BOB, &bucket, 7, ms(0)).is_ok());
}

#[test]
fn all_requests_of_a_subject_have_a_limit_of_their_own() {
    let (limits, bucket) = (limits(), messages());
    for channel in 0..50 {
        limits.check(ALICE, &bucket, channel, ms(0)).unwrap();
    }
    let refusal = limits.check(ALICE, &bucket, 50, ms(0)).unwrap_err();
    assert_eq!(refusal.scope, RateScope::Global);
    assert_eq!(refusal.scope.as_str(), "global");
    assert_eq!(refusal.retry_after, ms(20));
    assert_eq!((refusal.state.limit, refusal.state.remaining), (50, 0));
    assert_eq!(limits.refused(RateScope::Global), 1);
    assert!(limits.check_global(ALICE, ms(0)).is_err());
    assert!(limits.check_global(BOB, ms(0)).is_ok());

    // What the first limit refused the route has not counted.
    let state = limits.check(ALICE, &bucket, 50, ms(20)).unwrap();
    assert_eq!(state.remaining, 9);
}

#[test]
fn a_refusal_by_the_route_is_still_a_request() {
    let (limits, bucket) = (limits(), messages());
    let refused = |now| limits.check(ALICE, &bucket, 7, now).unwrap_err().scope;
    for _ in 0..10 {
        limits.check(ALICE, &bucket, 7, ms(0)).unwrap();
    }
    for _ in 10..50 {
        assert_eq!(refused(ms(0)), RateScope::User);
    }
    assert_eq!(refused(ms(0)), RateScope::Global);
}

#[test]
fn requests_without_a_token_count_by_network() {
    let limits = limits();
    let from = |address: &str| Subject::Network(address.parse::<IpAddr>().unwrap().into());
    for _ in 0..50 {
        limits.check_global(from("192.0.2.1"), ms(0)).unwrap();
    }
    assert!(limits.check_global(from("192.0.2.1"), ms(0)).is_err());
    assert!(limits.check_global(from("192.0.2.2"), ms(0)).is_ok());
}

#[test]
fn a_buckets_name_is_stable_and_tells_routes_apart() {
    assert_eq!(messages().hash(), "81172d88d553233e");
    assert_ne!(
        messages().hash(),
        Bucket::new("GET /channels/{id}/messages", Quota::per_second(10)).hash()
    );
}
