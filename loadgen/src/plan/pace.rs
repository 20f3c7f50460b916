//! When the messages of a run are due: the rate over time, turned round.

use crate::scenario::Phases;

/// The rate over the phases: rises, stays, falls.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    rate: f64,
    up: f64,
    /// Warm-up and steady phase.
    full: f64,
    down: f64,
}

impl Pace {
    pub(super) fn new(rate: f64, phases: &Phases) -> Self {
        Self {
            rate,
            up: phases.ramp_up,
            full: phases.warm_up + phases.steady,
            down: phases.ramp_down,
        }
    }

    /// Messages in all.
    pub(super) fn total(&self) -> f64 {
        self.rate * (self.up / 2.0 + self.full + self.down / 2.0)
    }

    /// When, in seconds, so many messages are due.
    pub(super) fn when(&self, messages: f64) -> f64 {
        let rising = self.rate * self.up / 2.0;
        if messages < rising {
            // rate · t² / (2 · up) messages by time t.
            return (2.0 * messages * self.up / self.rate).sqrt();
        }
        let messages = messages - rising;
        if messages <= self.rate * self.full {
            return self.up + messages / self.rate;
        }
        let left = self.rate * (self.full + self.down / 2.0) - messages;
        let from_end = (2.0 * left.max(0.0) * self.down / self.rate).sqrt();
        self.up + self.full + self.down - from_end
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_rate_follows_the_phases(
            rate in 1.0_f64..500.0, up in 0.0_f64..5.0, warm in 0.0_f64..5.0, steady in 0.1_f64..9.0, down in 0.0_f64..5.0,
        ) {
            let phases = Phases { ramp_up: up, warm_up: warm, steady, ramp_down: down };
            let pace = Pace::new(rate, &phases);
            let total = pace.total();
            let mut before = 0.0;
            for step in 0..=200 {
                let at = pace.when(total * f64::from(step) / 200.0);
                prop_assert!(at >= before - 1e-9 && at <= phases.total() + 1e-6, "{} after {}", at, before);
                before = at;
            }
            prop_assert!(pace.when(0.0).abs() < 1e-9);
            prop_assert!((pace.when(total) - phases.total()).abs() < 1e-4);
            // In the full part the distance of two messages is what the rate says.
            let middle = rate * up / 2.0 + rate * (warm + steady) / 2.0;
            let gap = pace.when(middle + 0.01) - pace.when(middle);
            prop_assert!((gap * rate - 0.01).abs() < 1e-6);
        }
    }
}
