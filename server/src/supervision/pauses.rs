//! How long to wait before something is tried again.

use std::time::Duration;

/// Pauses that double up to a bound, each shortened by up to a half at random, so that many who wait do not come back
/// together.
#[derive(Debug, Clone)]
pub struct Pauses {
    next: Duration,
    longest: Duration,
}

impl Pauses {
    /// From a first one up to a longest one.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            next: first,
            longest,
        }
    }

    /// The next one.
    pub fn pause(&mut self) -> Duration {
        let mut bytes = [0; 4];
        // Without random numbers it is not shortened.
        let _ = getrandom::fill(&mut bytes);
        self.shortened(u32::from_ne_bytes(bytes))
    }

    fn shortened(&mut self, random: u32) -> Duration {
        let pause = self.next;
        self.next = self.longest.min(pause * 2);
        pause.mul_f64(1.0 - f64::from(random) / f64::from(u32::MAX) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_are_shortened_at_random() {
        let longest = Duration::from_secs(2);
        let mut pauses = Pauses::new(Duration::from_millis(100), longest);
        let whole: Vec<u128> = (0..7).map(|_| pauses.shortened(0).as_millis()).collect();
        assert_eq!(whole, [100, 200, 400, 800, 1_600, 2_000, 2_000]);
        assert_eq!(pauses.shortened(u32::MAX), longest / 2);
        for _ in 0..100 {
            assert!((longest / 2..=longest).contains(&pauses.pause()));
        }
    }
}
