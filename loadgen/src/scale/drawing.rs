//! The grid as drawings: throughput over sessions with the fitted law, and Little's law point by point.

use std::fmt::{Result, Write as _};

use super::{Point, RateFit, Scaled};
use crate::report::html::axes::{Axis, Frame, LEFT, RIGHT, Scale, WIDTH};
use crate::report::html::{escape, number, style};

/// Height of a drawing, and where the plot itself begins and ends.
pub(super) const HEIGHT: f64 = 340.0;
const TOP: f64 = 54.0;
const BOTTOM: f64 = HEIGHT - 40.0;

/// Lines that a curve is made of.
const STEPS: u32 = 80;

/// Colours that there are for rates; after the last comes the first again.
const COLOURS: usize = 4;

/// Both drawings in one SVG file of its own.
pub(super) fn file(scaled: &Scaled) -> String {
    let mut out = String::new();
    write_file(&mut out, scaled).expect("invariant: writing to a String cannot fail");
    out
}

fn write_file(out: &mut String, scaled: &Scaled) -> Result {
    let height = 2.0 * HEIGHT;
    write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\">\
         <style>{}{}</style><rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\"/><g>",
        style::COLOURS,
        style::DRAWING
    )?;
    throughput(out, scaled)?;
    write!(out, "</g><g transform=\"translate(0 {HEIGHT})\">")?;
    little(out, scaled)?;
    write!(out, "</g></svg>")
}

/// Deliveries per second over the sessions: points, laws and peaks.
pub(super) fn throughput(out: &mut String, scaled: &Scaled) -> Result {
    let points = &scaled.points;
    let sessions = points.iter().map(|point| f64::from(point.sessions));
    let values = points.iter().map(|point| point.deliveries_per_s);
    let frame = Frame {
        x: Axis::of(sessions, Scale::FromZero),
        y: Axis::of(values, Scale::FromZero),
        top: TOP,
        bottom: BOTTOM,
    };
    let title = "Deliveries per second over sessions, and the fitted law";
    grid(out, &frame, title, &format!("sessions · {}", scaled.about))?;
    for (index, RateFit { rate, fit }) in scaled.fits.iter().enumerate() {
        let colour = index % COLOURS;
        let mut says = format!("{} messages/s", number(*rate));
        if let Some(fit) = fit {
            let mut path = String::new();
            for step in 0..=STEPS {
                let n = (frame.x.high() * f64::from(step) / f64::from(STEPS)).max(1.0);
                let (x, y) = (frame.x(n), frame.y(fit.at(n)));
                write!(path, "{}{x:.1} {y:.1}", if step == 0 { 'M' } else { 'L' })?;
            }
            write!(
                out,
                "<path class=\"line law s{colour}\" d=\"{path}\"><title>{says}</title></path>"
            )?;
            write!(
                says,
                ": σ {:.2e}, κ {:.2e}, R² {:.3}",
                fit.sigma, fit.kappa, fit.r_squared
            )?;
            match fit.peak {
                Some(peak) => {
                    write!(says, ", most at {} sessions", number(peak.round()))?;
                    if peak <= frame.x.high() {
                        peak_line(out, &frame, peak)?;
                    } else {
                        says.push_str(", beyond what was measured");
                    }
                }
                None => says.push_str(", no peak"),
            }
        } else {
            says.push_str(": fewer than three points count, no fit");
        }
        legend(out, index, &says)?;
        for point in of_rate(points, *rate) {
            let place = (
                frame.x(f64::from(point.sessions)),
                frame.y(point.deliveries_per_s),
            );
            let says = format!(
                "{} sessions: {} deliveries/s, p99 {} ms",
                point.sessions,
                number(point.deliveries_per_s),
                number(point.p99_ms)
            );
            mark(out, place, colour, point, &says)?;
        }
    }
    Ok(())
}

/// Messages under way as they were counted, over what Little's law says; on the line both are the same.
pub(super) fn little(out: &mut String, scaled: &Scaled) -> Result {
    let points = &scaled.points;
    let both = points
        .iter()
        .flat_map(|point| [point.under_way, point.under_way_by_little]);
    let axis = Axis::of(both, Scale::Decades);
    let frame = Frame {
        x: axis,
        y: axis,
        top: TOP,
        bottom: BOTTOM,
    };
    grid(
        out,
        &frame,
        "Little's law: messages under way, counted (upward) over rate × mean time to the acknowledgement",
        "by Little's law; on the dotted line both are the same",
    )?;
    write!(
        out,
        "<path class=\"line same\" d=\"M{LEFT} {BOTTOM}L{:.1} {TOP}\"/>",
        WIDTH - RIGHT
    )?;
    for (index, RateFit { rate, .. }) in scaled.fits.iter().enumerate() {
        for point in of_rate(points, *rate) {
            if !axis.has(point.under_way) || !axis.has(point.under_way_by_little) {
                continue;
            }
            let place = (frame.x(point.under_way_by_little), frame.y(point.under_way));
            let says = format!(
                "{} sessions, {} messages/s: {} counted, {} by the law",
                point.sessions,
                number(*rate),
                number(point.under_way),
                number(point.under_way_by_little)
            );
            mark(out, place, index % COLOURS, point, &says)?;
        }
    }
    Ok(())
}

fn of_rate(points: &[Point], rate: f64) -> impl Iterator<Item = &Point> {
    points
        .iter()
        .filter(move |point| (point.rate - rate).abs() < 1e-9)
}

/// The lines behind a drawing with their numbers, its title and what is below.
fn grid(out: &mut String, frame: &Frame, title: &str, below: &str) -> Result {
    write!(
        out,
        "<text class=\"title\" x=\"{LEFT}\" y=\"18\">{}</text>",
        escape(title)
    )?;
    frame.rows(out)?;
    frame.columns(out, "")?;
    write!(
        out,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
        WIDTH - RIGHT,
        HEIGHT - 8.0,
        escape(below)
    )
}

/// What a rate's colour stands for, one line each, in the corner that the points leave free.
fn legend(out: &mut String, index: usize, text: &str) -> Result {
    let y = TOP + 12.0 + 16.0 * index as f64;
    write!(
        out,
        "<path class=\"line s{}\" d=\"M{:.1} {y:.1}h18\"/><text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        index % COLOURS,
        LEFT + 10.0,
        LEFT + 36.0,
        y + 4.0,
        escape(text)
    )
}

/// One point; hollow if it does not count.
fn mark(out: &mut String, (x, y): (f64, f64), colour: usize, point: &Point, says: &str) -> Result {
    let (counts, but) = if point.counts {
        (" counts", "")
    } else {
        ("", " (does not count)")
    };
    write!(
        out,
        "<circle class=\"point{counts} s{colour}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\"><title>{}{but}</title></circle>",
        escape(says)
    )
}

fn peak_line(out: &mut String, frame: &Frame, peak: f64) -> Result {
    let x = frame.x(peak);
    write!(
        out,
        "<line class=\"edge\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{BOTTOM}\"/>\
         <text class=\"label\" x=\"{:.1}\" y=\"{:.1}\">peak: {}</text>",
        x + 5.0,
        TOP + 12.0,
        number(peak.round())
    )
}
