//! A report as text for people.

use std::fmt::Write as _;

use super::{Percentiles, Report};

/// The figures, one subject a line.
pub(super) fn figures(report: &Report) -> String {
    let mut out = String::new();
    write(&mut out, report).expect("invariant: writing to a String cannot fail");
    out
}

fn write(out: &mut String, report: &Report) -> std::fmt::Result {
    let Report {
        settings,
        sessions,
        publishes,
        deliveries,
        ..
    } = report;
    writeln!(
        out,
        "run {} (seed {}), {}: {} sessions, {} guilds, {} msg/s of {} bytes, {} s after {} s of warm-up",
        settings.run,
        settings.seed,
        report.scenario.name,
        settings.sessions,
        settings.guilds,
        settings.rate,
        settings.payload_bytes,
        settings.duration_s,
        settings.warmup_s,
    )?;
    writeln!(
        out,
        "sessions    connected in {:.1} s; {} resumed, {} identified again, {} found dead, {} lost, {} connects failed",
        sessions.connect_s,
        sessions.resumed,
        sessions.reidentified,
        sessions.zombies,
        sessions.lost,
        sessions.connect_failures,
    )?;
    let counters = &publishes.counters;
    writeln!(
        out,
        "publishes   {} of {} acknowledged; {} refused, {} unknown, {} unsent, {} retries ({} rate limited)",
        counters.acked,
        publishes.planned,
        counters.refused,
        counters.unknown,
        counters.unsent,
        counters.retries,
        counters.rate_limited,
    )?;
    writeln!(
        out,
        "deliveries  {:.0}/s; {} of {} expected in all, {:.2} per read, last one {:.2} s after the last acknowledgement",
        report.deliveries_per_s,
        deliveries.total,
        deliveries.expected,
        deliveries.per_read,
        deliveries.drain_s,
    )?;
    latencies(
        out,
        "latency",
        "intended send to reception",
        deliveries.latency,
    )?;
    latencies(
        out,
        "",
        "from the real send: what a naive measurement shows",
        deliveries.latency_from_send,
    )?;
    latencies(out, "", "intended send to acknowledgement", publishes.ack)?;
    let asides = &report.asides;
    if asides.done + asides.failed + asides.skipped > 0 {
        writeln!(
            out,
            "beside      {} other requests done, {} failed, {} left out",
            asides.done, asides.failed, asides.skipped
        )?;
    }
    for mark in &report.timeline.marks {
        write!(
            out,
            "mark        {:.1} to {:.1} s: {}",
            mark.from_s, mark.to_s, mark.label
        )?;
        match &mark.error {
            Some(error) => writeln!(out, ", which failed: {error}")?,
            None => writeln!(out)?,
        }
    }
    costs(out, report)
}

/// What server and generator used.
fn costs(out: &mut String, report: &Report) -> std::fmt::Result {
    let generator = &report.generator;
    if let Some(server) = &report.server {
        writeln!(
            out,
            "server      {:.2} cores, {:.2} µs per delivery; {:.1} MB resident, {:.0} bytes per idle session",
            server.cores,
            server.cpu_us_per_delivery,
            megabytes(server.rss_bytes),
            server.rss_bytes_per_session,
        )?;
    }
    writeln!(
        out,
        "generator   {:.2} CPU s, {:.2} µs per delivery; {} late sends, {:.1} MB resident",
        generator.cpu_s,
        generator.cpu_us_per_delivery,
        generator.late_sends,
        megabytes(generator.rss_bytes),
    )?;
    if let (Some(share), Some(server)) = (generator.cpu_of_server, &report.server) {
        writeln!(
            out,
            "            its {:.2} µs per delivery are {:.0} % of the server's {:.2}",
            generator.cpu_us_per_delivery,
            share * 100.0,
            server.cpu_us_per_delivery,
        )?;
    }
    for thread in &generator.threads {
        write!(
            out,
            "            {}: busy {:.0} %, waiting for a core {:.0} %",
            thread.name,
            thread.utilisation * 100.0,
            thread.starved * 100.0,
        )?;
        match thread.lag_p99_ms {
            Some(lag) => writeln!(out, ", loop late by {lag:.1} ms (p99)")?,
            None => writeln!(
                out,
                ", sends late by {:.1} ms (p99)",
                generator.send_lag.p99_ms
            )?,
        }
    }
    Ok(())
}

fn latencies(out: &mut String, name: &str, what: &str, values: Percentiles) -> std::fmt::Result {
    writeln!(
        out,
        "{name:<12}p50 {:.1}  p99 {:.1}  p99.9 {:.1}  max {:.1} ms  ({what})",
        values.p50_ms, values.p99_ms, values.p999_ms, values.max_ms,
    )
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Errors, warnings and violations.
pub(super) fn findings(report: &Report) -> String {
    let mut out = String::new();
    write_findings(&mut out, report).expect("invariant: writing to a String cannot fail");
    out
}

fn write_findings(out: &mut String, report: &Report) -> std::fmt::Result {
    for (error, count) in &report.publishes.errors {
        writeln!(out, "error       {count} × {error}")?;
    }
    if report.interrupted {
        writeln!(out, "warning     ended early by a signal")?;
    }
    if report.generator_limited {
        writeln!(
            out,
            "warning     the generator was the bottleneck, this run does not count:"
        )?;
        for limit in &report.generator.limits {
            writeln!(out, "            {limit}")?;
        }
    }
    if report.violations == 0 {
        return writeln!(out, "violations  none");
    }
    write!(out, "violations  {}:", report.violations)?;
    for (kind, count) in &report.checks.by_kind {
        write!(out, " {count} {kind}")?;
    }
    writeln!(out)?;
    for violation in &report.checks.first {
        writeln!(out, "  {violation}")?;
    }
    Ok(())
}
