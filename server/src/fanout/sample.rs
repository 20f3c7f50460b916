//! Which deliveries the log tells of: of so many each time one, so that a fan-out has a chance by its size.

/// Counts deliveries until one is to be told of.
#[derive(Debug)]
pub struct Sample {
    every: u64,
    left: u64,
}

impl Sample {
    /// Tells of one in so many deliveries; of none where that is 0.
    pub const fn new(every: u64) -> Self {
        Self { every, left: every }
    }

    /// Whether the fan-out of so many deliveries has the one that is to be told of.
    pub const fn takes(&mut self, deliveries: u64) -> bool {
        if self.every == 0 {
            return false;
        }
        if deliveries < self.left {
            self.left -= deliveries;
            return false;
        }
        let beyond = (deliveries - self.left) % self.every;
        self.left = self.every - beyond;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fan_outs_are_told_of_by_their_size() {
        let mut sample = Sample::new(100);
        let small = (0..1_000).filter(|_| sample.takes(1)).count();
        let medium = (0..1_000).filter(|_| sample.takes(10)).count();
        let large = (0..1_000).filter(|_| sample.takes(250)).count();
        assert_eq!((small, medium, large), (10, 100, 1_000));
        let mut none = Sample::new(0);
        assert!(!none.takes(u64::MAX));
    }
}
