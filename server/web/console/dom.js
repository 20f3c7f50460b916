// Making elements. Text only ever goes in as text: nothing here parses markup.

const SVG = 'http://www.w3.org/2000/svg';

/** The element with this id; it is in the page. */
export const byId = (id) => document.getElementById(id);

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (name === 'text') element.textContent = value;
    else if (name === 'data') Object.assign(element.dataset, value);
    else if (name === 'style') for (const [key, part] of Object.entries(value)) element.style.setProperty(key, part);
    else if (name === 'on') for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children);
  return element;
}

/**
 * Makes an element. Properties: `text`, `data` (dataset), `style` (properties), `on` (listeners);
 * anything else is an attribute, left out where it is null or false.
 */
export const el = (tag, properties = {}, ...children) => fill(document.createElement(tag), properties, children);

/** As `el`, of SVG. */
export const svg = (tag, properties = {}, ...children) => fill(document.createElementNS(SVG, tag), properties, children);

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
