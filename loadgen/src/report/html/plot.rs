//! Lines over time as SVG.

use std::fmt::Write as _;

use super::axes::{Axis, Frame, LEFT, RIGHT, Scale, WIDTH};
use super::{escape, number};
use crate::report::{Mark, Timeline};

/// Height of the drawing, and where the plot itself begins and ends.
const HEIGHT: f64 = 230.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = HEIGHT - 24.0;

/// Rows of labels above the plot.
const LABEL_ROWS: usize = 2;

/// Width of a character of a label, roughly.
const CHARACTER: f64 = 6.0;

/// One line.
pub(super) struct Series<'a> {
    pub(super) name: &'a str,
    /// Values, by sample.
    pub(super) values: Vec<f64>,
}

/// A figure with these lines over the samples of a run.
pub(super) fn figure(
    (title, unit): (&str, &str),
    timeline: &Timeline,
    series: &[Series<'_>],
    scale: Scale,
) -> String {
    let mut out = String::new();
    draw(&mut out, (title, unit), timeline, series, scale)
        .expect("invariant: writing to a String cannot fail");
    out
}

/// From seconds and values to places in the drawing.
fn frame(timeline: &Timeline, series: &[Series<'_>], scale: Scale) -> Frame {
    let end = timeline.samples.last().map_or(0.0, |sample| sample.at_s);
    let values = series
        .iter()
        .flat_map(|series| series.values.iter().copied());
    Frame {
        x: Axis::to(end.max(timeline.steady_to_s).max(1.0)),
        y: Axis::of(values, scale),
        top: TOP,
        bottom: BOTTOM,
    }
}

fn draw(
    out: &mut String,
    (title, unit): (&str, &str),
    timeline: &Timeline,
    series: &[Series<'_>],
    scale: Scale,
) -> std::fmt::Result {
    let frame = frame(timeline, series, scale);
    write!(
        out,
        "<figure><figcaption>{} <small>{}</small>",
        escape(title),
        escape(unit)
    )?;
    if series.len() > 1 {
        for (index, series) in series.iter().enumerate() {
            write!(
                out,
                "<span class=key><i class=k{index}></i>{}</span>",
                escape(series.name)
            )?;
        }
    }
    write!(
        out,
        "</figcaption><svg viewBox='0 0 {WIDTH} {HEIGHT}' role=img aria-label='{}'>",
        escape(title)
    )?;
    background(out, &frame, timeline)?;
    marks(out, &frame, &timeline.marks)?;
    for (index, series) in series.iter().enumerate() {
        line(out, &frame, timeline, series, index)?;
    }
    write!(out, "</svg></figure>")
}

fn background(out: &mut String, frame: &Frame, timeline: &Timeline) -> std::fmt::Result {
    // Ramps and warm-up are shaded.
    for (from, to) in [
        (0.0, timeline.steady_from_s),
        (timeline.steady_to_s, frame.x.high()),
    ] {
        let (from, to) = (frame.x(from), frame.x(to));
        if to - from > 0.5 {
            write!(
                out,
                "<rect class=rest x='{from:.1}' y='{TOP}' width='{:.1}' height='{:.1}'/>",
                to - from,
                BOTTOM - TOP
            )?;
        }
    }
    frame.rows(out)?;
    frame.columns(out, " s")
}

/// Storms and faults: a band each, labels in rows where they would run into each other.
fn marks(out: &mut String, frame: &Frame, marks: &[Mark]) -> std::fmt::Result {
    let mut free = [LEFT; LABEL_ROWS];
    for mark in marks {
        let (from, to) = (frame.x(mark.from_s), frame.x(mark.to_s));
        let label = match &mark.error {
            Some(_) => format!("{} (failed)", mark.label),
            None => mark.label.clone(),
        };
        write!(
            out,
            "<rect class=mark x='{from:.1}' y='{TOP}' width='{:.1}' height='{:.1}'><title>{}</title></rect>\
             <line class=edge x1='{from:.1}' x2='{from:.1}' y1='{TOP}' y2='{:.1}'/>",
            (to - from).max(1.0),
            BOTTOM - TOP,
            escape(&label),
            BOTTOM
        )?;
        let width = label.chars().count() as f64 * CHARACTER;
        let start = from.min(WIDTH - RIGHT - width).max(LEFT);
        if let Some(row) = free.iter().position(|free| *free <= start) {
            free[row] = start + width + 8.0;
            write!(
                out,
                "<text class=label x='{start:.1}' y='{:.1}'>{}</text>",
                TOP - 8.0 - 14.0 * row as f64,
                escape(&label)
            )?;
        }
    }
    Ok(())
}

fn line(
    out: &mut String,
    frame: &Frame,
    timeline: &Timeline,
    series: &Series<'_>,
    index: usize,
) -> std::fmt::Result {
    let mut path = String::new();
    let mut dots = String::new();
    let mut is_drawn = false;
    for (sample, value) in timeline.samples.iter().zip(&series.values) {
        if !frame.y.has(*value) {
            // Nothing came: a gap.
            is_drawn = false;
            continue;
        }
        let (x, y) = (frame.x(sample.at_s), frame.y(*value));
        write!(path, "{}{x:.1} {y:.1}", if is_drawn { 'L' } else { 'M' })?;
        is_drawn = true;
        write!(
            dots,
            "<circle class=dot cx='{x:.1}' cy='{y:.1}' r=4><title>{:.0} s: {} {}</title></circle>",
            sample.at_s,
            escape(series.name),
            number(*value)
        )?;
    }
    write!(out, "<path class='line s{index}' d='{path}'/>{dots}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_samples_still_makes_a_figure() {
        let timeline = Timeline::default();
        let series = [Series {
            name: "a",
            values: Vec::new(),
        }];
        for scale in [Scale::FromZero, Scale::Decades] {
            let text = figure(("t", "ms"), &timeline, &series, scale);
            assert!(text.ends_with("</svg></figure>"));
            assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        }
    }
}
