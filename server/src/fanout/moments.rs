//! When sessions of a worker are written to while events are held back.
//!
//! Sessions are in groups, so that the thread is never busy with writes for long. The first event that is held back for a
//! group opens a window, which is a pace long: at its end the group is written all that came meanwhile. It ends sooner with
//! the last event that is to be expected in it. With a moment for each session there would be a wake-up of the thread, and
//! caches that have gone cold, for each write.

use super::SessionKey;

/// How many groups there are.
pub const GROUPS: usize = 4;

/// An event may come this much sooner than is expected, in times between two.
const SURELY: f64 = 0.75;

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
}

/// How long a window is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Length {
    /// The pace, in milliseconds; 0 counts as 1.
    pub pace_ms: u64,
    /// Milliseconds from one event for a session to its next one, where windows may be cut short by them.
    pub between_ms: Option<f64>,
}

/// The ends of the groups' windows.
#[derive(Debug, Default)]
pub struct Moments {
    /// In milliseconds of the worker's clock; one that has passed belongs to no window.
    ends_ms: [u64; GROUPS],
}

impl Moments {
    /// When a group is written what came for it at `came_ms`: at the end of the window that was open then, or of one that
    /// this opens. At most a pace after it came. At once where this is the last that is to be expected in the window.
    pub fn of(&mut self, group: Group, came_ms: u64, length: Length) -> u64 {
        let pace_ms = length.pace_ms.max(1);
        let open = self.ends_ms[group.index()];
        let end = if open < came_ms {
            self.open(group, came_ms, pace_ms, length.between_ms)
        } else if length.expects_more(open - came_ms) {
            // The pace may have become shorter since it was opened.
            open.min(came_ms + pace_ms)
        } else {
            came_ms
        };
        self.ends_ms[group.index()] = end;
        end
    }

    /// The end of a new window: a pace from now. Where other groups' windows end then it may be cut short, by a part of the
    /// pace or as many events, so that as few as possible end together.
    fn open(&self, group: Group, came_ms: u64, pace_ms: u64, between_ms: Option<f64>) -> u64 {
        let last = came_ms + pace_ms;
        let part = pace_ms / GROUPS as u64;
        let step = part.max(between_ms.map_or(pace_ms, |between_ms| between_ms.round() as u64));
        let others = Group::ALL.into_iter().filter(|other| *other != group);
        let close = |end: u64| {
            let others = others.clone();
            let ends = others.map(|other| self.ends_ms[other.index()]);
            ends.filter(|other| other.abs_diff(end) <= step / 2).count()
        };
        let ends = (0..pace_ms).step_by(step.max(1) as usize);
        ends.map(|earlier| last - earlier)
            .min_by_key(|end| close(*end))
            .unwrap_or(last)
    }
}

impl Length {
    /// Whether another event is to be expected in so many milliseconds.
    fn expects_more(self, milliseconds: u64) -> bool {
        let in_time = |between_ms: f64| between_ms * SURELY <= milliseconds as f64;
        self.between_ms.is_none_or(in_time)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn length(pace_ms: u64) -> Length {
        Length {
            pace_ms,
            between_ms: None,
        }
    }

    /// Lets events come every so many microseconds for two seconds; answers each group's windows: end, and how many came.
    fn windows(every_us: u64, length: Length) -> [Vec<(u64, u64)>; GROUPS] {
        let mut moments = Moments::default();
        let mut windows: [Vec<(u64, u64)>; GROUPS] = Default::default();
        for came in (500_000..2_500_000).step_by(every_us as usize) {
            for group in Group::ALL {
                let came_ms = came / 1_000;
                let end = moments.of(group, came_ms, length);
                let of_group = &mut windows[group.index()];
                match of_group.last_mut() {
                    Some((last, count)) if *last >= came_ms => {
                        *last = end;
                        *count += 1;
                    }
                    _ => of_group.push((end, 1)),
                }
            }
        }
        windows.map(|windows| windows[..windows.len() - 1].to_vec())
    }

    #[test]
    fn a_window_is_open_for_a_pace_from_what_opens_it() {
        let mut moments = Moments::default();
        for group in Group::ALL {
            assert_eq!(moments.of(group, 1_000, length(45)), 1_045);
            assert_eq!(moments.of(group, 1_045, length(45)), 1_045);
            assert_eq!(moments.of(group, 1_046, length(45)), 1_091);
            // What came in a window that is over, but is dealt with only now, is due.
            assert_eq!(moments.of(group, 1_050, length(1_000)), 1_091);
            assert_eq!(moments.of(group, 1_060, length(10)), 1_070);
        }
    }

    #[test]
    fn a_window_ends_with_the_last_event_that_is_to_be_expected() {
        let length = Length {
            pace_ms: 45,
            between_ms: Some(20.0),
        };
        let mut moments = Moments::default();
        let group = Group::ALL[0];
        assert_eq!(moments.of(group, 1_000, length), 1_045);
        assert_eq!(moments.of(group, 1_020, length), 1_045);
        assert_eq!(moments.of(group, 1_038, length), 1_038);
        assert_eq!(moments.of(group, 1_038, length), 1_038);
        assert_eq!(moments.of(group, 1_039, length), 1_084);
    }

    #[test]
    fn windows_end_apart_and_have_all_that_fits() {
        for (every_us, pace_ms, fit) in [
            (20_000, 22, 2),
            (20_000, 43, 3),
            (5_000, 45, 10),
            (2_500, 45, 18),
            (500, 20, 40),
        ] {
            let between_ms = every_us as f64 / 1e3;
            let all = windows(
                every_us,
                Length {
                    pace_ms,
                    between_ms: Some(between_ms),
                },
            );
            // The first ones are cut short.
            let all = all.map(|windows| windows[4..].to_vec());
            for windows in &all {
                let fewest = windows.iter().map(|(_, count)| *count).min();
                assert!(fewest >= Some(fit), "{every_us} {pace_ms}: {fewest:?}");
            }
            let apart = (pace_ms / 4).max(between_ms as u64) / 2;
            for (group, windows) in all.iter().enumerate() {
                let others = || all.iter().enumerate().filter(|(other, _)| *other != group);
                for (end, _) in windows {
                    let near = |windows: &&Vec<(u64, u64)>| {
                        windows
                            .iter()
                            .any(|(other, _)| other.abs_diff(*end) < apart)
                    };
                    let together = others().filter(|(_, windows)| near(windows)).count();
                    let fewest = GROUPS.div_ceil(fit as usize) - 1;
                    assert!(together <= fewest, "{every_us} {pace_ms}: {end}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_waits_for_longer_than_a_pace(
            steps in prop::collection::vec(
                (0..4_usize, 0..60_u64, 1..50_u64, prop::option::of(0.1..100.0_f64)),
                1..200,
            ),
        ) {
            let mut moments = Moments::default();
            let mut now_ms = 0;
            for (group, later_ms, pace_ms, between_ms) in steps {
                now_ms += later_ms;
                let end = moments.of(Group::ALL[group], now_ms, Length { pace_ms, between_ms });
                prop_assert!(end >= now_ms && end <= now_ms + pace_ms);
            }
        }
    }

    #[test]
    fn groups_are_of_one_size() {
        let mut counts = [0; GROUPS];
        for session in 0..4_000 {
            counts[Group::of(session).index()] += 1;
        }
        let even = |count: &usize| (900..1_100).contains(count);
        assert!(counts.iter().all(even), "{counts:?}");
        let places = Group::ALL.map(Group::index);
        assert_eq!(places, [0, 1, 2, 3]);
    }
}
