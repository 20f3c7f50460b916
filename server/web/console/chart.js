// A line over the last minutes, with its name, its newest value and its range.

import { setText } from './dom.js';
import { el, svg } from '../shared/elements.js';
import { span } from './format.js';
import { History } from './history.js';

const WIDTH = 240;
const HEIGHT = 56;

/** Seconds that the box is wide at least; a line that is longer has all of it, up to the length of the history. */
const NARROWEST = 60;

/** How far values are apart. */
const stepOf = (values) => WIDTH / (Math.min(History.length, Math.max(NARROWEST, values.length)) - 1);

/** The path of values through a box; the newest is at its right edge. */
function path(values, top) {
  const step = stepOf(values);
  const left = WIDTH - (values.length - 1) * step;
  let line = '';
  let pen = 'M';
  values.forEach((value, index) => {
    if (value === null) {
      pen = 'M';
      return;
    }
    const x = left + index * step;
    const y = HEIGHT - 2 - (value / top) * (HEIGHT - 6);
    line += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = 'L';
  });
  return line;
}

/** A tile that shows the figure `of(push)` as `format` writes it. */
export class Chart {
  #of;
  #format;
  #value = el('output', { class: 'chart-value', text: '–' });
  #range = el('p', { class: 'chart-range' });
  #line = svg('path', { class: 'chart-line' });
  #area = svg('path', { class: 'chart-area' });

  constructor(name, { of, format, note = '' }) {
    this.#of = of;
    this.#format = format;
    const drawing = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' }, this.#area, this.#line);
    this.element = el(
      'article',
      { class: 'chart', 'aria-label': name },
      el('h3', { text: name, title: note || null }),
      this.#value,
      drawing,
      this.#range,
    );
  }

  show(history) {
    const values = history.values(this.#of);
    const known = values.filter((value) => value !== null);
    const highest = Math.max(0, ...known);
    const top = highest > 0 ? highest : 1;
    const line = path(values, top);
    this.#line.setAttribute('d', line);
    const first = WIDTH - (values.length - 1) * stepOf(values);
    this.#area.setAttribute('d', known.length === values.length && line ? `${line}L${WIDTH} ${HEIGHT}L${first.toFixed(1)} ${HEIGHT}Z` : '');
    setText(this.#value, this.#format(values.at(-1) ?? null));
    setText(this.#range, known.length > 0 ? `up to ${this.#format(highest)} in the last ${span(values.length * 1000)}` : 'nothing yet');
  }
}
