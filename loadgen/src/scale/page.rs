//! The grid as one HTML page.

use std::fmt::{Result, Write as _};

use super::drawing::{self, HEIGHT};
use super::{Point, Scaled};
use crate::report::html::axes::WIDTH;
use crate::report::html::{escape, head, number};

/// The page: both drawings and a table.
pub(super) fn page(scaled: &Scaled) -> String {
    let mut out = String::new();
    write_page(&mut out, scaled).expect("invariant: writing to a String cannot fail");
    out
}

fn write_page(out: &mut String, scaled: &Scaled) -> Result {
    head(out, "scale · loadgen")?;
    write!(
        out,
        "<body><main><h1>Scale</h1><p class=soft>{}</p><div class=badges>",
        escape(&scaled.about)
    )?;
    let violations: u64 = scaled.points.iter().map(|point| point.violations).sum();
    if violations == 0 {
        write!(out, "<span class='badge good'>no violation</span>")?;
    } else {
        write!(
            out,
            "<span class='badge bad'>{} violations</span>",
            number(violations as f64)
        )?;
    }
    let left_out = scaled.points.iter().filter(|point| !point.counts).count();
    if left_out > 0 {
        write!(
            out,
            "<span class='badge warn'>{left_out} of {} points do not count</span>",
            scaled.points.len()
        )?;
    }
    write!(out, "</div>")?;
    for (name, draw) in [
        (
            "Throughput",
            drawing::throughput as fn(&mut String, &Scaled) -> Result,
        ),
        ("Little's law", drawing::little),
    ] {
        write!(
            out,
            "<figure><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img aria-label=\"{name}\">"
        )?;
        draw(out, scaled)?;
        write!(out, "</svg></figure>")?;
    }
    table(out, &scaled.points)?;
    write!(out, "</main></body></html>")
}

fn table(out: &mut String, points: &[Point]) -> Result {
    write!(
        out,
        "<div class=box><table><tr><th class=n>sessions<th class=n>messages/s<th class=n>acknowledged/s<th class=n>deliveries/s\
         <th class=n>p99 ms<th class=n>under way<th class=n>by Little's law<th>counts</tr>"
    )?;
    for point in points {
        write!(out, "<tr>")?;
        for value in point.figures() {
            write!(out, "<td class=n>{}", number(value))?;
        }
        let counts = match &point.why_not {
            None => "yes".to_owned(),
            Some(why) => format!("no: {why}"),
        };
        write!(out, "<td>{}</tr>", escape(&counts))?;
    }
    write!(out, "</table></div>")
}
