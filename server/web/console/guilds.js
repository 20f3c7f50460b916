// The busiest guilds, live.

import { setText, table } from './dom.js';
import { el } from '../shared/elements.js';
import { bytes, count, percent } from './format.js';

const COLUMNS = [
  ['Guild', 'id'],
  ['Load', 'number'],
  ['Executor', 'number'],
  ['Sessions', 'number'],
  ['Waiting', 'number'],
  ['State'],
];

/** An empty table for `guildRows`. */
export const guildTable = (caption) => table(caption, COLUMNS);

/** Shows guilds in a table, in their order; rows that stay are changed in place. */
export function guildRows(body, guilds) {
  guilds.forEach((guild, index) => {
    const row = body.rows[index] ?? newRow(body);
    const [link, bar, executor, sessions, waiting, state] = row.parts;
    const href = `#/guilds/${guild.id}`;
    if (link.getAttribute('href') !== href) link.setAttribute('href', href);
    setText(link, String(guild.id));
    bar.style.setProperty('--share', String(Math.min(1, guild.load)));
    setText(bar, percent(guild.load));
    setText(executor, guild.dedicated ? `${guild.executor} (its own)` : String(guild.executor));
    setText(sessions, count(guild.sessions));
    setText(waiting, guild.waiting_requests ? `${count(guild.waiting_requests)} (${bytes(guild.waiting_bytes)})` : '0');
    setText(state, guild.state);
    state.dataset.state = guild.state;
  });
  while (body.rows.length > guilds.length) body.lastElementChild.remove();
}

function newRow(body) {
  const parts = [
    el('a', { class: 'id' }),
    el('span', { class: 'share' }),
    el('span'),
    el('span'),
    el('span'),
    el('span', { class: 'badge' }),
  ];
  const row = el('tr', {}, ...parts.map((part, index) => el('td', { class: COLUMNS[index][1] ?? null }, part)));
  row.parts = parts;
  body.append(row);
  return row;
}

const ORDERS = [['load', 'Load'], ['sessions', 'Sessions'], ['waiting', 'Waiting requests'], ['requests', 'Requests since the start'], ['id', 'Age']];
const SHOWN = 100;
const PERIOD_MS = 2_000;

export function mount(root, { client, report }) {
  const order = el('select', { id: 'order' }, ...ORDERS.map(([value, text]) => el('option', { value, text })));
  const running = el('output', { class: 'soft' });
  const list = guildTable('Guilds');
  root.append(
    el('h1', { text: 'Guilds' }),
    el('div', { class: 'tools' }, el('label', { for: 'order', text: 'Order by' }), order, running),
    list.element,
  );
  let timer = null;
  let left = false;
  const load = async () => {
    clearTimeout(timer);
    try {
      const answer = await client.get(`/guilds?sort=${order.value}&limit=${SHOWN}`);
      if (left) return;
      guildRows(list.body, answer.guilds);
      setText(running, `${count(answer.running)} running on this node${answer.running > SHOWN ? `, the first ${SHOWN} shown` : ''}`);
    } catch (error) {
      report(error);
    }
    if (!left) timer = setTimeout(load, PERIOD_MS);
  };
  order.addEventListener('change', load);
  load();
  return {
    leave() {
      left = true;
      clearTimeout(timer);
    },
  };
}
