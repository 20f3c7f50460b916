// The consistent-hash ring: what each virtual node has of it in its node's colour, and where a guild falls.

import { section, setText, table } from './dom.js';
import { el, svg } from '../shared/elements.js';
import { count, nodeHue, percent } from './format.js';

const SIZE = 420;
const MIDDLE = SIZE / 2;
const OUTER = 196;
const INNER = 168;
/** More points than this could not be told apart. */
const MAX_POINTS = 6_000;

/** Where a hash of 16 hexadecimal digits lies on the circle, 0 to 1, going right from the top. */
const turn = (hash) => parseInt(hash.slice(0, 8), 16) / 2 ** 32;

function at(share, radius) {
  const angle = share * 2 * Math.PI - Math.PI / 2;
  return [MIDDLE + radius * Math.cos(angle), MIDDLE + radius * Math.sin(angle)].map((part) => part.toFixed(1)).join(' ');
}

/** As many points as can be told apart. */
function shown(points) {
  const every = Math.ceil(points.length / MAX_POINTS);
  return points.filter((_, position) => position % every === 0).map(([point, owner]) => ({ share: turn(point), owner }));
}

/** What one node has of the ring, as one path: of each of its points the arc from the point before it. */
function arcs(points, index) {
  const middle = (INNER + OUTER) / 2;
  let path = '';
  points.forEach(({ share, owner }, position) => {
    if (owner !== index) return;
    const before = points.at(position - 1).share;
    const long = (share - before + 1) % 1 > 0.5 ? 1 : 0;
    path += `M${at(before, middle)}A${middle} ${middle} 0 ${long} 1 ${at(share, middle)}`;
  });
  return path;
}

/** All points as one path of ticks. */
const ticks = (points) => points.map(({ share }) => `M${at(share, INNER)}L${at(share, OUTER)}`).join('');

/** What a node knows of where a guild runs. */
function where(placed, own) {
  if (placed.running) return `running on executor ${placed.executor}`;
  if (placed.node !== own) return `looked after by ${placed.node}`;
  return 'not running; it wakes when somebody asks for it';
}

export function mount(root, { client, report, parameters, history }) {
  const drawing = svg('svg', { viewBox: `0 0 ${SIZE} ${SIZE}`, class: 'ring', role: 'img', 'aria-label': 'The ring' });
  const nodes = table('Nodes on the ring', [['Node'], ['Share of the ring', 'number'], ['Weight', 'number'], ['Guilds running', 'number'], ['State']]);
  const about = el('p', { class: 'soft' });
  const found = el('div', { class: 'found' });
  const id = el('input', { id: 'ring-guild', type: 'search', inputmode: 'numeric', autocomplete: 'off', placeholder: 'guild id', value: parameters.get('guild') ?? '' });
  const form = el('form', { class: 'tools', role: 'search' }, el('label', { for: 'ring-guild', text: 'Where does a guild live?' }), id, el('button', { type: 'submit', text: 'Show' }));
  root.append(
    el('h1', { text: 'Ring' }),
    form,
    el('div', { class: 'columns ring-columns' }, el('div', {}, drawing, about), el('div', {}, found, section('Nodes', nodes.element))),
  );
  let left = false;
  let busy = false;
  /** Number of the list of nodes that the drawing is of. */
  let drawn = null;

  const draw = async () => {
    const [ring, { points, nodes: names }] = await Promise.all([client.get('/ring'), client.get('/ring/points')]);
    if (left) return;
    const drawable = shown(points);
    drawing.replaceChildren(
      ...names.map((name, index) => svg('path', { d: arcs(drawable, index), class: 'ring-arcs', style: { '--hue': nodeHue(name) } }, svg('title', {}, name))),
      svg('path', { d: ticks(drawable), class: 'ring-points' }),
      svg('text', { x: MIDDLE, y: MIDDLE - 8, class: 'ring-text' }, `${count(ring.points)} virtual nodes`),
      svg('text', { x: MIDDLE, y: MIDDLE + 14, class: 'ring-text' }, `generation ${ring.generation}`),
    );
    drawing.setAttribute('aria-label', `The ring: ${ring.members.map(({ name, share }) => `${name} has ${percent(share)}`).join(', ')}`);
    setText(about, `${count(names.length)} ${names.length === 1 ? 'node' : 'nodes'}, ${count(ring.override_count)} guilds pinned by hand${ring.ignored_overrides ? ` (${count(ring.ignored_overrides)} to nodes that are not members)` : ''}.`);
    drawn = ring.generation;
    if (id.value) await find();
  };

  const showNodes = async () => {
    const { nodes: members } = await client.get('/nodes');
    if (left) return;
    nodes.body.replaceChildren(...members.map((node) => {
      const state = node.details?.state ?? 'unanswered';
      return el(
        'tr',
        {},
        el('td', {}, el('span', { class: 'swatch', style: { '--hue': nodeHue(node.name) } }), ` ${node.name}${node.self ? ' (this node)' : ''}`),
        el('td', { class: 'number', text: percent(node.share) }),
        el('td', { class: 'number', text: String(node.weight) }),
        el('td', { class: 'number', text: count(node.details?.guilds) }),
        el('td', {}, el('span', { class: 'badge', data: { state }, text: state })),
      );
    }));
  };

  /** With each push: the nodes, and the ring where it is another one. */
  const show = async () => {
    if (busy) return;
    busy = true;
    try {
      if (drawn === null || history.last?.generation !== drawn) await draw();
      await showNodes();
    } catch (error) {
      if (!left && error.status !== 0) report(error);
    } finally {
      busy = false;
    }
  };

  const find = async () => {
    drawing.querySelector('.ring-mark')?.remove();
    const guild = id.value.trim();
    if (!guild) {
      found.replaceChildren();
      return;
    }
    let placed;
    try {
      placed = await client.get(`/placement?guild=${encodeURIComponent(guild)}`);
    } catch (error) {
      found.replaceChildren(el('p', { class: 'error', text: error.message }));
      return;
    }
    const from = turn(placed.hash);
    const to = turn(placed.ring.point);
    drawing.append(svg(
      'g',
      { class: 'ring-mark' },
      svg('path', { d: `M${at(from, 96)}L${at(from, INNER - 12)}` }),
      svg('path', { d: `M${at(from, INNER - 12)}A${INNER - 12} ${INNER - 12} 0 0 1 ${at(to, INNER - 12)}L${at(to, OUTER + 6)}` }),
      svg('circle', { cx: at(from, INNER - 12).split(' ')[0], cy: at(from, INNER - 12).split(' ')[1], r: 4 }),
    ));
    const facts = [
      ['Lives on', placed.node],
      ['Because of', placed.reason === 'override' ? `a move; the ring has it on ${placed.ring.node}` : `virtual node ${placed.ring.virtual_node} of ${placed.ring.node}`],
      ['Hash', placed.hash],
      ['Next point', `${placed.ring.point}, number ${placed.ring.index + 1} of ${placed.ring.points}`],
      ['Next owners', placed.owners.slice(1).join(', ') || 'none: it is the only node'],
      ['Now', where(placed, history.last?.node.name)],
    ];
    found.replaceChildren(
      el('h2', {}, 'Guild ', el('a', { href: `#/guilds/${placed.guild_id}`, text: String(placed.guild_id) })),
      el('dl', { class: 'facts' }, ...facts.flatMap(([name, value]) => [el('dt', { text: name }), el('dd', { text: value })])),
    );
  };

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    find().catch(report);
  });
  return {
    show,
    leave() {
      left = true;
    },
  };
}
