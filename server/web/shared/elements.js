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
