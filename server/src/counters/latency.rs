//! A histogram of durations without a lock: observing is two atomic additions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// Upper bounds of the buckets in microseconds; one more bucket holds what is longer.
pub const BOUNDS_US: [u64; 20] = [
    50, 100, 200, 350, 500, 750, 1_000, 1_500, 2_500, 5_000, 10_000, 20_000, 35_000, 50_000,
    100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000,
];
const BUCKETS: usize = BOUNDS_US.len() + 1;

/// How long something took, each time it was done. Clones share the figures.
#[derive(Debug, Clone, Default)]
pub struct Latency(Arc<Cells>);

#[derive(Debug, Default)]
struct Cells {
    buckets: [AtomicU64; BUCKETS],
    sum_us: AtomicU64,
}

impl Latency {
    /// Counts one duration.
    pub fn observe(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.partition_point(|&bound| bound < us);
        self.0.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.0.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn counts(&self) -> LatencyCounts {
        LatencyCounts {
            buckets: std::array::from_fn(|i| self.0.buckets[i].load(Ordering::Relaxed)),
            sum_us: self.0.sum_us.load(Ordering::Relaxed),
        }
    }
}

/// What a [`Latency`] had counted at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LatencyCounts {
    buckets: [u64; BUCKETS],
    sum_us: u64,
}

impl LatencyCounts {
    /// How often.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// What came on top of an earlier moment.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            buckets: std::array::from_fn(|i| self.buckets[i].saturating_sub(earlier.buckets[i])),
            sum_us: self.sum_us.saturating_sub(earlier.sum_us),
        }
    }

    /// By bucket, as [`BOUNDS_US`] has them and one more for what is longer; and the sum in microseconds.
    pub const fn parts(&self) -> (&[u64], u64) {
        (&self.buckets, self.sum_us)
    }

    /// Counts what [`parts`](Self::parts) said elsewhere as well. Buckets that there are not count as the last one.
    pub fn add(&mut self, buckets: &[u64], sum_us: u64) {
        for (at, count) in buckets.iter().enumerate() {
            let bucket = &mut self.buckets[at.min(BUCKETS - 1)];
            *bucket = bucket.saturating_add(*count);
        }
        self.sum_us = self.sum_us.saturating_add(sum_us);
    }

    /// The duration that a share `q` (0 to 1) of those counted did not exceed, in milliseconds,
    /// interpolated within its bucket; `None` where nothing was counted. What is longer than the
    /// last bound counts as that bound.
    pub fn quantile_ms(&self, q: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = (q.clamp(0.0, 1.0) * count as f64).max(1.0);
        let mut below = 0.0;
        let mut low_us = 0;
        for (&in_bucket, &high_us) in self.buckets.iter().zip(&BOUNDS_US) {
            let up_to = below + in_bucket as f64;
            if in_bucket > 0 && up_to >= rank {
                let share = (rank - below) / in_bucket as f64;
                let us = low_us as f64 + share * (high_us - low_us) as f64;
                return Some(us / 1_000.0);
            }
            below = up_to;
            low_us = high_us;
        }
        Some(low_us as f64 / 1_000.0)
    }
}

impl EncodeMetric for Latency {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let counts = self.counts();
        let bounds = BOUNDS_US
            .iter()
            .map(|&us| us as f64 / 1e6)
            .chain([f64::MAX]);
        let buckets: Vec<(f64, u64)> = bounds.zip(counts.buckets).collect();
        let sum = counts.sum_us as f64 / 1e6;
        encoder.encode_histogram::<NoLabelSet>(sum, counts.count(), &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_counted_in_the_bucket_that_ends_at_or_after_it() {
        let latency = Latency::default();
        for us in [0, 50, 51, 10_000_000, 10_000_001] {
            latency.observe(Duration::from_micros(us));
        }
        let counts = latency.counts();
        assert_eq!(counts.buckets[0], 2);
        assert_eq!(counts.buckets[1], 1);
        assert_eq!(counts.buckets[BUCKETS - 2], 1);
        assert_eq!(counts.buckets[BUCKETS - 1], 1);
        assert_eq!(counts.count(), 5);
    }

    #[test]
    fn quantiles_are_interpolated_and_bounded() {
        let latency = Latency::default();
        assert_eq!(latency.counts().quantile_ms(0.5), None);
        for _ in 0..100 {
            latency.observe(Duration::from_micros(1_200));
        }
        let counts = latency.counts();
        let median = counts.quantile_ms(0.5).unwrap();
        assert!((1.0..=1.5).contains(&median), "{median}");
        latency.observe(Duration::from_secs(3_600));
        assert_eq!(latency.counts().quantile_ms(1.0), Some(10_000.0));
        let later = latency.counts().since(&counts);
        assert_eq!(later.count(), 1);
        let mut merged = later.clone();
        let (buckets, sum_us) = counts.parts();
        merged.add(buckets, sum_us);
        assert_eq!(merged, latency.counts());
    }
}
