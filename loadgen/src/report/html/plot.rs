//! Lines over time as SVG.

use std::fmt::Write as _;

use super::{escape, number};
use crate::report::{Mark, Timeline};

/// Size of the drawing, and of what is left around the plot itself.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 230.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 24.0;

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

/// How values become heights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    FromZero,
    /// By decades; what is 0 is left out.
    Decades,
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
struct Axes {
    end: f64,
    low: f64,
    high: f64,
    scale: Scale,
}

impl Axes {
    fn new(timeline: &Timeline, series: &[Series<'_>], scale: Scale) -> Self {
        let end = timeline.samples.last().map_or(0.0, |sample| sample.at_s);
        let values = series
            .iter()
            .flat_map(|series| series.values.iter().copied());
        let most = values.clone().fold(0.0, f64::max);
        let (low, high) = match scale {
            Scale::FromZero => (0.0, if most > 0.0 { nice(most) } else { 1.0 }),
            Scale::Decades => {
                let some = values.filter(|value| *value > 0.0);
                let least = some.fold(f64::INFINITY, f64::min);
                let least = if least.is_finite() { least } else { 1.0 };
                let floor = 10_f64.powf(least.log10().floor());
                let ceiling = 10_f64.powf(most.max(least).log10().ceil());
                (floor, ceiling.max(floor * 10.0))
            }
        };
        Self {
            end: end.max(timeline.steady_to_s).max(1.0),
            low,
            high,
            scale,
        }
    }

    fn x(&self, seconds: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (seconds / self.end).clamp(0.0, 1.0)
    }

    fn y(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::FromZero => value / self.high,
            Scale::Decades => (value / self.low).log10() / (self.high / self.low).log10(),
        };
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share.clamp(0.0, 1.0)
    }

    fn ticks(&self) -> Vec<f64> {
        match self.scale {
            Scale::FromZero => (0..=4).map(|n| self.high * f64::from(n) / 4.0).collect(),
            Scale::Decades => {
                let count = (self.high / self.low).log10().round() as i32;
                (0..=count).map(|n| self.low * 10_f64.powi(n)).collect()
            }
        }
    }
}

/// The least of 1, 2, 4, 5, 8 times a power of ten that is not below.
fn nice(most: f64) -> f64 {
    let power = 10_f64.powf(most.log10().floor());
    let steps = [1.0, 2.0, 4.0, 5.0, 8.0, 10.0];
    let fits = steps.into_iter().find(|step| step * power >= most - 1e-12);
    fits.unwrap_or(10.0) * power
}

fn draw(
    out: &mut String,
    (title, unit): (&str, &str),
    timeline: &Timeline,
    series: &[Series<'_>],
    scale: Scale,
) -> std::fmt::Result {
    let axes = Axes::new(timeline, series, scale);
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
    background(out, &axes, timeline)?;
    marks(out, &axes, &timeline.marks)?;
    for (index, series) in series.iter().enumerate() {
        line(out, &axes, timeline, series, index)?;
    }
    write!(out, "</svg></figure>")
}

fn background(out: &mut String, axes: &Axes, timeline: &Timeline) -> std::fmt::Result {
    let (top, bottom) = (TOP, HEIGHT - BOTTOM);
    // Ramps and warm-up are shaded.
    for (from, to) in [
        (0.0, timeline.steady_from_s),
        (timeline.steady_to_s, axes.end),
    ] {
        let (from, to) = (axes.x(from), axes.x(to));
        if to - from > 0.5 {
            write!(
                out,
                "<rect class=rest x='{from:.1}' y='{top}' width='{:.1}' height='{:.1}'/>",
                to - from,
                bottom - top
            )?;
        }
    }
    for tick in axes.ticks() {
        let y = axes.y(tick);
        write!(
            out,
            "<line class=grid x1='{LEFT}' x2='{:.1}' y1='{y:.1}' y2='{y:.1}'/>\
             <text x='{:.1}' y='{:.1}' text-anchor=end>{}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            y + 4.0,
            number(tick)
        )?;
    }
    let step = nice(axes.end / 8.0).max(1.0);
    let mut at = 0.0;
    while at <= axes.end + 1e-9 {
        let x = axes.x(at);
        write!(
            out,
            "<text x='{x:.1}' y='{:.1}' text-anchor=middle>{at:.0} s</text>",
            HEIGHT - 8.0
        )?;
        at += step;
    }
    write!(
        out,
        "<line class=axis x1='{LEFT}' x2='{:.1}' y1='{bottom}' y2='{bottom}'/>",
        WIDTH - RIGHT
    )
}

/// Storms and faults: a band each, labels in rows where they would run into each other.
fn marks(out: &mut String, axes: &Axes, marks: &[Mark]) -> std::fmt::Result {
    let mut free = [LEFT; LABEL_ROWS];
    for mark in marks {
        let (from, to) = (axes.x(mark.from_s), axes.x(mark.to_s));
        let label = match &mark.error {
            Some(_) => format!("{} (failed)", mark.label),
            None => mark.label.clone(),
        };
        write!(
            out,
            "<rect class=mark x='{from:.1}' y='{TOP}' width='{:.1}' height='{:.1}'><title>{}</title></rect>\
             <line class=edge x1='{from:.1}' x2='{from:.1}' y1='{TOP}' y2='{:.1}'/>",
            (to - from).max(1.0),
            HEIGHT - TOP - BOTTOM,
            escape(&label),
            HEIGHT - BOTTOM
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
    axes: &Axes,
    timeline: &Timeline,
    series: &Series<'_>,
    index: usize,
) -> std::fmt::Result {
    let mut path = String::new();
    let mut dots = String::new();
    let mut is_drawn = false;
    for (sample, value) in timeline.samples.iter().zip(&series.values) {
        if axes.scale == Scale::Decades && *value <= 0.0 {
            // Nothing came: a gap.
            is_drawn = false;
            continue;
        }
        let (x, y) = (axes.x(sample.at_s), axes.y(*value));
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
    fn axes_end_at_round_numbers() {
        for (most, end) in [
            (0.7, 0.8),
            (1.0, 1.0),
            (1.1, 2.0),
            (37.0, 40.0),
            (810.0, 1_000.0),
        ] {
            assert!((nice(most) - end).abs() < 1e-9, "{most}: {}", nice(most));
        }
    }

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
