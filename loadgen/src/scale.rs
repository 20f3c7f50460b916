//! `loadgen scale`: the same load at every point of a grid of sessions and rates, and what the points say together.
//!
//! The Universal Scalability Law is fitted to the throughput over the sessions, and Little's law is checked at each
//! point: messages under way on average are their rate times their time to the acknowledgement.

mod usl;

use anyhow::{Result, ensure};
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
    /// What is the same at each point; --json prints the points and the fit as one JSON object
    #[command(flatten)]
    pub run: Box<RunArgs>,
}

/// What a grid came to.
#[derive(Debug, Serialize)]
pub struct Scaled {
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
    ensure!(
        args.run.record.is_none() && args.run.html.is_none(),
        "--record and --html are of single runs"
    );
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
                if point.counts {
                    ""
                } else {
                    " (does not count)"
                }
            );
            points.push(point);
        }
    }
    let fits = args.grid_rates.iter().map(|rate| {
        let of_rate = points
            .iter()
            .filter(|point| point.counts && (point.rate - rate).abs() < 1e-9);
        let pairs = of_rate.map(|point| (f64::from(point.sessions), point.deliveries_per_s));
        RateFit {
            rate: *rate,
            fit: fit(&pairs.collect::<Vec<_>>()),
        }
    });
    let scaled = Scaled {
        fits: fits.collect(),
        points,
    };
    if args.run.json {
        println!("{}", serde_json::to_string(&scaled)?);
    } else {
        print(&scaled);
    }
    Ok(scaled.points.iter().map(|point| point.violations).sum())
}

impl Point {
    fn of(report: &Report) -> Self {
        let acked = ratio(
            report.publishes.ack.count as f64,
            report.settings.duration_s,
        );
        Self {
            sessions: report.settings.sessions,
            rate: report.settings.rate,
            acked_per_s: acked,
            deliveries_per_s: report.deliveries_per_s,
            p99_ms: report.p99_ms,
            under_way: report.publishes.under_way,
            under_way_by_little: acked * report.publishes.ack.mean_ms / 1_000.0,
            violations: report.violations,
            counts: report.violations == 0 && !report.generator_limited,
        }
    }
}

fn print(scaled: &Scaled) {
    println!(
        "| sessions | messages/s | acknowledged/s | deliveries/s | p99 ms | under way | by Little's law | counts |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for point in &scaled.points {
        println!(
            "| {} | {} | {:.1} | {:.0} | {:.1} | {:.2} | {:.2} | {} |",
            point.sessions,
            point.rate,
            point.acked_per_s,
            point.deliveries_per_s,
            point.p99_ms,
            point.under_way,
            point.under_way_by_little,
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
                    Some(peak) => format!("most at {peak:.0} sessions"),
                    None => "no peak within the law".to_owned(),
                }
            ),
            None => println!("\nat {rate} messages/s: fewer than three points count, no fit"),
        }
    }
}
