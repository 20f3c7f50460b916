//! A figure that follows its samples with some inertia.

use std::time::Duration;

/// An exponentially weighted mean: what a sample weighs is halved with every half-life that passes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Smooth(f64);

/// Below it a figure counts as none.
const NOTHING: f64 = 1e-9;

impl Smooth {
    /// Takes the mean of the time `passed` since the last sample.
    pub fn add(&mut self, sample: f64, passed: Duration, half_life: Duration) {
        let lives = passed.as_secs_f64() / half_life.as_secs_f64();
        let kept = 0.5_f64.powf(lives);
        self.0 = self.0 * kept + sample * (1.0 - kept);
        if self.0.abs() < NOTHING {
            self.0 = 0.0;
        }
    }

    /// The figure.
    pub const fn get(self) -> f64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_step_is_there_after_the_half_life_however_it_is_sampled() {
        let life = Duration::from_secs(2);
        let mut once = Smooth::default();
        once.add(1.0, life, life);
        let mut often = Smooth::default();
        for _ in 0..20 {
            often.add(1.0, life / 20, life);
        }
        assert!((once.get() - 0.5).abs() < 1e-9, "{once:?}");
        assert!((often.get() - 0.5).abs() < 1e-9, "{often:?}");
        for _ in 0..100 {
            often.add(0.0, life, life);
        }
        assert!(often.get() <= 0.0, "it ends at nothing");
    }
}
