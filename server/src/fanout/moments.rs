//! When sessions of a worker are written to while events are held back.
//!
//! Sessions are in groups. Each group has its own moment in the pace, so that the thread is never busy with writes for long.
//! Each write alone would cost the thread a wake-up, and caches that have gone cold.

use super::SessionKey;

/// How many groups there are.
pub const GROUPS: usize = 4;

/// Sessions that are written to at the same moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group(u8);

impl Group {
    /// All of them.
    pub const ALL: [Self; GROUPS] = [Self(0), Self(1), Self(2), Self(3)];

    /// The group of a session, for as long as the session has this key.
    pub const fn of(session: SessionKey) -> Self {
        let spread = (session as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        Self((spread % GROUPS as u64) as u8)
    }

    /// Its place among all.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Its first moment after `now_ms`: there is one in each pace, evenly spread over groups. A pace takes 1 ms at least.
    pub fn next_moment(self, now_ms: u64, pace_ms: u64) -> u64 {
        let phase = u64::from(self.0) * pace_ms / GROUPS as u64;
        let into = (now_ms + pace_ms - phase) % pace_ms;
        now_ms + pace_ms - into
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_has_one_moment_in_every_pace() {
        for group in Group::ALL {
            for pace_ms in [1, 2, 7, 45, 1_000] {
                let mut now_ms = 12_345;
                let first = group.next_moment(now_ms, pace_ms);
                assert!((now_ms + 1..=now_ms + pace_ms).contains(&first));
                for _ in 0..5 {
                    let next = group.next_moment(now_ms, pace_ms);
                    // Whenever it is asked before, it is the same.
                    for ms in now_ms..next {
                        assert_eq!(group.next_moment(ms, pace_ms), next);
                    }
                    assert_eq!(group.next_moment(next, pace_ms), next + pace_ms);
                    now_ms = next;
                }
            }
        }
    }

    #[test]
    fn groups_and_their_moments_are_spread_evenly() {
        let mut counts = [0; GROUPS];
        for session in 0..4_000 {
            counts[Group::of(session).index()] += 1;
        }
        let even = |count: &usize| (900..1_100).contains(count);
        assert!(counts.iter().all(even), "{counts:?}");
        let moments = Group::ALL.map(|group| group.next_moment(0, 44));
        assert_eq!(moments, [44, 11, 22, 33]);
        let places = Group::ALL.map(Group::index);
        assert_eq!(places, [0, 1, 2, 3]);
    }
}
