//! `loadgen scale`: the same load at every point of a grid of sessions and rates, and what the points say together.
//!
//! The Universal Scalability Law is fitted to the throughput over the sessions, and Little's law is checked at each
//! point: messages under way on average are their rate times their time to the acknowledgement.

mod drawing;
mod page;
mod usl;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde::Serialize;

use crate::report::{Report, ratio};
use crate::run::{self, RunArgs};
use usl::{Fit, fit};

/// Settings of `loadgen scale`.
#[derive(Debug, Clone, Args)]
pub struct ScaleArgs {
    /// Numbers of sessions, ascending
    #[arg(
        long,
        value_name = "N,N,…",
        value_delimiter = ',',
        default_value = "50,100,200,400"
    )]
    pub grid_sessions: Vec<std::num::NonZeroU32>,
    /// Messages per second, ascending
    #[arg(long, value_name = "R,R,…", value_delimiter = ',', default_value = "20,50", value_parser = crate::cli::positive)]
    pub grid_rates: Vec<f64>,
    /// Write the plots as one SVG file
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// What is the same at each point; --json prints points and fits as one JSON object, --html writes them as a page
    #[command(flatten)]
    pub run: Box<RunArgs>,
}

/// What a grid came to.
#[derive(Debug, Serialize)]
pub struct Scaled {
    /// What is the same at all points, in words.
    pub about: String,
    /// Each point, by sessions and then by rate.
    pub points: Vec<Point>,
    /// For each rate the law fitted to its points that count.
    pub fits: Vec<RateFit>,
}

/// One point of the grid.
#[derive(Debug, Clone, Serialize)]
pub struct Point {
    /// Sessions.
    pub sessions: u32,
    /// Messages per second asked for.
    pub rate: f64,
    /// Messages acknowledged per second.
    pub acked_per_s: f64,
    /// Deliveries per second.
    pub deliveries_per_s: f64,
    /// 99th percentile of the latency.
    pub p99_ms: f64,
    /// Messages under way, as they were counted.
    pub under_way: f64,
    /// The same by Little's law: rate times mean time to the acknowledgement.
    pub under_way_by_little: f64,
    /// Checks violated.
    pub violations: u64,
    /// Whether it counts: nothing violated, and the generator was not the bottleneck.
    pub counts: bool,
    /// Why it does not.
    pub why_not: Option<String>,
    /// CPU time of the server per delivery in microseconds, if its process is known.
    pub server_us_per_delivery: Option<f64>,
    /// CPU time of the generator per delivery in microseconds.
    pub generator_us_per_delivery: f64,
}

/// The law for one rate.
#[derive(Debug, Serialize)]
pub struct RateFit {
    /// Messages per second.
    pub rate: f64,
    /// The law's parameters; none with fewer than three points that count.
    pub fit: Option<Fit>,
}

/// Runs the grid and prints it. Violations are told by the points; the caller makes an exit status of them.
pub fn run(args: &ScaleArgs) -> Result<u64> {
    ensure!(args.run.record.is_none(), "--record is of single runs");
    let mut points = Vec::new();
    for sessions in &args.grid_sessions {
        for rate in &args.grid_rates {
            let mut one = (*args.run).clone();
            one.sessions = Some(*sessions);
            one.rate = Some(*rate);
            let point = Point::of(&run::run(&one)?);
            eprintln!(
                "loadgen: {} sessions, {} messages/s: {:.0} deliveries/s, p99 {:.1} ms{}",
                point.sessions,
                point.rate,
                point.deliveries_per_s,
                point.p99_ms,
                match &point.why_not {
                    None => String::new(),
                    Some(why) => format!(" (does not count: {why})"),
                }
            );
            points.push(point);
        }
    }
    let fits = args.grid_rates.iter().map(|rate| RateFit {
        rate: *rate,
        fit: fit_of(&points, *rate),
    });
    let scaled = Scaled {
        about: about(args)?,
        fits: fits.collect(),
        points,
    };
    write(args.svg.as_deref(), || drawing::file(&scaled))?;
    write(args.run.html.as_deref(), || page::page(&scaled))?;
    if args.run.json {
        println!("{}", serde_json::to_string(&scaled)?);
    } else {
        print(&scaled);
    }
    Ok(scaled.points.iter().map(|point| point.violations).sum())
}

/// The law of the points of one rate that count.
fn fit_of(points: &[Point], rate: f64) -> Option<Fit> {
    let of_rate = points
        .iter()
        .filter(|point| point.counts && (point.rate - rate).abs() < 1e-9);
    let pairs = of_rate.map(|point| (f64::from(point.sessions), point.deliveries_per_s));
    fit(&pairs.collect::<Vec<_>>())
}

/// What is the same at all points.
fn about(args: &ScaleArgs) -> Result<String> {
    let mut one = (*args.run).clone();
    one.sessions = args.grid_sessions.first().copied();
    one.rate = args.grid_rates.first().copied();
    let scenario = one.scenario()?;
    Ok(format!(
        "{} of {} guilds each, {} bytes, {} s measured at each point",
        scenario.guilds.per_session,
        scenario.guilds.count,
        scenario.traffic.payload,
        scenario.phases.steady
    ))
}

fn write(path: Option<&Path>, text: impl FnOnce() -> String) -> Result<()> {
    path.map_or(Ok(()), |path| {
        fs::write(path, text()).with_context(|| path.display().to_string())
    })
}

impl Point {
    fn of(report: &Report) -> Self {
        let acked = ratio(
            report.publishes.ack.count as f64,
            report.settings.duration_s,
        );
        let why_not = if report.violations > 0 {
            Some(format!("{} violations", report.violations))
        } else if report.generator_limited {
            Some(report.generator.limits.join("; "))
        } else {
            None
        };
        let server = report.server.as_ref();
        Self {
            sessions: report.settings.sessions,
            rate: report.settings.rate,
            acked_per_s: acked,
            deliveries_per_s: report.deliveries_per_s,
            p99_ms: report.p99_ms,
            under_way: report.publishes.under_way,
            under_way_by_little: acked * report.publishes.ack.mean_ms / 1_000.0,
            violations: report.violations,
            counts: why_not.is_none(),
            why_not,
            server_us_per_delivery: server.map(|server| server.cpu_us_per_delivery),
            generator_us_per_delivery: report.generator.cpu_us_per_delivery,
        }
    }

    /// What tables show of it, in the order of their columns.
    fn figures(&self) -> [f64; 7] {
        [
            f64::from(self.sessions),
            self.rate,
            self.acked_per_s,
            self.deliveries_per_s,
            self.p99_ms,
            self.under_way,
            self.under_way_by_little,
        ]
    }
}

fn print(scaled: &Scaled) {
    println!(
        "| sessions | messages/s | acknowledged/s | deliveries/s | p99 ms | under way | by Little's law | counts |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for point in &scaled.points {
        let [sessions, rate, acked, deliveries, p99, under_way, by_little] = point.figures();
        println!(
            "| {sessions} | {rate} | {acked:.1} | {deliveries:.0} | {p99:.1} | {under_way:.2} | {by_little:.2} | {} |",
            if point.counts { "yes" } else { "no" }
        );
    }
    for RateFit { rate, fit } in &scaled.fits {
        match fit {
            Some(fit) => println!(
                "\nat {rate} messages/s: deliveries/s = {:.2} · N / (1 + σ (N - 1) + κ N (N - 1)), σ = {:.2e}, κ = {:.2e}, R² = {:.4}; {}",
                fit.lambda,
                fit.sigma,
                fit.kappa,
                fit.r_squared,
                match fit.peak {
                    Some(peak) => {
                        let last = scaled.points.iter().map(|point| point.sessions).max();
                        let is_within = peak <= f64::from(last.unwrap_or_default());
                        let but = if is_within {
                            ""
                        } else {
                            ", beyond what was measured"
                        };
                        format!("most at {peak:.0} sessions{but}")
                    }
                    None => "no peak within the law".to_owned(),
                }
            ),
            None => println!("\nat {rate} messages/s: fewer than three points count, no fit"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(sessions: u32, deliveries_per_s: f64, counts: bool) -> Point {
        Point {
            sessions,
            rate: 20.0,
            acked_per_s: 20.0,
            deliveries_per_s,
            p99_ms: 3.0,
            under_way: 0.4,
            under_way_by_little: 0.5,
            violations: 0,
            counts,
            why_not: (!counts).then(|| "1 < 2".to_owned()),
            server_us_per_delivery: None,
            generator_us_per_delivery: 9.0,
        }
    }

    #[test]
    fn points_law_and_peak_are_drawn_and_what_does_not_count_is_hollow() {
        // λ 10, κ 0.0001: a peak at a hundred.
        let law = |n: f64| 10.0 * n / (1.0 + 0.0001 * n * (n - 1.0));
        let points: Vec<Point> = [20, 60, 100, 140, 180]
            .map(|n| point(n, law(f64::from(n)), true))
            .into_iter()
            .chain([point(200, 1.0, false)])
            .collect();
        let scaled = Scaled {
            about: "a test".to_owned(),
            fits: vec![RateFit {
                rate: 20.0,
                fit: fit_of(&points, 20.0),
            }],
            points,
        };
        let peak = scaled.fits[0].fit.unwrap().peak.unwrap();
        assert!((peak - 100.0).abs() < 1.0, "{peak}");
        for text in [drawing::file(&scaled), page::page(&scaled)] {
            assert_eq!(text.matches("class=\"point counts s0\"").count(), 10);
            assert_eq!(text.matches("class=\"point s0\"").count(), 2);
            assert!(text.contains("peak: 100") && text.contains("class=\"line law s0\""));
            assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        }
        assert!(page::page(&scaled).contains("no: 1 &lt; 2"));
    }
}
