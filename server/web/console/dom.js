// The parts that the console's pages are made of.

import { byId, el } from '../shared/elements.js';

/** Puts `text` into an element only where it is not there yet: a screen reader hears changes alone. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A heading with what it is the heading of. */
export function section(title, ...children) {
  return el('section', { class: 'section' }, el('h2', { text: title }), ...children);
}

/** A table with a caption for screen readers; `columns` are `[title, class]`. */
export function table(caption, columns) {
  const head = el('tr', {}, ...columns.map(([text, kind]) => el('th', { scope: 'col', class: kind ?? null, text })));
  const body = el('tbody');
  const element = el('table', {}, el('caption', { class: 'hidden', text: caption }), el('thead', {}, head), body);
  return { element: el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption }, element), body };
}

/** Shows a notice for some seconds. */
export function notify(text, kind = 'error') {
  const notices = byId('notices');
  const notice = el('div', { class: `notice ${kind}`, text });
  notices.append(notice);
  while (notices.children.length > 3) notices.firstElementChild.remove();
  setTimeout(() => notice.remove(), 6000);
}

/** Asks before something is done; resolves to whether to do it. */
export function confirmed(title, text, yes) {
  const dialog = byId('confirm');
  byId('confirm-title').textContent = title;
  byId('confirm-text').textContent = text;
  byId('confirm-yes').textContent = yes;
  dialog.returnValue = 'no';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}
