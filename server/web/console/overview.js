// How the node is doing: figures of the last three minutes.

import { Chart } from './chart.js';
import { section, setText } from './dom.js';
import { el } from '../shared/elements.js';
import { bytes, count, figure, milliseconds, moment, span } from './format.js';
import { guildRows, guildTable } from './guilds.js';

const CHARTS = [
  ['Published per second', { of: (push) => push.per_second.publishes, format: figure, note: 'Events that guilds handed to hubs' }],
  ['Deliveries per second', { of: (push) => push.per_second.deliveries, format: figure, note: 'Dispatches handed to connections' }],
  ['Deliveries per write', { of: (push) => push.per_second.deliveries_per_write, format: figure, note: 'Events that left in one system call' }],
  ['Acknowledged within (p99)', { of: (push) => push.per_second.publish_ack.p99_ms, format: milliseconds, note: 'From a message\'s arrival to its acknowledgement' }],
  ['Journal append (p99)', { of: (push) => push.per_second.append.p99_ms, format: milliseconds }],
  ['REST requests per second', { of: (push) => push.per_second.rest_requests, format: figure }],
  ['CPU, in cores', { of: (push) => push.per_second.cpu_cores, format: figure }],
  ['Memory', { of: (push) => push.totals.process?.resident_bytes, format: bytes }],
  ['Sessions', { of: (push) => push.node.sessions, format: count }],
  ['Gateway bytes per second', { of: (push) => push.per_second.bytes_out, format: bytes }],
];

const FACTS = [
  ['Address', ({ node }) => node.public_url],
  ['Up for', ({ node, at_ms: now }) => `${span(now - node.started_ms)}, since ${moment(node.started_ms)}`],
  ['Guilds running', ({ node }) => count(node.guilds)],
  ['Gateway connections', ({ node }) => count(node.connections)],
  ['Sessions waiting for a Resume', ({ totals }) => count(totals.sessions_detached)],
  ['Resumes whole / refused', ({ totals }) => `${count(totals.resumes_whole)} / ${count(totals.resumes_refused)}`],
  ['Guild restarts after a panic', ({ totals }) => count(totals.guild_restarts)],
  ['Closed for reading too slowly', ({ totals }) => count(totals.lane_overflows)],
  ['Typing and presence dropped', ({ totals }) => count(totals.ephemeral_dropped)],
  ['Requests refused by limits', ({ totals }) => count(totals.rest_limited)],
];

export function mount(root, { history, client }) {
  const charts = CHARTS.map(([name, options]) => new Chart(name, options));
  const values = FACTS.map(() => el('dd'));
  const facts = el('dl', { class: 'facts' }, ...FACTS.flatMap(([name], index) => [el('dt', { text: name }), values[index]]));
  const top = guildTable('Busiest guilds');
  root.append(
    el('h1', { text: 'Overview' }),
    el('div', { class: 'charts' }, ...charts.map((chart) => chart.element)),
    el('div', { class: 'columns' }, section('This node', facts), section('Busiest guilds', top.element)),
  );
  const show = () => {
    const push = history.last;
    if (!push) return;
    for (const chart of charts) chart.show(history);
    FACTS.forEach(([, of], index) => setText(values[index], of(push)));
    guildRows(top.body, (push.guilds ?? []).slice(0, 6), client);
  };
  return { show };
}
