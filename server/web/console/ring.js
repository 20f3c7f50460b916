// The consistent-hash ring: every virtual node as a tick in its node's colour, and where a guild falls.

import { section, setText, table } from './dom.js';
import { el, svg } from '../shared/elements.js';
import { count, percent } from './format.js';

const SIZE = 420;
const MIDDLE = SIZE / 2;
const OUTER = 196;
const INNER = 168;
/** More ticks than this could not be told apart. */
const MAX_TICKS = 6_000;

/** Where a hash of 16 hexadecimal digits lies on the circle, 0 to 1, going right from the top. */
const turn = (hash) => parseInt(hash.slice(0, 8), 16) / 2 ** 32;

function at(share, radius) {
  const angle = share * 2 * Math.PI - Math.PI / 2;
  return [MIDDLE + radius * Math.cos(angle), MIDDLE + radius * Math.sin(angle)].map((part) => part.toFixed(1)).join(' ');
}

/** The hue of the node at `index` of `count`. */
const hue = (index) => String((index * 137 + 245) % 360);

/** All ticks of one node as one path. */
function ticks(points, index) {
  const every = Math.ceil(points.length / MAX_TICKS);
  let path = '';
  points.forEach(([point, owner], position) => {
    if (owner !== index || position % every !== 0) return;
    const share = turn(point);
    path += `M${at(share, INNER)}L${at(share, OUTER)}`;
  });
  return path;
}

export function mount(root, { client, report, parameters }) {
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

  const draw = async () => {
    const [ring, { points, nodes: names }, members] = await Promise.all([client.get('/ring'), client.get('/ring/points'), client.get('/nodes')]);
    if (left) return;
    drawing.replaceChildren(
      svg('circle', { cx: MIDDLE, cy: MIDDLE, r: INNER, class: 'ring-line' }),
      ...names.map((name, index) => svg('path', { d: ticks(points, index), class: 'ring-ticks', style: { '--hue': hue(index) } }, svg('title', {}, name))),
      svg('text', { x: MIDDLE, y: MIDDLE - 8, class: 'ring-text' }, `${count(ring.points)} virtual nodes`),
      svg('text', { x: MIDDLE, y: MIDDLE + 14, class: 'ring-text' }, `generation ${ring.generation}`),
    );
    setText(about, `${count(names.length)} ${names.length === 1 ? 'node' : 'nodes'}, ${count(ring.override_count)} guilds pinned by hand${ring.ignored_overrides ? ` (${count(ring.ignored_overrides)} to nodes that are not members)` : ''}.`);
    nodes.body.replaceChildren(...members.nodes.map((node) => {
      const swatch = el('span', { class: 'swatch', style: { '--hue': hue(names.indexOf(node.name)) } });
      return el(
        'tr',
        {},
        el('td', {}, swatch, ` ${node.name}${node.self ? ' (this node)' : ''}`),
        el('td', { class: 'number', text: percent(node.share) }),
        el('td', { class: 'number', text: String(node.weight) }),
        el('td', { class: 'number', text: count(node.details?.guilds ?? node.guilds) }),
        el('td', { text: node.details?.state ?? node.state ?? '–' }),
      );
    }));
    if (id.value) await find();
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
      svg('path', { d: `M${at(from, 40)}L${at(from, INNER - 12)}` }),
      svg('path', { d: `M${at(from, INNER - 12)}A${INNER - 12} ${INNER - 12} 0 0 1 ${at(to, INNER - 12)}L${at(to, OUTER + 6)}` }),
      svg('circle', { cx: at(from, INNER - 12).split(' ')[0], cy: at(from, INNER - 12).split(' ')[1], r: 4 }),
    ));
    const facts = [
      ['Lives on', placed.node],
      ['Because of', placed.reason === 'override' ? 'a pin' : `virtual node ${placed.ring.virtual_node} of ${placed.ring.node}`],
      ['Hash', placed.hash],
      ['Next point', `${placed.ring.point}, number ${placed.ring.index + 1} of ${placed.ring.points}`],
      ['Next owners', placed.owners.slice(1).join(', ') || 'none: it is the only node'],
      ['Now', placed.running ? `running on executor ${placed.executor}` : 'not running; it wakes when somebody asks for it'],
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
  draw().catch(report);
  return {
    leave() {
      left = true;
    },
  };
}
