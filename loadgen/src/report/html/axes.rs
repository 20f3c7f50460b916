//! What all drawings share: their size, how values become places, and the grid behind them.

use std::fmt::Write as _;

use super::number;

/// Width of a drawing, and what is left at its sides for names and numbers.
pub(crate) const WIDTH: f64 = 1000.0;
pub(crate) const LEFT: f64 = 58.0;
pub(crate) const RIGHT: f64 = 12.0;

/// Labels below a drawing stand this much below its lower end.
pub(crate) const LABEL_BELOW: f64 = 16.0;

/// Labels at the left end this much before it.
pub(crate) const LABEL_BEFORE: f64 = 8.0;

/// How values become lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    FromZero,
    /// By decades; what is 0 is left out.
    Decades,
}

/// From values to shares of a length.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis {
    low: f64,
    high: f64,
    scale: Scale,
}

impl Axis {
    /// One that holds all these values and ends at a round number.
    pub(crate) fn of(values: impl Iterator<Item = f64> + Clone, scale: Scale) -> Self {
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
        Self { low, high, scale }
    }

    /// From zero to just this.
    pub(crate) fn to(high: f64) -> Self {
        Self {
            low: 0.0,
            high,
            scale: Scale::FromZero,
        }
    }

    /// Whether a value has a place at all.
    pub(crate) fn has(&self, value: f64) -> bool {
        self.scale == Scale::FromZero || value > 0.0
    }

    /// Its last value.
    pub(crate) fn high(&self) -> f64 {
        self.high
    }

    fn share(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::FromZero => value / self.high,
            Scale::Decades => (value / self.low).log10() / (self.high / self.low).log10(),
        };
        share.clamp(0.0, 1.0)
    }

    fn ticks(&self, parts: u32) -> Vec<f64> {
        match self.scale {
            Scale::FromZero => {
                let step = self.high / f64::from(parts);
                (0..=parts).map(|n| step * f64::from(n)).collect()
            }
            Scale::Decades => {
                let count = (self.high / self.low).log10().round() as i32;
                (0..=count).map(|n| self.low * 10_f64.powi(n)).collect()
            }
        }
    }
}

/// A drawing with two axes.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    /// Upper and lower end of the plot itself.
    pub(crate) top: f64,
    pub(crate) bottom: f64,
}

impl Frame {
    /// Where `value` is from left to right.
    pub(crate) fn x(&self, value: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * self.x.share(value)
    }

    /// Where `value` is from top to bottom.
    pub(crate) fn y(&self, value: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * self.y.share(value)
    }

    /// Lines with their numbers, and the line at the bottom.
    pub(crate) fn rows(&self, out: &mut String) -> std::fmt::Result {
        for tick in self.y.ticks(4) {
            let y = self.y(tick);
            write!(
                out,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>",
                WIDTH - RIGHT
            )?;
            row_label(out, y + 4.0, &number(tick))?;
        }
        write!(
            out,
            "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{b}\" y2=\"{b}\"/>",
            WIDTH - RIGHT,
            b = self.bottom
        )
    }

    /// Numbers below, each followed by `unit`; at round values where the axis has no decades.
    pub(crate) fn columns(&self, out: &mut String, unit: &str) -> std::fmt::Result {
        let ticks = if self.x.scale == Scale::Decades {
            self.x.ticks(0)
        } else {
            let step = nice(self.x.high / 8.0).max(1.0);
            let count = (self.x.high / step + 1e-9) as u32;
            (0..=count).map(|n| step * f64::from(n)).collect()
        };
        for tick in ticks {
            let label = format!("{}{unit}", number(tick));
            column_label(out, (self.x(tick), self.bottom), &label)?;
        }
        Ok(())
    }
}

/// A label left of the plot.
pub(crate) fn row_label(out: &mut String, y: f64, text: &str) -> std::fmt::Result {
    write!(
        out,
        "<text x=\"{:.1}\" y=\"{y:.1}\" text-anchor=\"end\">{text}</text>",
        LEFT - LABEL_BEFORE
    )
}

/// A label below the plot, whose lower end is given with the place.
pub(crate) fn column_label(
    out: &mut String,
    (x, bottom): (f64, f64),
    text: &str,
) -> std::fmt::Result {
    // In the middle below its place, unless it would be cut off at the right.
    let (x, anchor) = if x + RIGHT >= WIDTH {
        (WIDTH, "end")
    } else {
        (x, "middle")
    };
    write!(
        out,
        "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{text}</text>",
        bottom + LABEL_BELOW
    )
}

/// The least of 1, 2, 4, 5, 8 times a power of ten that is not below.
fn nice(most: f64) -> f64 {
    let power = 10_f64.powf(most.log10().floor());
    let steps = [1.0, 2.0, 4.0, 5.0, 8.0, 10.0];
    let fits = steps.into_iter().find(|step| step * power >= most - 1e-12);
    fits.unwrap_or(10.0) * power
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
    fn values_have_places_within_the_frame() {
        let values = [0.0, 3.0, 70.0];
        for scale in [Scale::FromZero, Scale::Decades] {
            let axis = Axis::of(values.into_iter(), scale);
            let frame = Frame {
                x: axis,
                y: axis,
                top: 10.0,
                bottom: 110.0,
            };
            assert!((frame.y(axis.high()) - 10.0).abs() < 1e-9);
            for value in values.into_iter().filter(|value| axis.has(*value)) {
                assert!((LEFT..=WIDTH - RIGHT).contains(&frame.x(value)), "{value}");
                assert!((10.0..=110.0).contains(&frame.y(value)), "{value}");
            }
        }
    }
}
