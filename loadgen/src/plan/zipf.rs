//! Choices of which the first are the likeliest.

/// Chooses numbers below a bound: the n-th is `1 / n^skew` as likely as the first.
#[derive(Debug, Clone)]
pub(super) struct Zipf {
    /// Sums of the weights up to and with each number.
    sums: Vec<f64>,
}

impl Zipf {
    /// `count` numbers, at least one.
    pub(super) fn new(count: usize, skew: f64) -> Self {
        let mut sum = 0.0;
        let sums = (1..=count.max(1)).map(|place| {
            sum += (place as f64).powf(-skew);
            sum
        });
        Self {
            sums: sums.collect(),
        }
    }

    pub(super) fn pick(&self, random: &mut fastrand::Rng) -> usize {
        self.at(random.f64())
    }

    /// The number at this share of the whole.
    fn at(&self, share: f64) -> usize {
        let all = self.sums.last().copied().unwrap_or(1.0);
        let wanted = share * all;
        let index = self.sums.partition_point(|sum| *sum <= wanted);
        index.min(self.sums.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_come_as_often_as_their_weight_says() {
        let zipf = Zipf::new(10, 1.0);
        let mut random = fastrand::Rng::with_seed(5);
        let mut counts = [0_u32; 10];
        for _ in 0..100_000 {
            counts[zipf.pick(&mut random)] += 1;
        }
        let harmonic: f64 = (1..=10).map(|n| 1.0 / f64::from(n)).sum();
        for (place, count) in (1..).zip(counts) {
            let expected = 100_000.0 / f64::from(place) / harmonic;
            assert!(
                (f64::from(count) / expected - 1.0).abs() < 0.1,
                "{counts:?}"
            );
        }
        assert_eq!(Zipf::new(1, 2.0).at(0.999), 0);
        assert_eq!(zipf.at(1.0), 9);
    }
}
