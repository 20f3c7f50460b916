// The threads that run guilds, each as a bar of its guilds' shares.

import { setText } from './dom.js';
import { el } from '../shared/elements.js';
import { count, figure, percent } from './format.js';

/** Guilds that are named below a bar. */
const NAMED = 5;

/** A hue that follows from a guild's id: the golden angle keeps neighbours apart. */
const hue = (id) => String(Number((BigInt(id) * 137n) % 360n));

/** Names guilds in a list; items that stay are changed in place, so that none loses the focus. */
function name(list, guilds) {
  list.hidden = guilds.length === 0;
  guilds.forEach((guild, index) => {
    const item = list.children[index] ?? el('li', {}, el('span', { class: 'swatch' }), ' ', el('a'), ' ', el('span'));
    const [swatch, link, share] = item.children;
    swatch.style.setProperty('--hue', hue(guild.id));
    link.setAttribute('href', `#/guilds/${guild.id}`);
    setText(link, guild.id);
    // Many guilds take far less than a tenth of a percent.
    setText(share, `${figure(guild.load * 100)} %`);
    if (!item.isConnected) list.append(item);
  });
  while (list.children.length > guilds.length) list.lastElementChild.remove();
}

export function mount(root, { history }) {
  const list = el('div', { class: 'executors' });
  const enlarge = el('input', { id: 'enlarge', type: 'checkbox' });
  const scale = el('output', { class: 'soft' });
  root.append(
    el('h1', { text: 'Executors' }),
    el('p', { class: 'soft', text: 'A bar is one thread; a piece of it is the share of its time that one guild takes, as a mean of the last seconds.' }),
    el('div', { class: 'tools' }, enlarge, el('label', { for: 'enlarge', text: 'Enlarge the bars to the busiest executor' }), scale),
    list,
  );
  const cards = new Map();

  const card = (id) => {
    const known = cards.get(id);
    if (known) return known;
    const title = el('h2');
    const state = el('span', { class: 'badge' });
    const value = el('output', { class: 'executor-load' });
    const bar = el('div', { class: 'executor-bar', role: 'img' });
    const about = el('p', { class: 'soft' });
    const busiest = el('ul', { class: 'executor-guilds', 'aria-label': `Busiest guilds of executor ${id}` });
    const element = el('article', { class: 'executor' }, el('div', { class: 'executor-head' }, title, state, value), bar, busiest, about);
    const made = { element, title, state, value, bar, busiest, about };
    cards.set(id, made);
    list.append(element);
    return made;
  };

  const show = () => {
    const push = history.last;
    if (!push?.executors) return;
    const busiest = Math.max(...push.executors.map((executor) => executor.load), 0);
    const factor = enlarge.checked && busiest > 0 ? 1 / busiest : 1;
    setText(scale, factor > 1 ? `A whole bar is ${percent(busiest)} of a thread's time.` : '');
    const seen = new Set();
    for (const executor of push.executors) {
      seen.add(executor.id);
      const parts = card(executor.id);
      const own = (push.guilds ?? []).filter((guild) => guild.executor === executor.id && guild.load > 0);
      setText(parts.title, executor.dedicated ? `Executor ${executor.id}, of one guild` : `Executor ${executor.id}`);
      setText(parts.state, executor.state);
      parts.state.dataset.state = executor.state;
      setText(parts.value, percent(executor.load));
      parts.bar.setAttribute('aria-label', `${percent(executor.load)} busy; ${own.length} guilds shown`);
      parts.bar.replaceChildren(...own.map((guild) => el('a', {
        href: `#/guilds/${guild.id}`,
        class: 'executor-piece',
        tabindex: '-1',
        title: `${guild.id}: ${percent(guild.load)}`,
        'aria-label': `guild ${guild.id}, ${percent(guild.load)}`,
        style: { '--share': String(Math.min(1, guild.load * factor)), '--hue': hue(guild.id) },
      })));
      name(parts.busiest, own.slice(0, NAMED));
      const guilds = executor.guilds === 1 ? '1 guild' : `${count(executor.guilds)} guilds`;
      setText(parts.about, `${guilds}, ${count(executor.waiting_requests)} ${executor.waiting_requests === 1 ? 'request' : 'requests'} waiting`);
    }
    for (const [id, parts] of cards) {
      if (seen.has(id)) continue;
      parts.element.remove();
      cards.delete(id);
    }
  };
  enlarge.addEventListener('change', show);
  return { show };
}
