//! Rounds taken together: medians, spread, ratios to the base.

use serde::Serialize;

use super::sample::Sample;
use crate::report::ratio;

/// The middle of several values and how far they lie apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Spread {
    /// Median.
    pub median: f64,
    /// Smallest.
    pub min: f64,
    /// Largest.
    pub max: f64,
}

impl Spread {
    /// Of some values; all zero if there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (Some(min), Some(max)) = (values.first(), values.last()) else {
            return Self::default();
        };
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Self {
            median,
            min: *min,
            max: *max,
        }
    }
}

/// One server at one rate. Only the runs that count are in the figures; without any, all are, and `counted` is 0.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The server.
    pub peer: &'static str,
    /// Messages per second.
    pub rate: f64,
    /// Runs.
    pub runs: usize,
    /// Runs that count.
    pub counted: usize,
    /// CPU microseconds of the server for each delivery.
    pub cpu_us_per_delivery: Spread,
    /// Cores that the server used.
    pub cores: Spread,
    /// Deliveries per second.
    pub deliveries_per_s: Spread,
    /// Milliseconds from intended time to reception.
    pub p50_ms: Spread,
    /// 99th percentile of the same.
    pub p99_ms: Spread,
    /// 99.9th percentile of the same.
    pub p999_ms: Spread,
    /// Largest of the same.
    pub max_ms: Spread,
    /// Resident bytes that a connection adds.
    pub rss_per_connection: Spread,
    /// Times that the server's threads went to sleep, for each 1,000 deliveries.
    pub sleeps_per_1000: Spread,
    /// Bytes on the wire for each delivery.
    pub wire_bytes: Spread,
    /// Deliveries for each read of the generator's: about as many as the server puts into one write.
    pub per_read: Spread,
    /// CPU microseconds of the generator for each delivery.
    pub generator_us_per_delivery: Spread,
    /// CPU per delivery as a multiple of the base's at the same rate; none without the base.
    pub cpu_ratio: Option<f64>,
    /// Whether the generator was the limit in any run.
    pub generator_limited: bool,
    /// Why runs do not count, each reason once.
    pub reasons: Vec<String>,
}

/// The rows of all runs, in the order of rates and then of the runs.
pub(super) fn rows(samples: &[Sample], base: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for sample in samples {
        let known = |row: &Row| row.peer == sample.peer && same(row.rate, sample.rate);
        if !rows.iter().any(known) {
            let of_row: Vec<&Sample> = samples
                .iter()
                .filter(|other| other.peer == sample.peer && same(other.rate, sample.rate))
                .collect();
            rows.push(row(&of_row));
        }
    }
    rows.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    let bases: Vec<(f64, f64)> = rows
        .iter()
        .filter(|row| row.peer == base && row.counted > 0)
        .map(|row| (row.rate, row.cpu_us_per_delivery.median))
        .collect();
    for row in &mut rows {
        let base = bases.iter().find(|(rate, _)| same(*rate, row.rate));
        row.cpu_ratio = base
            .filter(|_| row.counted > 0)
            .map(|(_, cpu)| ratio(row.cpu_us_per_delivery.median, *cpu));
    }
    rows
}

/// Rates come from the same list, so that they are equal to the last bit.
fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits()
}

fn row(samples: &[&Sample]) -> Row {
    let counted: Vec<&&Sample> = samples.iter().filter(|sample| sample.counts).collect();
    let of = |value: fn(&Sample) -> f64| {
        if counted.is_empty() {
            Spread::of(samples.iter().map(|sample| value(sample)))
        } else {
            Spread::of(counted.iter().map(|sample| value(sample)))
        }
    };
    let mut reasons: Vec<String> = Vec::new();
    for reason in samples.iter().flat_map(|sample| &sample.reasons) {
        if !reasons.contains(reason) {
            reasons.push(reason.clone());
        }
    }
    Row {
        peer: samples[0].peer,
        rate: samples[0].rate,
        runs: samples.len(),
        counted: counted.len(),
        cpu_us_per_delivery: of(|sample| sample.cpu_us_per_delivery),
        cores: of(|sample| sample.cores),
        deliveries_per_s: of(|sample| sample.deliveries_per_s),
        p50_ms: of(|sample| sample.latency.p50_ms),
        p99_ms: of(|sample| sample.latency.p99_ms),
        p999_ms: of(|sample| sample.latency.p999_ms),
        max_ms: of(|sample| sample.latency.max_ms),
        rss_per_connection: of(|sample| sample.rss_per_connection),
        sleeps_per_1000: of(|sample| sample.sleeps_per_1000),
        wire_bytes: of(|sample| sample.wire_bytes),
        per_read: of(|sample| sample.per_read),
        generator_us_per_delivery: of(|sample| sample.generator_us_per_delivery),
        cpu_ratio: None,
        generator_limited: samples.iter().any(|sample| sample.is_generator_limited()),
        reasons,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Percentiles, Thread};

    fn sample(peer: &'static str, rate: f64, cpu: f64, reasons: &[&str]) -> Sample {
        Sample {
            peer,
            rate,
            round: 1,
            counts: reasons.is_empty(),
            reasons: reasons.iter().map(|reason| (*reason).to_owned()).collect(),
            messages: 1,
            acked: None,
            expected: 1,
            delivered: 1,
            lost: 0,
            duplicates: 0,
            due_per_s: 1.0,
            deliveries_per_s: 1.0,
            cpu_us_per_delivery: cpu,
            cores: 0.5,
            starved: 0.0,
            others: None,
            apart: None,
            sleeps_per_1000: 0.0,
            wire_bytes: 204.0,
            per_read: 1.0,
            latency: Percentiles::default(),
            rss_per_connection: 0.0,
            rss: 0,
            late: 0,
            generator: Thread {
                name: String::new(),
                utilisation: 0.1,
                starved: 0.0,
                lag_p99_ms: None,
            },
            generator_us_per_delivery: 0.5,
        }
    }

    #[test]
    fn the_median_is_in_the_middle() {
        let spread = Spread::of([5.0, 1.0, 3.0]);
        assert_eq!((spread.min, spread.median, spread.max), (1.0, 3.0, 5.0));
        assert!((Spread::of([1.0, 2.0]).median - 1.5).abs() < 1e-9);
        assert_eq!(Spread::of([]), Spread::default());
    }

    #[test]
    fn runs_with_losses_are_not_in_the_figures() {
        let samples = [
            sample("b", 400.0, 9.0, &[]),
            sample("a", 50.0, 2.0, &[]),
            sample("a", 50.0, 100.0, &["1 lost"]),
            sample("b", 50.0, 3.0, &[]),
            sample("a", 50.0, 4.0, &[]),
            sample("c", 50.0, 7.0, &["generator: busy", "1 lost"]),
        ];
        let rows = rows(&samples, "a");
        let names: Vec<(&str, f64)> = rows.iter().map(|row| (row.peer, row.rate)).collect();
        assert_eq!(names, [("a", 50.0), ("b", 50.0), ("c", 50.0), ("b", 400.0)]);
        assert_eq!((rows[0].runs, rows[0].counted), (3, 2));
        assert!((rows[0].cpu_us_per_delivery.median - 3.0).abs() < 1e-9);
        assert_eq!(rows[0].reasons, ["1 lost"]);
        assert_eq!(rows[1].cpu_ratio, Some(1.0));
        // Without a base at that rate, or without a run that counts, there is no ratio.
        assert_eq!(rows[3].cpu_ratio, None);
        assert_eq!(rows[2].cpu_ratio, None);
        assert!(rows[2].generator_limited && !rows[0].generator_limited);
    }
}
