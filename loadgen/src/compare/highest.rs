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

/// Runs at one rate, at most.
const TRIES: usize = 8;

/// A rate is given up when so many runs fell behind that nothing disturbed.
const ENOUGH: usize = 2;

/// A run in which the cores shared no cache for more than this share of the time is a disturbed one.
const APART: f64 = 0.03;

/// No rate above this is tried.
const LIMIT: f64 = 1e5;

/// What the search came to.
#[derive(Debug, Clone, Serialize)]
pub struct Highest {
    /// The server.
    pub peer: &'static str,
    /// Its version.
    pub version: Option<String>,
    /// Messages per second that it kept up with in a run: each delivered, p99 below 100 ms. 0 if not even the first.
    pub rate: f64,
    /// What kept it from more.
    pub limit: Limit,
    /// Every run of the search.
    pub samples: Vec<Sample>,
}

/// What kept a server from more than it kept up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// It fell behind.
    Server,
    /// The generator, so that the server may do more.
    Generator,
    /// Wherever it fell behind, its core and the generator's shared no cache for a part of the time: it may do more as well.
    Cores,
}

/// What a run, or some of them, say about their rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    KeptUp,
    Not(Limit),
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
    let (rate, limit) = bracket(first, |rate| {
        several(|| {
            let round = samples.len() as u32 + 1;
            let (sample, seen) = stage.run(peer, rate, round, stage.args.seconds)?;
            version = Some(seen);
            progress(&sample);
            let verdict = judge(&sample);
            samples.push(sample);
            Ok(verdict)
        })
    })?;
    Ok(Highest {
        peer: peer.name(),
        version,
        rate,
        limit,
        samples,
    })
}

fn judge(sample: &Sample) -> Verdict {
    // A generator that is the limit makes latencies longer, not shorter.
    if sample.is_whole() && sample.latency.p99_ms < TOO_SLOW_MS {
        Verdict::KeptUp
    } else if sample.apart.is_some_and(|apart| apart > APART) {
        Verdict::Not(Limit::Cores)
    } else if sample.is_generator_limited() {
        Verdict::Not(Limit::Generator)
    } else {
        Verdict::Not(Limit::Server)
    }
}

/// The verdict of several runs at one rate: what disturbs them passes.
fn several(mut run: impl FnMut() -> Result<Verdict>) -> Result<Verdict> {
    let mut fell_behind = 0;
    let mut last = run()?;
    for _ in 1..TRIES {
        match last {
            Verdict::KeptUp => return Ok(last),
            Verdict::Not(Limit::Server) => fell_behind += 1,
            Verdict::Not(Limit::Generator | Limit::Cores) => {}
        }
        if fell_behind == ENOUGH {
            break;
        }
        last = run()?;
    }
    Ok(last)
}

/// The highest rate that was kept up with, and what ended the search.
fn bracket(first: f64, mut try_rate: impl FnMut(f64) -> Result<Verdict>) -> Result<(f64, Limit)> {
    let (mut kept, mut failed) = (0.0, f64::INFINITY);
    let mut limit = Limit::Server;
    let mut rate = first;
    while rate < LIMIT && failed - kept > (kept * EXACT).max(1.0) {
        match try_rate(rate)? {
            Verdict::KeptUp => kept = rate,
            Verdict::Not(by) => (failed, limit) = (rate, by),
        }
        rate = if failed.is_finite() {
            f64::midpoint(kept, failed).round()
        } else {
            kept * 2.0
        };
    }
    Ok((kept, limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FELL_BEHIND: Verdict = Verdict::Not(Limit::Server);
    const DISTURBED: Verdict = Verdict::Not(Limit::Cores);

    fn search_to(limit: f64, first: f64, verdict: Verdict) -> (f64, Limit, usize) {
        let mut tries = 0;
        let (rate, limit) = bracket(first, |rate| {
            tries += 1;
            Ok(if rate <= limit {
                Verdict::KeptUp
            } else {
                verdict
            })
        })
        .unwrap();
        (rate, limit, tries)
    }

    #[test]
    fn the_search_comes_close_from_below() {
        for limit in [1.0, 49.0, 333.0, 777.0, 5_000.0] {
            let (rate, by, tries) = search_to(limit, 50.0, FELL_BEHIND);
            assert!(
                rate <= limit && rate >= limit * 0.94 - 1.0,
                "{rate} {limit}"
            );
            assert_eq!(by, Limit::Server);
            assert!(tries <= 14, "{tries} tries");
        }
        let (rate, by, _) = search_to(300.0, 50.0, Verdict::Not(Limit::Generator));
        assert!(by == Limit::Generator && rate > 280.0);
        assert!((search_to(0.0, 50.0, FELL_BEHIND).0).abs() < 1e-9);
    }

    #[test]
    fn what_disturbs_a_run_gives_it_another_chance() {
        let kept = Verdict::KeptUp;
        let runs: [(&[Verdict], Verdict, usize); 5] = [
            (&[kept], kept, 1),
            (&[FELL_BEHIND, kept], kept, 2),
            (&[FELL_BEHIND, FELL_BEHIND, kept], FELL_BEHIND, 2),
            (&[DISTURBED, FELL_BEHIND, DISTURBED, kept], kept, 4),
            (&[DISTURBED; TRIES + 1], DISTURBED, TRIES),
        ];
        for (verdicts, expected, count) in runs {
            let mut left = verdicts.iter();
            let verdict = several(|| Ok(*left.next().unwrap())).unwrap();
            assert_eq!((verdict, verdicts.len() - left.len()), (expected, count));
        }
    }
}
