// The console: signs in, listens to the feed, shows the view that the address names.

import { Client } from './client.js';
import { notify, setText } from './dom.js';
import { byId, el } from '../shared/elements.js';
import * as executors from './executors.js';
import { Feed } from './feed.js';
import * as guild from './guild.js';
import * as guilds from './guilds.js';
import { History } from './history.js';
import * as nodes from './nodes.js';
import * as overview from './overview.js';
import * as ring from './ring.js';
import * as sessions from './sessions.js';

const VIEWS = { overview, nodes, ring, guilds, executors, sessions };

const client = new Client();
const history = new History();
let view = null;
/** The node of this console, from when it is drained. */
let ending = null;
let lost = false;

/** Shows a refusal; one that is about the token asks for another. */
function report(error) {
  if (error.status === 401) signIn('This token was refused.');
  else notify(error.message);
}

/** `#/guilds/123?x=y` → view, argument and parameters. */
function address() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  const [name, argument] = path.split('/').map(decodeURIComponent);
  const known = Object.hasOwn(VIEWS, name) ? name : 'overview';
  return { name: known, argument: argument || null, parameters: new URLSearchParams(query ?? '') };
}

function show() {
  const { name, argument, parameters } = address();
  view?.leave?.();
  const main = byId('main');
  main.replaceChildren();
  for (const link of byId('nav').children) {
    if (link.getAttribute('href') === `#/${name}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  const module = name === 'guilds' && argument ? guild : VIEWS[name];
  view = module.mount(main, { client, history, report, ends, argument, parameters });
  document.title = `${main.querySelector('h1')?.textContent ?? 'Console'} · Guildhall console`;
  view.show?.();
}

const feed = new Feed(client, {
  onPush(push) {
    history.add(push);
    setText(byId('node-name'), push.node.name);
    setText(byId('node-state'), push.node.state);
    byId('node-state').dataset.state = push.node.state;
    complain(push.complaints ?? []);
    showDrain(push.node);
    view?.show?.();
  },
  onState(state) {
    setText(byId('status'), { connecting: 'connecting', live: 'live', lost: 'dialling again' }[state]);
    byId('status').dataset.state = state;
    if (state !== 'lost') return;
    lost = true;
    if (ending) setDrain(`${ending} was drained and has ended. Sign in at another node.`);
  },
});

function complain(lines) {
  const box = byId('complaints');
  const shown = [...box.children].map((line) => line.textContent);
  if (shown.join('\n') !== lines.join('\n')) box.replaceChildren(...lines.map((text) => el('p', { text })));
}

/** Says above everything that the node of this console ends. */
function showDrain(node) {
  // One that answers again was started anew.
  if (lost) ending = null;
  lost = false;
  if (node.drain) ending = node.name;
  if (!ending) setDrain('');
  else setDrain(`${ending} is being drained.${node.drain ? ` ${nodes.drainText(node)}` : ''}`);
}

/** The node of this console was told to end. */
function ends(name) {
  ending = name;
  setDrain(`${name} is being drained.`);
}

function setDrain(text) {
  byId('drain').hidden = text === '';
  setText(byId('drain'), text);
}

/** Asks for a token until the server takes one, then begins. */
function signIn(complaint = '') {
  feed.close();
  const dialog = byId('sign-in');
  setText(byId('sign-in-error'), complaint);
  byId('token').value = '';
  if (!dialog.open) dialog.showModal();
}

async function begin() {
  try {
    await client.get('/nodes');
  } catch (error) {
    if (error.status === 401) {
      signIn(client.token ? 'This token was refused.' : '');
      return;
    }
    notify(error.message);
  }
  byId('sign-in').close();
  feed.open();
  show();
}

byId('sign-in').addEventListener('submit', (event) => {
  event.preventDefault();
  client.token = byId('token').value.trim();
  begin();
});
// Without a token there is nothing behind the dialog.
byId('sign-in').addEventListener('cancel', (event) => event.preventDefault());

byId('sign-out').addEventListener('click', () => {
  client.token = '';
  view?.leave?.();
  view = null;
  byId('main').replaceChildren();
  signIn();
});

byId('find').addEventListener('submit', (event) => {
  event.preventDefault();
  const id = byId('find-id').value.trim();
  if (/^\d{1,20}$/.test(id)) location.hash = `#/guilds/${id}`;
  else notify('A guild id is a number, such as 41771983423143937.');
});

window.addEventListener('hashchange', () => {
  if (takeToken()) begin();
  else if (client.token) {
    show();
    byId('main').focus({ preventScroll: true });
  }
});

/** Takes a token that came behind the address (`#token=…`) out of it: it stays in no history. */
function takeToken() {
  const match = /^#token=(.+)$/.exec(location.hash);
  if (!match) return false;
  client.token = decodeURIComponent(match[1]);
  window.history.replaceState(null, '', `${location.pathname}#/overview`);
  return true;
}

takeToken();
begin();
