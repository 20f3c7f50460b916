// The chat page: who is signed in, which channel is open, and what the gateway says about it.

import { Composer } from './composer.js';
import { notify, paintAvatar } from './dom.js';
import { byId, el } from '../shared/elements.js';
import { Gateway } from './gateway.js';
import { Rest } from './rest.js';
import { Typists, showChannels, showMembers } from './sidebar.js';
import { Timeline } from './timeline.js';
import { World } from './world.js';

const API = '/api/v10';
const GATEWAY = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/gateway?v=10&encoding=json`;
/** Changes within this time are drawn together. */
const DRAW_MS = 30;
const TOKEN_KEY = 'guildhall-token';

/** One signed-in user, from sign-in to sign-out. */
class Chat {
  #rest;
  #gateway;
  #timeline;
  #world = new World();
  #typists = new Typists();
  #preferred;
  #unread = new Set();
  #missed = 0;
  #redraw = new Set();
  #onRefused;

  constructor({ token, channel, onRefused }) {
    this.#preferred = channel;
    this.#onRefused = onRefused;
    this.#rest = new Rest({
      base: API,
      token,
      onWait: (seconds) => notify(`Slow down: trying again in ${seconds.toFixed(1)} s`, { key: 'wait', kind: 'info', seconds: Math.max(3, seconds) }),
    });
    this.#timeline = new Timeline({ rest: this.#rest, world: this.#world });
    this.#gateway = new Gateway({
      url: GATEWAY,
      token,
      on: {
        dispatch: (type, data) => this.#dispatched(type, data),
        status: (state, detail) => this.#status(state, detail),
      },
    });
    document.addEventListener('visibilitychange', this.#looked);
    this.#gateway.start();
  }

  close() {
    document.removeEventListener('visibilitychange', this.#looked);
    this.#gateway.stop();
    this.#timeline.close();
    this.#typists.clear();
    composer.open(null);
  }

  #status(state, detail) {
    const status = byId('status');
    status.textContent = state === 'refused' ? `refused: ${detail}` : state;
    status.dataset.state = state;
    if (state === 'refused') this.#onRefused(detail);
  }

  #dispatched(type, data) {
    for (const part of this.#world.apply(type, data)) this.#draw(part);
    if (type === 'READY') this.#ready();
    else if (type.startsWith('MESSAGE_')) this.#messageEvent(type, data);
    else if (type === 'TYPING_START') this.#typing(data);
    else if (type === 'GUILD_CREATE') this.#guildCame(data);
    else if (type === 'GUILD_DELETE' || type === 'CHANNEL_DELETE') this.#somethingWent();
    else if (type === 'CHANNEL_UPDATE' && data.id === this.#timeline.channelId) this.#showHead();
  }

  /** Many events may change the same list, as when a user of many guilds signs in: it is drawn once. */
  #draw(part) {
    if (this.#redraw.size === 0) setTimeout(() => this.#drawAll(), DRAW_MS);
    this.#redraw.add(part);
  }

  #drawAll() {
    const parts = [...this.#redraw];
    this.#redraw.clear();
    const current = this.#timeline.channelId;
    if (parts.includes('channels')) {
      showChannels(this.#world, { current, unread: this.#unread, onOpen: (id) => this.open(id) });
    }
    if (parts.includes('members')) showMembers(this.#world, this.#world.find(current)?.guild);
  }

  #ready() {
    const { me } = this.#world;
    const name = me.global_name ?? me.username;
    paintAvatar(byId('me-avatar'), me.id, name);
    byId('me-name').textContent = name;
  }

  #guildCame({ id }) {
    const current = this.#timeline.channelId;
    const guild = this.#world.guilds.get(id);
    if (current === null) {
      const wanted = this.#world.find(this.#preferred)?.guild.id === id ? this.#preferred : null;
      const first = this.#world.directory().find((entry) => entry.guild.id === id)?.channels[0]?.id;
      // Another guild may have the preferred channel; if not, this one's first does.
      if (wanted ?? first) this.open(wanted ?? first, { keepPreferred: !wanted });
    } else if (this.#preferred && this.#preferred !== current && guild.channels.has(this.#preferred)) {
      this.open(this.#preferred);
    } else if (guild.channels.has(current)) {
      this.#timeline.refresh(guild, guild.channels.get(current));
    }
  }

  #somethingWent() {
    const current = this.#timeline.channelId;
    if (current === null || this.#world.find(current)) return;
    const next = this.#world.directory().flatMap(({ channels }) => channels)[0];
    if (next) {
      this.open(next.id);
    } else {
      this.#timeline.empty();
      byId('title').textContent = 'Guildhall';
      byId('topic').textContent = '';
      composer.open(null);
    }
  }

  /** Opens a channel. */
  open(id, { keepPreferred = false } = {}) {
    const found = this.#world.find(id);
    if (!found || id === this.#timeline.channelId) return;
    if (!keepPreferred) this.#preferred = null;
    this.#typists.clear();
    this.#unread.delete(id);
    this.#timeline.open(found.guild, found.channel);
    if (!keepPreferred) history.replaceState(null, '', `${location.pathname}${location.search}#${id}`);
    this.#showHead();
    composer.open(found.channel.name);
    closeDrawers();
    this.#redraw.add('channels').add('members');
    this.#drawAll();
  }

  #showHead() {
    const found = this.#world.find(this.#timeline.channelId);
    if (!found) return;
    byId('title').textContent = `#${found.channel.name}`;
    byId('topic').textContent = found.channel.topic ?? '';
    this.#showTitle();
  }

  #showTitle() {
    const count = this.#missed > 0 ? `(${this.#missed}) ` : '';
    document.title = `${count}${byId('title').textContent} · Guildhall`;
  }

  #looked = () => {
    if (document.visibilityState !== 'visible') return;
    this.#missed = 0;
    this.#showTitle();
  };

  #messageEvent(type, data) {
    const open = data.channel_id === this.#timeline.channelId;
    if (type === 'MESSAGE_CREATE') {
      this.#arrived(data, open);
      return;
    }
    if (!open) return;
    switch (type) {
      case 'MESSAGE_UPDATE': this.#timeline.updated(data); break;
      case 'MESSAGE_DELETE': this.#timeline.removed(data.id); break;
      case 'MESSAGE_DELETE_BULK': data.ids.forEach((id) => this.#timeline.removed(id)); break;
      case 'MESSAGE_REACTION_ADD': this.#timeline.reacted(data, 1); break;
      case 'MESSAGE_REACTION_REMOVE': this.#timeline.reacted(data, -1); break;
      default: break;
    }
  }

  #arrived(message, open) {
    if (open) {
      this.#typists.stop(message.author.id);
      this.#timeline.created(message);
    } else if (message.author.id !== this.#world.me?.id && !this.#unread.has(message.channel_id)) {
      this.#unread.add(message.channel_id);
      this.#draw('channels');
    }
    if (document.visibilityState === 'hidden' && message.author.id !== this.#world.me?.id) {
      this.#missed += 1;
      this.#showTitle();
    }
  }

  #typing({ channel_id: channel, user_id: id, member }) {
    if (channel !== this.#timeline.channelId || id === this.#world.me?.id) return;
    const { guild } = this.#world.find(channel);
    const user = member?.user ?? guild.members.get(id)?.user;
    if (user) this.#typists.start(id, this.#world.nameIn(guild, user));
  }

  // From the composer.

  send(content) {
    this.#timeline.send(content);
  }

  announceTyping() {
    // Nobody misses it where it fails.
    this.#rest.typing(this.#timeline.channelId).catch(() => {});
  }

  editLast() {
    return this.#timeline.editLast();
  }
}

let chat = null;

const composer = new Composer({
  send: (content) => chat?.send(content),
  typing: () => chat?.announceTyping(),
  editLast: () => chat?.editLast() ?? false,
});

function signIn(token, { channel, onRefused }) {
  chat?.close();
  chat = new Chat({ token, channel: location.hash.slice(1) || channel, onRefused });
}

/** Below a width the two sides are drawers over the messages. */
function closeDrawers() {
  byId('app').classList.remove('show-sidebar');
  byId('open-sidebar').setAttribute('aria-expanded', 'false');
  if (matchMedia('(max-width: 900px)').matches) {
    byId('app').classList.remove('show-members');
    byId('open-members').setAttribute('aria-expanded', 'false');
  }
}

function watchDrawers() {
  for (const [button, shown] of [['open-sidebar', 'show-sidebar'], ['open-members', 'show-members']]) {
    byId(button).addEventListener('click', () => {
      const open = byId('app').classList.toggle(shown);
      byId(button).setAttribute('aria-expanded', String(open));
    });
  }
  const wide = !matchMedia('(max-width: 900px)').matches;
  byId('app').classList.toggle('show-members', wide);
  byId('open-members').setAttribute('aria-expanded', String(wide));
  document.addEventListener('keydown', (event) => { if (event.key === 'Escape') closeDrawers(); });
  // Beside an open drawer the page is there to close it.
  byId('scroller').addEventListener('click', closeDrawers);
}

/** `guildhall dev` offers its demo users; elsewhere there is nothing at this address. */
async function demo() {
  try {
    const response = await fetch('/demo.json', { cache: 'no-store' });
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

async function startDemo({ user_tokens: tokens, channel_id: channel }) {
  const select = byId('user');
  select.replaceChildren(...tokens.map((_, index) => el('option', { value: index, text: `Demo user ${index + 1}` })));
  const asked = Number(new URLSearchParams(location.search).get('user'));
  select.selectedIndex = asked in tokens ? asked : 0;
  const start = () => signIn(tokens[select.selectedIndex], { channel, onRefused: (why) => notify(`Signing in failed: ${why}`) });
  select.addEventListener('change', () => {
    history.replaceState(null, '', `?user=${select.selectedIndex}${location.hash}`);
    start();
  });
  start();
  tokens.forEach(async (token, index) => {
    const rest = new Rest({ base: API, token, onWait: () => {} });
    const user = await rest.me().catch(() => null);
    if (user) select.options[index].textContent = user.global_name ?? user.username;
  });
}

function startWithToken() {
  byId('user').hidden = true;
  byId('user-label').hidden = true;
  byId('me-name').hidden = false;
  byId('leave').hidden = false;
  const dialog = byId('sign-in');
  const ask = (error = '') => {
    sessionStorage.removeItem(TOKEN_KEY);
    byId('sign-in-error').textContent = error;
    byId('status').textContent = 'signed out';
    byId('status').dataset.state = 'refused';
    dialog.showModal();
  };
  const start = (token) => signIn(token, { onRefused: (why) => ask(`That did not work: ${why}.`) });
  // There is nothing behind the dialog to go back to.
  dialog.addEventListener('cancel', (event) => event.preventDefault());
  byId('sign-in-form').addEventListener('submit', () => {
    const token = byId('token').value.trim();
    byId('token').value = '';
    sessionStorage.setItem(TOKEN_KEY, token);
    start(token);
  });
  byId('leave').addEventListener('click', () => {
    chat?.close();
    chat = null;
    ask();
  });
  const kept = sessionStorage.getItem(TOKEN_KEY);
  if (kept) start(kept);
  else ask();
}

watchDrawers();
const offered = await demo();
if (offered) await startDemo(offered);
else startWithToken();
