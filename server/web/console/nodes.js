// The nodes of the cluster: how each is, what went from one to another, and draining one.

import { confirmed, notify, section, setText, table } from './dom.js';
import { el } from '../shared/elements.js';
import { count, milliseconds, moment, nodeHue, percent, span } from './format.js';

const MOVES_SHOWN = 8;
const DRAIN_PERIOD_MS = 100;

/** What is left to do on a node that ends, for people. */
export function drainText(details) {
  const { step, guilds, guilds_left: left } = details.drain;
  if (step === 'guilds') return guilds === 0 ? 'There is no guild to hand over.' : `Handing guilds over: ${count(left)} of ${count(guilds)} left.`;
  if (step === 'clients') return `Clients reconnect elsewhere: ${count(details.connections)} connections left.`;
  return 'Answering the last requests.';
}

/** What the operator is asked before a node is drained. */
function question(node, others) {
  const { guilds = 0, sessions = 0 } = node.details ?? {};
  const own = node.self ? ' This console is the node\'s own and ends with it.' : '';
  const again = 'Whatever supervises the process decides whether it is started again.';
  if (others === 0) {
    return `There is no other node to take its ${count(guilds)} guilds: this is a graceful stop. ${count(sessions)} sessions are asked to resume later, `
      + `open requests are answered, everything is kept, and the process ends. ${again}${own}`;
  }
  return `${count(guilds)} guilds are handed over to the other nodes while they are in use, then ${count(sessions)} sessions are asked to reconnect, `
    + `then the process ends. Nothing that was acknowledged is lost. ${again}${own}`;
}

const FACTS = [
  ['Guilds running', ({ details }) => count(details?.guilds)],
  ['Sessions', ({ details }) => count(details?.sessions)],
  ['Gateway connections', ({ details }) => count(details?.connections)],
  ['Share of the ring', ({ share }) => percent(share)],
  ['Executors', ({ details }) => count(details?.executors)],
  ['Up for', ({ details }) => (details ? span(Date.now() - details.started_ms) : '–')],
  ['Address', ({ details }) => details?.public_url ?? '–'],
  ['Version', ({ version }) => version ?? '–'],
];

/** The card of one node; `drain(node)` is called when its button is. */
function card(name, drain) {
  const title = el('h2', {}, el('span', { class: 'swatch', style: { '--hue': nodeHue(name) } }), ` ${name}`);
  const own = el('span', { class: 'soft' });
  const state = el('span', { class: 'badge' });
  const values = FACTS.map(() => el('dd'));
  const facts = el('dl', { class: 'facts' }, ...FACTS.flatMap(([text], index) => [el('dt', { text }), values[index]]));
  const text = el('p', { class: 'soft' });
  const bar = el('progress', { class: 'progress', 'aria-label': `Guilds of ${name} that are handed over` });
  const button = el('button', { type: 'button', text: 'Drain', 'aria-label': `Drain ${name}` });
  const element = el(
    'article',
    { class: 'section node-card', 'aria-label': name },
    el('div', { class: 'node-head' }, title, own, state),
    facts,
    el('div', { class: 'node-drain', role: 'status' }, text, bar),
    el('div', { class: 'buttons actions' }, button),
  );
  let shown = null;
  button.addEventListener('click', () => drain(shown));
  const show = (node) => {
    shown = node;
    const details = node.details ?? null;
    const said = node.gone ? 'left' : details?.state ?? 'unanswered';
    setText(own, node.self ? 'this node' : '');
    setText(state, said);
    state.dataset.state = said;
    FACTS.forEach(([, of], index) => setText(values[index], of(node)));
    const drains = !node.gone && Boolean(details?.drain);
    button.hidden = node.gone || drains || !details;
    bar.hidden = !drains || details.drain.guilds === 0;
    if (drains) {
      bar.max = Math.max(1, details.drain.guilds);
      bar.value = details.drain.step === 'guilds' ? details.drain.guilds - details.drain.guilds_left : bar.max;
      setText(text, drainText(details));
    } else {
      setText(text, node.gone ? `Off the list of nodes since ${moment(node.gone)}.` : node.unanswered ?? '');
    }
  };
  return { element, show, last: () => shown };
}

/** A move between nodes; how long ago is filled in. */
const row = (move) => el(
  'tr',
  {},
  el('td', { title: moment(move.at_ms) }),
  el('td', { class: 'id' }, el('a', { href: `#/guilds/${move.id}`, text: move.id })),
  el('td', { text: move.from }),
  el('td', { text: move.to }),
  el('td', { text: move.reason === 'nodes' ? 'a node came or leaves' : move.reason }),
  el('td', { class: 'number', text: milliseconds(move.pause_ms) }),
);

/** The moves between nodes, as a table and a line about their pauses. */
function moveTable() {
  const list = table('Guilds that changed their node', [['When'], ['Guild', 'id'], ['From'], ['To'], ['Why'], ['Pause', 'number']]);
  const pauses = el('p', { class: 'soft' });
  /** Rows are made anew only where there are others, so that none loses the focus. */
  let shown = '';
  const show = ({ moves, pause }) => {
    list.element.hidden = moves.length === 0;
    setText(pauses, moves.length === 0
      ? 'No guild has changed its node.'
      : `${moves.length > MOVES_SHOWN ? `The newest ${MOVES_SHOWN} of ${count(moves.length)} moves. ` : ''}Pauses: half within ${milliseconds(pause.p50_ms)}, 99 % within ${milliseconds(pause.p99_ms)}, the longest ${milliseconds(pause.max_ms)}.`);
    const seen = moves.slice(0, MOVES_SHOWN);
    const key = seen.map((move) => `${move.at_ms} ${move.id}`).join();
    if (key !== shown) list.body.replaceChildren(...seen.map(row));
    shown = key;
    seen.forEach((move, index) => setText(list.body.rows[index].cells[0], `${span(Date.now() - move.at_ms)} ago`));
  };
  return { element: section('Guilds that changed their node', pauses, list.element), show };
}

export function mount(root, { client, report, ends }) {
  const list = el('div', { class: 'nodes' });
  const moves = moveTable();
  root.append(el('h1', { text: 'Nodes' }), list, moves.element);
  const cards = new Map();
  let left = false;
  let loading = false;
  let again = null;

  const drain = async (node) => {
    const here = [...cards.values()].map((it) => it.last());
    const others = here.filter((it) => it.name !== node.name && !it.gone && !it.details?.drain).length;
    if (!await confirmed(`Drain ${node.name}?`, question(node, others), 'Drain')) return;
    try {
      const { already } = await client.post(`/nodes/${encodeURIComponent(node.name)}/drain`);
      if (node.self) ends(node.name);
      notify(already ? `${node.name} was being drained already.` : `${node.name} is being drained.`, 'good');
      load();
    } catch (error) {
      report(error);
    }
  };

  const showNodes = (nodes) => {
    for (const node of nodes) {
      if (!cards.has(node.name)) {
        const made = card(node.name, drain);
        cards.set(node.name, made);
        list.append(made.element);
      }
      cards.get(node.name).show(node);
    }
    const names = new Set(nodes.map((node) => node.name));
    for (const [name, { show, last }] of cards) {
      if (!names.has(name)) show({ name, gone: last().gone ?? Date.now() });
    }
  };

  const load = async () => {
    if (loading) return;
    loading = true;
    try {
      const [{ nodes }, moved] = await Promise.all([client.get('/nodes'), client.get('/moves')]);
      if (left) return;
      showNodes(nodes);
      clearTimeout(again);
      // It may be over before the next push.
      if (nodes.some((node) => node.details?.drain)) again = setTimeout(load, DRAIN_PERIOD_MS);
      moves.show(moved);
    } catch (error) {
      // The feed says so where the node is gone.
      if (!left && error.status !== 0) report(error);
    } finally {
      loading = false;
    }
  };
  return {
    show: load,
    leave() {
      left = true;
      clearTimeout(again);
    },
  };
}
