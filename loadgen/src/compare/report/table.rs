//! The tables.

use std::fmt::{Result, Write};

use super::{Report, Row};
use crate::compare::highest::Limit;
use crate::compare::summary::Spread;

/// Writes all there is.
pub(super) fn write(out: &mut String, report: &Report) -> Result {
    let settings = &report.settings;
    writeln!(
        out,
        "{} connections, messages of {} bytes; server on core {}, generator on core {}; load of the machine {:.1} before, {:.1} after",
        settings.sessions,
        settings.payload,
        core(settings.server_cpu),
        core(settings.load_cpu),
        report.machine.load,
        report
            .machine_after
            .as_ref()
            .map_or(0.0, |after| after.load),
    )?;
    if !report.rows.is_empty() {
        rows(out, report)?;
    }
    if !report.highest.is_empty() {
        writeln!(
            out,
            "\n| server | highest rate with p99 < 100 ms, messages/s | deliveries/s |\n|---|---|---|"
        )?;
        for highest in &report.highest {
            let more = match highest.limit {
                Limit::Server => "",
                Limit::Generator => " or more (the generator was the limit)",
                Limit::Cores => " or more (the cores shared no cache)",
            };
            writeln!(
                out,
                "| {} | {:.0}{more} | {:.0} |",
                highest.peer,
                highest.rate,
                highest.rate * f64::from(settings.sessions)
            )?;
        }
    }
    if !report.shots.is_empty() {
        writeln!(
            out,
            "\n| server | first to last delivery, ms | × floor | sending to last, ms | RSS per connection, KB |\n|---|---|---|---|---|"
        )?;
        for shots in &report.shots {
            writeln!(
                out,
                "| {} | {} | {} | {} | {:.1} |",
                shots.peer,
                spread(shots.first_to_last_ms, 1),
                times(shots.floor_ratio),
                spread(shots.send_to_last_ms, 1),
                shots.rss_per_connection.median / 1_024.0,
            )?;
        }
    }
    if !report.footprints.is_empty() {
        writeln!(
            out,
            "\n| server | RSS per connection, KB: subscribed | idle | after 64,000 bytes to each | when that is over |\n|---|---|---|---|---|"
        )?;
        for footprint in &report.footprints {
            writeln!(
                out,
                "| {} | {} | {} | {} | {} |",
                footprint.peer,
                kilobytes(footprint.subscribed),
                kilobytes(footprint.idle),
                kilobytes(footprint.burst),
                kilobytes(footprint.rested),
            )?;
        }
    }
    writeln!(out)?;
    for peer in &report.peers {
        match (&peer.version, &peer.skipped) {
            (_, Some(why)) => writeln!(out, "{}: skipped, {why}", peer.name)?,
            (Some(version), None) => writeln!(out, "{} {version}: {}", peer.name, peer.what)?,
            (None, None) => writeln!(out, "{}: {}", peer.name, peer.what)?,
        }
    }
    for failure in &report.failures {
        writeln!(
            out,
            "failed: {} at {} messages/s: {}",
            failure.peer, failure.rate, failure.error
        )?;
    }
    Ok(())
}

fn rows(out: &mut String, report: &Report) -> Result {
    writeln!(
        out,
        "\n| messages/s | server | CPU µs per delivery | × {} | deliveries/s | per read | p50 ms | p99 ms | p99.9 ms | max ms | cores | RSS per connection, KB | runs |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|",
        report.settings.base
    )?;
    for row in &report.rows {
        writeln!(
            out,
            "| {} | {} | {} | {} | {:.0} | {:.1} | {} | {} | {} | {} | {:.2} | {:.1} | {} |",
            row.rate,
            row.peer,
            spread(row.cpu_us_per_delivery, 2),
            times(row.cpu_ratio),
            row.deliveries_per_s.median,
            row.per_read.median,
            millis(row.p50_ms, false),
            millis(row.p99_ms, true),
            millis(row.p999_ms, false),
            millis(row.max_ms, false),
            row.cores.median,
            row.rss_per_connection.median / 1_024.0,
            runs(row),
        )?;
    }
    let shares = report.samples.iter().filter_map(|sample| sample.others);
    let (server, load) = shares.fold((0.0, 0.0), |most: (f64, f64), (server, load)| {
        (most.0.max(server), most.1.max(load))
    });
    writeln!(
        out,
        "\nother processes took up to {:.0} % of the servers' core and {:.0} % of the generator's",
        server * 100.0,
        load * 100.0
    )?;
    let apart = report.samples.iter().filter_map(|sample| sample.apart);
    if let Some(most) = apart.reduce(f64::max) {
        writeln!(
            out,
            "\nthe two cores shared no cache for up to {:.0} % of a run",
            most * 100.0
        )?;
    }
    let troubled = report.rows.iter().filter(|row| !row.reasons.is_empty());
    for row in troubled {
        writeln!(
            out,
            "\n{} at {}: {}",
            row.peer,
            row.rate,
            row.reasons.join("; ")
        )?;
    }
    Ok(())
}

/// How many runs count.
fn runs(row: &Row) -> String {
    if row.counted == 0 {
        format!("none of {} counts", row.runs)
    } else if row.counted < row.runs {
        format!("{} of {}", row.counted, row.runs)
    } else {
        row.runs.to_string()
    }
}

/// The median, and the range if there is one.
fn spread(spread: Spread, digits: usize) -> String {
    if spread.min.to_bits() == spread.max.to_bits() {
        format!("{:.digits$}", spread.median)
    } else {
        format!(
            "{:.digits$} ({:.digits$}–{:.digits$})",
            spread.median, spread.min, spread.max
        )
    }
}

/// Milliseconds; nothing was measured where they are zero.
fn millis(value: Spread, with_range: bool) -> String {
    if value.max <= 0.0 {
        "-".to_owned()
    } else if with_range {
        spread(value, 1)
    } else {
        format!("{:.1}", value.median)
    }
}

fn kilobytes(bytes: Spread) -> String {
    let kilobytes = |bytes: f64| bytes / 1_024.0;
    let bytes = Spread {
        median: kilobytes(bytes.median),
        min: kilobytes(bytes.min),
        max: kilobytes(bytes.max),
    };
    spread(bytes, 1)
}

fn times(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"))
}

fn core(core: Option<usize>) -> String {
    core.map_or_else(|| "any".to_owned(), |core| core.to_string())
}
