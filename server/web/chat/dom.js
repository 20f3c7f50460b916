// The parts that the chat is made of.

import { byId, el, svg } from '../shared/elements.js';

/** A line icon from an SVG path. */
export function icon(path) {
  return svg('svg', { viewBox: '0 0 24 24', 'aria-hidden': 'true' }, svg('path', { d: path }));
}

/** A button that shows an icon and is called by its label. */
export function iconButton(label, path, onClick) {
  const text = el('span', { class: 'hidden', text: label });
  const button = el('button', { type: 'button', class: 'icon-button', title: label, on: { click: onClick } }, text);
  button.prepend(icon(path));
  return button;
}

/** Paints `element` as the avatar of a user: initials on a colour that follows from the id. */
export function paintAvatar(element, id, name) {
  // The golden angle keeps neighbouring ids apart on the colour wheel.
  const hue = /^\d+$/.test(id) ? Number((BigInt(id) * 137n) % 360n) : 240;
  element.style.setProperty('--hue', String(hue));
  const words = name.split(/[\s._-]+/).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words[1]].map((word) => [...word][0]) : [...(words[0] ?? '?')].slice(0, 2);
  element.textContent = letters.join('').toUpperCase();
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' });
const day = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });

/** The time of day, with the whole date as its title. */
export function timeElement(timestamp) {
  const date = new Date(timestamp);
  return el('time', { datetime: date.toISOString(), title: whole.format(date), text: clock.format(date) });
}

/** The day of a timestamp, for people: today, yesterday, or its date. */
export function dayName(timestamp) {
  const date = new Date(timestamp);
  const midnight = new Date().setHours(0, 0, 0, 0);
  if (date >= midnight) return 'Today';
  if (date >= midnight - 86_400_000) return 'Yesterday';
  return day.format(date);
}

/** Whether two timestamps are of the same day here. */
export const sameDay = (one, other) => new Date(one).toDateString() === new Date(other).toDateString();

/** Shows a notice for some seconds; one with the same key is replaced. */
export function notify(text, { key = text, kind = 'error', seconds = 6 } = {}) {
  const notices = byId('notices');
  for (const old of notices.children) if (old.dataset.key === key) old.remove();
  const notice = el('div', { class: `notice ${kind}`, data: { key } }, el('span', { text }));
  notice.append(iconButton('Dismiss', 'M6 6l12 12M18 6L6 18', () => notice.remove()));
  notices.append(notice);
  while (notices.children.length > 3) notices.firstElementChild.remove();
  setTimeout(() => notice.remove(), seconds * 1000);
}
