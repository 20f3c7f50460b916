//! Deliveries of the busiest guilds over time, as coloured cells.

use std::fmt::Write as _;

use super::axes::{LEFT, RIGHT, WIDTH, column_label, row_label};
use super::number;
use crate::report::{Heat, Timeline};

/// Columns at most; neighbours are added up.
const COLUMNS: usize = 120;

/// Height of a row.
const ROW: f64 = 12.0;

/// What is left below for the times.
const BELOW: f64 = 20.0;

/// The figure; nothing where there is but one guild, or nothing to show.
pub(super) fn figure(timeline: &Timeline) -> String {
    if timeline.heat.len() < 2 || timeline.samples.is_empty() {
        return String::new();
    }
    let mut out = String::new();
    draw(&mut out, timeline).expect("invariant: writing to a String cannot fail");
    out
}

fn draw(out: &mut String, timeline: &Timeline) -> std::fmt::Result {
    let samples = timeline.samples.len();
    let each = samples.div_ceil(COLUMNS);
    let rows: Vec<(u32, Vec<u32>)> = timeline
        .heat
        .iter()
        .map(|heat| (heat.guild, sums(heat, each)))
        .collect();
    let most = rows.iter().flat_map(|(_, row)| row).copied().max();
    let most = f64::from(most.unwrap_or(1).max(1));
    let columns = samples.div_ceil(each);
    let width = (WIDTH - LEFT - RIGHT) / columns as f64;
    let height = ROW * rows.len() as f64;
    write!(
        out,
        "<figure><figcaption>Guilds <small>deliveries of the {} busiest, one column for {each} s; darkest: {}</small></figcaption>\
         <svg viewBox='0 0 {WIDTH} {}' role=img aria-label='Deliveries by guild'>\
         <rect class=idle x='{LEFT}' y=0 width='{:.1}' height='{height:.1}'/>",
        rows.len(),
        number(most),
        height + BELOW,
        WIDTH - LEFT - RIGHT
    )?;
    for (index, (guild, row)) in rows.iter().enumerate() {
        let y = ROW * index as f64;
        // Every other name where there are many: they are as high as a row.
        if rows.len() < 25 || index.is_multiple_of(2) {
            row_label(out, y + ROW - 2.0, &guild.to_string())?;
        }
        for (column, value) in row.iter().enumerate().filter(|(_, value)| **value > 0) {
            let at = timeline.samples[column * each].at_s;
            write!(
                out,
                "<rect class=cell x='{:.1}' y='{:.1}' width='{:.1}' height='{:.1}' fill-opacity='{:.2}'><title>guild {guild}, {at:.0} s: {value}</title></rect>",
                LEFT + width * column as f64,
                y + 0.5,
                (width - 0.5).max(0.5),
                ROW - 1.0,
                0.12 + 0.88 * (f64::from(*value) / most).sqrt()
            )?;
        }
    }
    for quarter in 0..=4_usize {
        let column = (columns - 1) * quarter / 4;
        let place = (LEFT + width * (column as f64 + 0.5), height);
        let label = format!("{:.0} s", timeline.samples[column * each].at_s);
        column_label(out, place, &label)?;
    }
    write!(out, "</svg></figure>")
}

fn sums(heat: &Heat, each: usize) -> Vec<u32> {
    let parts = heat.deliveries.chunks(each);
    parts.map(|part| part.iter().sum()).collect()
}
