// One guild: where it lives and why, how busy it is, what can be done about it.

import { Chart } from './chart.js';
import { confirmed, notify, section, setText, table } from './dom.js';
import { el } from '../shared/elements.js';
import { bytes, count, figure, milliseconds, moment, percent, span } from './format.js';

const PERIOD_MS = 1_000;
const KEPT = 180;

const ACTIONS = [
  {
    name: 'promote',
    label: 'Give it an executor of its own',
    when: (running) => !running.dedicated,
    title: 'Promote this guild?',
    text: 'It moves to an executor of its own. Nothing is lost; its messages wait for some milliseconds.',
    yes: 'Promote',
    done: 'The guild has an executor of its own.',
  },
  {
    name: 'demote',
    label: 'Bring it back to the others',
    when: (running) => running.dedicated,
    title: 'Demote this guild?',
    text: 'It moves back to an executor that it shares with others.',
    yes: 'Demote',
    done: 'The guild is back on a shared executor.',
  },
  {
    name: 'move',
    label: 'Move to another executor',
    when: (running) => !running.dedicated,
    title: 'Move this guild?',
    text: 'It moves to the other executor with the least to do. Nothing is lost; its messages wait for some milliseconds.',
    yes: 'Move',
    done: 'The guild has moved.',
  },
  {
    name: 'restart',
    label: 'Restart',
    when: (running) => running.state === 'serving',
    title: 'Restart this guild?',
    text: 'It loads its state from the journal anew. What is acknowledged is kept; requests wait meanwhile.',
    yes: 'Restart',
    done: 'The guild restarts.',
  },
  {
    name: 'revive',
    label: 'Revive',
    when: (running) => running.state !== 'serving',
    title: 'Revive this guild?',
    text: 'It leaves quarantine and loads its state from the journal. If what made it fail is still there, it fails again.',
    yes: 'Revive',
    done: 'The guild is being revived.',
  },
];

const FACTS = [
  ['Node', (running, placed) => placed?.node ?? '–'],
  ['Because of', (running, placed) => because(placed)],
  ['State', (running) => running.state],
  ['Executor', (running) => (running.dedicated ? `${running.executor}, its own` : String(running.executor))],
  ['Placed there', (running) => (running.placed_because ? `${running.placed_because}, ${moment(running.placed_ms)}` : '–')],
  ['Running since', (running) => moment(running.started_ms)],
  ['Sessions', (running) => `${count(running.sessions)} on ${count(running.hubs)} ${running.hubs === 1 ? 'worker' : 'workers'}`],
  ['Waiting requests', (running) => `${count(running.waiting_requests)} (${bytes(running.waiting_bytes)})`],
  ['Queue delay', (running) => milliseconds(running.queue_delay_ms)],
  ['Requests since the start', (running) => count(running.requests)],
  ['Events since the start', (running) => count(running.items)],
  ['Journal position', (running) => count(running.position)],
  ['Restarts after a panic', (running) => (running.restarts ? `${count(running.restarts)}, the last took ${milliseconds(running.last_restart_ms)}` : '0')],
];

/** Why a guild is on its node. */
function because(placed) {
  if (!placed) return '–';
  if (placed.reason === 'ring') return `virtual node ${placed.ring.virtual_node} of ${placed.ring.node}, point ${placed.ring.point}`;
  return placed.reason === 'override' ? `it was moved there; the ring has it on ${placed.ring.node}` : placed.reason;
}

/** Moving a guild to another node: a choice of nodes, and buttons; nothing where there is only one. */
function mover(id, { client, report }) {
  const choice = el('select', { id: 'move-node' });
  const move = el('button', { type: 'button', text: 'Move to this node' });
  const back = el('button', { type: 'button', text: 'Give it back to the ring' });
  const element = el('div', { class: 'tools', hidden: true }, el('label', { for: 'move-node', text: 'Move to another node' }), choice, move, back);
  const go = async (node, title, text, yes) => {
    if (!await confirmed(title, text, yes)) return;
    move.disabled = true;
    back.disabled = true;
    try {
      const moved = await client.post(`/guilds/${id}/move`, { node });
      notify(`The guild is on ${moved.to}${moved.pause_ms === null ? '' : `; it paused for ${milliseconds(moved.pause_ms)}`}.`, 'good');
    } catch (error) {
      report(error);
    } finally {
      move.disabled = false;
      back.disabled = false;
    }
  };
  move.addEventListener('click', () => go(
    choice.value,
    `Move this guild to ${choice.value}?`,
    'It is handed over while it is in use: its messages wait for some milliseconds, nothing is lost. It stays there, whichever nodes come or leave, until it is moved again.',
    'Move',
  ));
  back.addEventListener('click', () => go(null, 'Give this guild back to the ring?', 'It goes to the node that the ring has for it, and from then on wherever the ring has it.', 'Give back'));
  const show = (nodes, placed) => {
    const names = nodes.filter((node) => node.details?.state === 'ready' && node.name !== placed.node).map((node) => node.name);
    const shown = [...choice.options].map((option) => option.value);
    if (shown.join() !== names.join()) choice.replaceChildren(...names.map((name) => el('option', { value: name, text: name })));
    element.hidden = names.length === 0;
    back.hidden = placed.reason !== 'override';
  };
  return { element, show };
}

export function mount(root, { client, report, argument: id }) {
  const name = el('h1', { text: `Guild ${id}` });
  const about = el('p', { class: 'soft' });
  const values = FACTS.map(() => el('dd'));
  const facts = el('dl', { class: 'facts' }, ...FACTS.flatMap(([title], index) => [el('dt', { text: title }), values[index]]));
  const charts = [
    new Chart('Share of its executor', { of: (sample) => sample.load, format: percent }),
    new Chart('Requests per second', { of: (sample) => sample.requests, format: figure }),
    new Chart('Events per second', { of: (sample) => sample.items, format: figure }),
    new Chart('Waiting requests', { of: (sample) => sample.waiting, format: count }),
  ];
  const samples = { values: (of) => kept.map((sample) => of(sample) ?? null) };
  const kept = [];
  const moves = table('Moves', [['When'], ['From', 'number'], ['To', 'number'], ['Why'], ['Pause', 'number']]);
  const moved = section('Between executors', moves.element);
  moved.hidden = true;
  const journeys = table('Moves between nodes', [['When'], ['From'], ['To'], ['Why'], ['Pause', 'number']]);
  const went = section('Between nodes', journeys.element);
  went.hidden = true;
  const toNode = mover(id, { client, report });

  const buttons = ACTIONS.map((action) => {
    const button = el('button', { type: 'button', text: action.label, hidden: true });
    button.addEventListener('click', async () => {
      if (!await confirmed(action.title, action.text, action.yes)) return;
      button.disabled = true;
      try {
        await client.post(`/guilds/${id}/${action.name}`);
        notify(action.done, 'good');
      } catch (error) {
        report(error);
      } finally {
        button.disabled = false;
      }
    });
    return button;
  });

  root.append(
    name,
    about,
    el('div', { class: 'buttons actions' }, ...buttons, el('a', { class: 'button', href: `#/ring?guild=${id}`, text: 'Show on the ring' })),
    toNode.element,
    el('div', { class: 'charts' }, ...charts.map((chart) => chart.element)),
    el('div', { class: 'columns' }, section('Now', facts), el('div', {}, went, moved)),
  );

  let timer = null;
  let left = false;
  let before = null;

  const sample = (running, now) => {
    const seconds = before ? (now - before.now) / 1000 : 0;
    const anew = !before || before.running.started_ms !== running.started_ms || seconds <= 0;
    const rate = (of) => (anew ? null : Math.max(0, running[of] - before.running[of]) / seconds);
    kept.push({
      load: anew ? null : rate('busy_ns') / 1e9,
      requests: rate('requests'),
      items: rate('items'),
      waiting: running.waiting_requests,
    });
    if (kept.length > KEPT) kept.shift();
    before = { running, now };
  };

  const showMoves = (list) => {
    moved.hidden = list.length === 0;
    moves.body.replaceChildren(...list.map((move) => el(
      'tr',
      {},
      el('td', { title: moment(move.at_ms), text: `${span(Date.now() - move.at_ms)} ago` }),
      el('td', { class: 'number', text: String(move.from) }),
      el('td', { class: 'number', text: move.kind === 'promotion' ? `${move.to} (its own)` : String(move.to) }),
      el('td', { text: move.reason }),
      el('td', { class: 'number', text: milliseconds(move.pause_ms) }),
    )));
  };

  const showJourneys = (list) => {
    went.hidden = list.length === 0;
    journeys.body.replaceChildren(...list.slice(0, 8).map((move) => el(
      'tr',
      {},
      el('td', { title: moment(move.at_ms), text: `${span(Date.now() - move.at_ms)} ago` }),
      el('td', { text: move.from }),
      el('td', { text: move.to }),
      el('td', { text: move.reason === 'nodes' ? 'a node came or leaves' : move.reason }),
      el('td', { class: 'number', text: milliseconds(move.pause_ms) }),
    )));
  };

  /** Where it is among nodes; at first, and with every fifth look. */
  let looks = 0;
  let placed = null;
  const locate = async (node) => {
    looks += 1;
    if (placed?.node === node && looks % 5 !== 1) return;
    const [placement, { nodes }, { moves: all }] = await Promise.all([client.get(`/placement?guild=${encodeURIComponent(id)}`), client.get('/nodes'), client.get('/moves')]);
    if (left) return;
    placed = placement;
    toNode.show(nodes, placed);
    showJourneys(all.filter((move) => move.id === id));
  };

  const load = async () => {
    try {
      const { node, running, guild } = await client.get(`/guilds/${encodeURIComponent(id)}`);
      await locate(node);
      if (left) return;
      if (guild) setText(name, guild.name);
      const members = guild?.approximate_member_count;
      setText(about, `${id} · on node ${node}${members === undefined || members === null ? '' : ` · ${count(members)} members`}`);
      if (running) {
        sample(running, performance.now());
        for (const chart of charts) chart.show(samples);
        FACTS.forEach(([, of], index) => setText(values[index], of(running, placed)));
        showMoves(running.moves ?? []);
      }
      ACTIONS.forEach((action, index) => {
        buttons[index].hidden = !running || !action.when(running);
      });
    } catch (error) {
      if (left) return;
      if (error.status === 404) {
        setText(about, 'There is no such guild.');
        return;
      }
      report(error);
    }
    if (!left) timer = setTimeout(load, PERIOD_MS);
  };
  load();
  return {
    leave() {
      left = true;
      clearTimeout(timer);
    },
  };
}
