// The threads that run guilds, each as a bar of its guilds' shares.

import { setText } from './dom.js';
import { el } from '../shared/elements.js';
import { count, percent } from './format.js';

/** A hue that follows from a guild's id: the golden angle keeps neighbours apart. */
const hue = (id) => String(Number((BigInt(id) * 137n) % 360n));

export function mount(root, { history }) {
  const list = el('div', { class: 'executors' });
  root.append(
    el('h1', { text: 'Executors' }),
    el('p', { class: 'soft', text: 'A bar is one thread; a piece of it is the share of its time that one guild took in the last second.' }),
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
    const element = el('article', { class: 'executor' }, el('div', { class: 'executor-head' }, title, state, value), bar, about);
    const made = { element, title, state, value, bar, about };
    cards.set(id, made);
    list.append(element);
    return made;
  };

  const show = () => {
    const push = history.last;
    if (!push?.executors) return;
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
        title: `${guild.id}: ${percent(guild.load)}`,
        'aria-label': `guild ${guild.id}, ${percent(guild.load)}`,
        style: { '--share': String(Math.min(1, guild.load)), '--hue': hue(guild.id) },
      })));
      const guilds = executor.guilds === 1 ? '1 guild' : `${count(executor.guilds)} guilds`;
      setText(parts.about, `${guilds}, ${count(executor.waiting_requests)} requests waiting`);
    }
    for (const [id, parts] of cards) {
      if (seen.has(id)) continue;
      parts.element.remove();
      cards.delete(id);
    }
  };
  return { show };
}
