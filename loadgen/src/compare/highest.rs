//! The highest rate that a server keeps up with: doubling until it does not, then halving the gap.

use anyhow::Result;
use serde::Serialize;

use super::peer::Peer;
use super::round::Stage;
use super::sample::Sample;

/// A p99 of this (milliseconds) or more is too slow.
pub(super) const TOO_SLOW_MS: f64 = 100.0;

/// The search ends when the gap is at most this share of the rate that was kept up with.
const EXACT: f64 = 0.05;

/// Runs at one rate while the generator is the limit: that may pass, where others use its core.
const TRIES: usize = 3;

/// No rate above this is tried.
const LIMIT: f64 = 1e5;

/// What the search came to.
#[derive(Debug, Clone, Serialize)]
pub struct Highest {
    /// The server.
    pub peer: &'static str,
    /// Its version.
    pub version: Option<String>,
    /// Messages per second that it kept up with: each delivered, p99 below 100 ms. 0 if not even the first.
    pub rate: f64,
    /// Whether the search ended because the generator was the limit, so that the server may do more.
    pub generator_limited: bool,
    /// Every run of the search.
    pub samples: Vec<Sample>,
}

/// What a run says about its rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    KeptUp,
    FellBehind,
    GeneratorLimited,
}

/// Searches for `peer` from the rate `first` on; tells each step to `progress`.
pub(super) fn search(
    stage: &Stage<'_>,
    peer: Peer,
    first: f64,
    mut progress: impl FnMut(&Sample),
) -> Result<Highest> {
    let mut samples = Vec::new();
    let mut version = None;
    let (rate, generator_limited) = bracket(first, |rate| {
        let mut verdict = Verdict::GeneratorLimited;
        for _ in 0..TRIES {
            let round = samples.len() as u32 + 1;
            let (sample, seen) = stage.run(peer, rate, round, stage.args.seconds)?;
            version = Some(seen);
            progress(&sample);
            verdict = judge(&sample);
            samples.push(sample);
            if verdict != Verdict::GeneratorLimited {
                break;
            }
        }
        Ok(verdict)
    })?;
    Ok(Highest {
        peer: peer.name(),
        version,
        rate,
        generator_limited,
        samples,
    })
}

fn judge(sample: &Sample) -> Verdict {
    if sample.counts && sample.latency.p99_ms < TOO_SLOW_MS {
        Verdict::KeptUp
    } else if sample.is_generator_limited() {
        Verdict::GeneratorLimited
    } else {
        Verdict::FellBehind
    }
}

/// The highest rate that was kept up with, and whether the generator ended the search.
fn bracket(first: f64, mut try_rate: impl FnMut(f64) -> Result<Verdict>) -> Result<(f64, bool)> {
    let (mut kept, mut failed) = (0.0, f64::INFINITY);
    let mut limited = false;
    let mut rate = first;
    while rate < LIMIT && failed - kept > (kept * EXACT).max(1.0) {
        match try_rate(rate)? {
            Verdict::KeptUp => kept = rate,
            Verdict::FellBehind => (failed, limited) = (rate, false),
            Verdict::GeneratorLimited => (failed, limited) = (rate, true),
        }
        rate = if failed.is_finite() {
            f64::midpoint(kept, failed).round()
        } else {
            kept * 2.0
        };
    }
    Ok((kept, limited))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search_to(limit: f64, first: f64, verdict: Verdict) -> (f64, bool, usize) {
        let mut tries = 0;
        let (rate, limited) = bracket(first, |rate| {
            tries += 1;
            Ok(if rate <= limit {
                Verdict::KeptUp
            } else {
                verdict
            })
        })
        .unwrap();
        (rate, limited, tries)
    }

    #[test]
    fn the_search_comes_close_from_below() {
        for limit in [1.0, 49.0, 333.0, 777.0, 5_000.0] {
            let (rate, limited, tries) = search_to(limit, 50.0, Verdict::FellBehind);
            assert!(
                rate <= limit && rate >= limit * 0.94 - 1.0,
                "{rate} {limit}"
            );
            assert!(!limited);
            assert!(tries <= 14, "{tries} tries");
        }
        let (rate, limited, _) = search_to(300.0, 50.0, Verdict::GeneratorLimited);
        assert!(limited && rate > 280.0);
        assert!((search_to(0.0, 50.0, Verdict::FellBehind).0).abs() < 1e-9);
    }
}
