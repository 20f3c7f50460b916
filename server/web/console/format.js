// Numbers and times for people.

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const one = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });
const two = new Intl.NumberFormat(undefined, { maximumFractionDigits: 2 });
const short = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

const NONE = '–';
const absent = (value) => value === null || value === undefined || Number.isNaN(value);

/** A count. */
export const count = (value) => (absent(value) ? NONE : value < 100_000 ? whole.format(value) : short.format(value));

/** A rate or another figure that may be small. */
export function figure(value) {
  if (absent(value)) return NONE;
  if (value >= 100_000) return short.format(value);
  if (value >= 100) return whole.format(value);
  return value >= 10 ? one.format(value) : two.format(value);
}

/** A hue for a node, the same whichever others there are: the golden angle keeps names that differ in their last character apart. */
export const nodeHue = (name) => String(([...name].reduce((sum, character) => sum * 31 + character.codePointAt(0), 0) * 137 + 245) % 360);

/** A share of 0 to 1. */
export const percent = (share) => (absent(share) ? NONE : `${one.format(share * 100)} %`);

/** Milliseconds. */
export const milliseconds = (value) => (absent(value) ? NONE : value >= 1000 ? `${two.format(value / 1000)} s` : `${figure(value)} ms`);

/** Bytes, in powers of 1,024. */
export function bytes(value) {
  if (absent(value)) return NONE;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let size = value;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? whole.format(size) : one.format(size)} ${units[unit]}`;
}

/** A time span in its largest unit. */
export function span(ms) {
  if (absent(ms)) return NONE;
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} days`;
}

/** A moment, in milliseconds since the Unix epoch. */
export const moment = (ms) => (absent(ms) ? NONE : clock.format(new Date(ms)));
