//! The page around the plots.

use std::fmt::{Result, Write as _};

use super::axes::Scale;
use super::plot::{Series, figure};
use super::{escape, head, heat, number};
use crate::report::side::rows;
use crate::report::{Report, Sample};

/// The whole page for one run, or for several side by side.
pub(super) fn page(runs: &[(String, Report)]) -> String {
    let mut out = String::new();
    write_page(&mut out, runs).expect("invariant: writing to a String cannot fail");
    out
}

fn write_page(out: &mut String, runs: &[(String, Report)]) -> Result {
    let title = match runs {
        [(_, run)] => format!("{} · loadgen", run.scenario.name),
        _ => "loadgen: runs side by side".to_owned(),
    };
    let class = if runs.len() > 1 { " class=side" } else { "" };
    head(out, &title)?;
    write!(out, "<body><main{class}>")?;
    if let [(_, run)] = runs {
        header(out, run, &run.scenario.name)?;
        cards(out, run)?;
        plots(out, run);
        details(out, run)?;
    } else {
        write!(out, "<h1>Runs side by side</h1>")?;
        comparison(out, runs)?;
        write!(out, "<div class=runs>")?;
        for (name, run) in runs {
            write!(out, "<section>")?;
            header(out, run, name)?;
            plots(out, run);
            details(out, run)?;
            write!(out, "</section>")?;
        }
        write!(out, "</div>")?;
    }
    write!(out, "</main></body></html>")
}

fn header(out: &mut String, run: &Report, name: &str) -> Result {
    let settings = &run.settings;
    write!(
        out,
        "<h1>{}</h1><p>{}</p><p class=soft>{} sessions · {} guilds · {} messages/s of {} bytes · {} s measured · run {} · seed {}</p><div class=badges>",
        escape(name),
        escape(&run.scenario.description),
        number(f64::from(settings.sessions)),
        number(f64::from(settings.guilds)),
        number(settings.rate),
        settings.payload_bytes,
        number(settings.duration_s),
        settings.run,
        settings.seed,
    )?;
    if run.violations == 0 {
        write!(out, "<span class='badge good'>no violation</span>")?;
    } else {
        write!(
            out,
            "<span class='badge bad'>{} violations</span>",
            number(run.violations as f64)
        )?;
    }
    if run.generator_limited {
        write!(
            out,
            "<span class='badge warn'>the generator was the bottleneck: this run does not count</span>"
        )?;
    }
    if run.interrupted {
        write!(out, "<span class='badge warn'>ended early</span>")?;
    }
    write!(out, "</div>")
}

fn cards(out: &mut String, run: &Report) -> Result {
    let latency = &run.deliveries.latency;
    let ms = |value| format!("{} ms", number(value));
    let mut all = vec![
        (number(run.deliveries_per_s), "deliveries per second"),
        (ms(latency.p50_ms), "p50, intended send to reception"),
        (ms(latency.p99_ms), "p99"),
        (ms(latency.p999_ms), "p99.9"),
        (ms(latency.max_ms), "longest"),
        (
            ms(run.deliveries.latency_from_send.p99_ms),
            "p99 as a naive measurement shows it",
        ),
        (
            format!(
                "{} of {}",
                number(run.publishes.counters.acked as f64),
                number(run.publishes.planned as f64)
            ),
            "messages acknowledged",
        ),
        (
            number(run.deliveries.total as f64),
            "deliveries, all of them judged",
        ),
        (number(run.resumes as f64), "sessions resumed"),
        (
            format!("{} µs", number(run.generator.cpu_us_per_delivery)),
            "generator CPU per delivery",
        ),
    ];
    if let Some(server) = &run.server {
        all.push((
            format!("{} µs", number(server.cpu_us_per_delivery)),
            "server CPU per delivery",
        ));
        if let Some(share) = run.generator.cpu_of_server {
            let share = format!("{} %", number((share * 100.0).round()));
            all.push((share, "generator's share of the server's CPU per delivery"));
        }
        all.push((
            format!("{} MB", number(server.rss_bytes as f64 / 1e6)),
            "server memory at the end",
        ));
    }
    write!(out, "<div class=cards>")?;
    for (value, name) in all {
        write!(
            out,
            "<div class=card><b>{value}</b><span>{}</span></div>",
            escape(name)
        )?;
    }
    write!(out, "</div>")
}

fn plots(out: &mut String, run: &Report) {
    let timeline = &run.timeline;
    let series = |name, value: fn(&Sample) -> f64| Series {
        name,
        values: timeline.samples.iter().map(value).collect(),
    };
    let latency = [
        series("p50", |sample| sample.p50_ms),
        series("p99", |sample| sample.p99_ms),
        series("p99.9", |sample| sample.p999_ms),
        series("longest", |sample| sample.max_ms),
    ];
    let unit = "ms from the intended send, each second by itself";
    out.push_str(&figure(
        ("Latency", unit),
        timeline,
        &latency,
        Scale::Decades,
    ));
    let throughput = [series("deliveries", |sample| sample.deliveries_per_s)];
    let unit = "deliveries per second";
    out.push_str(&figure(
        ("Throughput", unit),
        timeline,
        &throughput,
        Scale::FromZero,
    ));
    let acked = [series("acknowledged", |sample| sample.acked_per_s)];
    let unit = "messages per second";
    out.push_str(&figure(
        ("Acknowledged", unit),
        timeline,
        &acked,
        Scale::FromZero,
    ));
    let cpu = [
        series("server", |sample| sample.server_cores),
        series("generator", |sample| sample.generator_cores),
    ];
    out.push_str(&figure(
        ("CPU", "cores in use"),
        timeline,
        &cpu,
        Scale::FromZero,
    ));
    if timeline.samples.iter().any(|sample| sample.detached > 0) {
        let detached = [series("detached", |sample| sample.detached as f64)];
        let unit = "sessions without a connection";
        out.push_str(&figure(
            ("Away", unit),
            timeline,
            &detached,
            Scale::FromZero,
        ));
    }
    out.push_str(&heat::figure(timeline));
}

fn details(out: &mut String, run: &Report) -> Result {
    if !run.checks.first.is_empty() {
        write!(
            out,
            "<h2>Violations</h2><p class=soft>The first {} of {}.</p><div class=box><table><tr><th>kind<th>guild<th>session<th>expected<th>seen</tr>",
            run.checks.first.len(),
            run.violations
        )?;
        for violation in &run.checks.first {
            let number = |number: Option<u32>| number.map_or(String::new(), |n| n.to_string());
            write!(
                out,
                "<tr><td>{}<td>{}<td>{}<td>{}<td>{}</tr>",
                violation.kind.name(),
                number(violation.guild),
                number(violation.session),
                escape(&violation.expected),
                escape(&violation.seen)
            )?;
        }
        write!(out, "</table></div>")?;
    }
    for limit in &run.generator.limits {
        write!(out, "<p>{}</p>", escape(limit))?;
    }
    write!(
        out,
        "<details><summary>The generator's threads</summary><div class=box><table><tr><th>thread<th class=n>busy<th class=n>waiting for a core<th class=n>loop late, p99</tr>"
    )?;
    for thread in &run.generator.threads {
        let lag = thread.lag_p99_ms.unwrap_or(run.generator.send_lag.p99_ms);
        write!(
            out,
            "<tr><td>{}<td class=n>{:.0} %<td class=n>{:.0} %<td class=n>{} ms</tr>",
            escape(&thread.name),
            thread.utilisation * 100.0,
            thread.starved * 100.0,
            number(lag)
        )?;
    }
    write!(out, "</table></div></details>")?;
    let scenario = toml::to_string(&run.scenario).unwrap_or_default();
    write!(
        out,
        "<details><summary>The scenario</summary><div class=box><pre>{}</pre></div></details>",
        escape(&scenario)
    )
}

fn comparison(out: &mut String, runs: &[(String, Report)]) -> Result {
    write!(out, "<div class=box><table><tr><th>")?;
    for (name, _) in runs {
        write!(out, "<th class=n>{}", escape(name))?;
    }
    write!(out, "</tr>")?;
    for row in rows(runs) {
        write!(out, "<tr><td>{}", escape(row.name))?;
        for value in &row.values {
            let value = value.map_or("–".to_owned(), number);
            write!(out, "<td class=n>{value}")?;
        }
        write!(out, "</tr>")?;
    }
    write!(out, "</table></div>")
}
