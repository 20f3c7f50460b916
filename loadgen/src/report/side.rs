//! Runs side by side: `loadgen report A.json B.json`.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use super::{Report, html, ratio};

/// Settings of `loadgen report`.
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// Reports, written by `loadgen run --json`
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Write one HTML file with plots
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// A figure of each run.
pub(super) struct Row {
    pub(super) name: &'static str,
    /// In the order of the runs; `None` where a run does not have it.
    pub(super) values: Vec<Option<f64>>,
}

/// The figures by which runs are compared.
pub(super) fn rows(runs: &[(String, Report)]) -> Vec<Row> {
    let row = |name, value: fn(&Report) -> Option<f64>| Row {
        name,
        values: runs.iter().map(|(_, run)| value(run)).collect(),
    };
    vec![
        row("violations", |run| Some(run.violations as f64)),
        row("deliveries/s", |run| Some(run.deliveries_per_s)),
        row("latency p50 ms", |run| Some(run.p50_ms)),
        row("latency p99 ms", |run| Some(run.p99_ms)),
        row("latency p99.9 ms", |run| Some(run.p999_ms)),
        row("latency max ms", |run| Some(run.max_ms)),
        row("naive p99 ms", |run| {
            Some(run.deliveries.latency_from_send.p99_ms)
        }),
        row("ack p99 ms", |run| Some(run.publishes.ack.p99_ms)),
        row("acknowledged", |run| {
            Some(run.publishes.counters.acked as f64)
        }),
        row("resumed", |run| Some(run.resumes as f64)),
        row("deliveries per read", |run| Some(run.deliveries.per_read)),
        row("server µs/delivery", |run| {
            run.server.as_ref().map(|server| server.cpu_us_per_delivery)
        }),
        row("server MB", |run| {
            let server = run.server.as_ref();
            server.map(|server| server.rss_bytes as f64 / 1e6)
        }),
        row("generator µs/delivery", |run| {
            Some(run.generator.cpu_us_per_delivery)
        }),
        row("generator/server", |run| run.generator.cpu_of_server),
        row("generator limited", |run| {
            Some(f64::from(u8::from(run.generator_limited)))
        }),
    ]
}

/// Reads the reports, prints the table and writes the page.
pub fn run(args: &ReportArgs) -> Result<()> {
    let mut runs = Vec::new();
    for file in &args.files {
        let name = file.display().to_string();
        let text = fs::read_to_string(file).with_context(|| name.clone())?;
        let report: Report = serde_json::from_str(&text)
            .with_context(|| format!("{name}: not a report of this version's loadgen run"))?;
        let short = file.file_stem().map(|stem| stem.to_string_lossy());
        runs.push((short.map_or(name, Into::into), report));
    }
    ensure!(!runs.is_empty(), "no report");
    print!("{}", table(&runs));
    if let Some(path) = &args.html {
        html::write(path, &runs)?;
    }
    Ok(())
}

fn table(runs: &[(String, Report)]) -> String {
    let mut out = String::new();
    write_table(&mut out, runs).expect("invariant: writing to a String cannot fail");
    out
}

fn write_table(out: &mut String, runs: &[(String, Report)]) -> std::fmt::Result {
    write!(out, "{:<22}", "")?;
    for (name, _) in runs {
        write!(out, " {name:>16}")?;
    }
    writeln!(out, "{}", if runs.len() == 2 { "    ratio" } else { "" })?;
    for row in rows(runs) {
        write!(out, "{:<22}", row.name)?;
        for value in &row.values {
            let value = value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
            write!(out, " {value:>16}")?;
        }
        if let [Some(first), Some(second)] = row.values[..]
            && first > 0.0
        {
            write!(out, " {:>8.2}", ratio(second, first))?;
        }
        writeln!(out)?;
    }
    Ok(())
}
