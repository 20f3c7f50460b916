// One session by its id, and those with the most waiting for them.

import { setText, table } from './dom.js';
import { el } from '../shared/elements.js';
import { bytes, count, span } from './format.js';

const PERIOD_MS = 2_000;
const COLUMNS = [
  ['Session', 'id'],
  ['User', 'id'],
  ['State'],
  ['Guilds', 'number'],
  ['Lane: waiting to be written', 'number'],
  ['Kept for a Resume', 'number'],
  ['Dropped', 'number'],
  ['Worker', 'number'],
];

function row(session) {
  const state = session.detached_ms === null || session.detached_ms === undefined
    ? session.state
    : `${session.state} for ${span(session.detached_ms)}`;
  const cells = [
    session.id,
    `${session.user_id}${session.bot ? ' (bot)' : ''}`,
    state,
    count(session.guilds),
    `${count(session.pending_events)} (${bytes(session.pending_bytes)})`,
    `${count(session.kept_events)} (${bytes(session.kept_bytes)})`,
    count(session.dropped_typing + session.dropped_presences),
    String(session.hub),
  ];
  return el('tr', {}, ...cells.map((text, index) => el('td', { class: COLUMNS[index][1] ?? null, text })));
}

export function mount(root, { client, report }) {
  const id = el('input', { id: 'session-id', type: 'search', autocomplete: 'off', spellcheck: 'false', placeholder: 'session_id of READY' });
  const only = el('output', { class: 'soft' });
  const list = table('Sessions with the most waiting for them', COLUMNS);
  root.append(
    el('h1', { text: 'Sessions' }),
    el('div', { class: 'tools' }, el('label', { for: 'session-id', text: 'Find a session' }), id, only),
    list.element,
  );
  let timer = null;
  let left = false;
  const load = async () => {
    clearTimeout(timer);
    const asked = id.value.trim();
    try {
      const { all, sessions } = asked
        ? { all: null, sessions: [await client.get(`/sessions/${encodeURIComponent(asked)}`)] }
        : await client.get('/sessions?limit=50');
      if (left) return;
      list.body.replaceChildren(...sessions.map(row));
      setText(only, asked ? '' : `${count(all)} sessions of this node, those first that have the most waiting for them`);
    } catch (error) {
      if (asked && error.status === 404) {
        list.body.replaceChildren();
        setText(only, 'this node has no such session');
      } else {
        report(error);
      }
    }
    if (!left) timer = setTimeout(load, PERIOD_MS);
  };
  id.addEventListener('input', load);
  load();
  return {
    leave() {
      left = true;
      clearTimeout(timer);
    },
  };
}
