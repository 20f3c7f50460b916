// Beside the messages: channels, members, and who is typing.

import { paintAvatar } from './dom.js';
import { byId, el } from '../shared/elements.js';

/** Members listed of each kind; a guild may have a hundred thousand. */
const MOST_MEMBERS = 200;
/** Typing is announced every few seconds; after this long without, it has stopped. */
const TYPING_MS = 10_000;

/** Shows every channel; `unread` holds ids of channels with something new. */
export function showChannels(world, { current, unread, onOpen }) {
  const sections = world.directory().map(({ guild, channels }) => {
    const items = channels.map((channel) => {
      const button = el(
        'button',
        { type: 'button', class: 'channel', 'aria-current': channel.id === current ? 'page' : null, on: { click: () => onOpen(channel.id) } },
        el('span', { class: 'hash', 'aria-hidden': 'true', text: '#' }),
        el('span', { class: 'name', text: channel.name }),
      );
      if (unread.has(channel.id)) {
        button.classList.add('unread');
        button.append(el('span', { class: 'hidden', text: '(new messages)' }));
      }
      return el('li', {}, button);
    });
    return el('section', {}, el('h2', { text: guild.name }), el('ul', {}, ...items));
  });
  byId('channels').replaceChildren(...sections);
}

/** Shows a guild's members, those who are here first. */
export function showMembers(world, guild) {
  const { online, offline } = guild ? world.people(guild) : { online: [], offline: [] };
  const groups = [['Online', online], ['Offline', offline]].filter(([, people]) => people.length > 0);
  byId('members').replaceChildren(...groups.map(([title, people]) => {
    const items = people.slice(0, MOST_MEMBERS).map(({ user, name, status }) => {
      const avatar = el('span', { class: 'avatar', 'aria-hidden': 'true' });
      paintAvatar(avatar, user.id, name);
      avatar.append(el('span', { class: `dot ${status}` }));
      const item = el('li', { class: `member ${status}` }, avatar, el('span', { class: 'name', text: name }));
      if (user.bot) item.append(el('span', { class: 'badge', text: 'bot' }));
      return item;
    });
    if (people.length > MOST_MEMBERS) items.push(el('li', { class: 'hint', text: `and ${people.length - MOST_MEMBERS} more` }));
    return el('section', {}, el('h2', { text: `${title} — ${people.length}` }), el('ul', {}, ...items));
  }));
}

/** Who is typing in the open channel. */
export class Typists {
  #people = new Map();
  #element = byId('typing');

  start(id, name) {
    this.stop(id);
    const timer = setTimeout(() => this.stop(id), TYPING_MS);
    this.#people.set(id, { name, timer });
    this.#show();
  }

  stop(id) {
    clearTimeout(this.#people.get(id)?.timer);
    if (this.#people.delete(id)) this.#show();
  }

  clear() {
    for (const id of [...this.#people.keys()]) this.stop(id);
  }

  #show() {
    const names = [...this.#people.values()].map(({ name }) => name);
    const [first, second, third] = names;
    const texts = ['', `${first} is typing…`, `${first} and ${second} are typing…`, `${first}, ${second} and ${third} are typing…`];
    this.#element.textContent = texts[names.length] ?? 'Several people are typing…';
  }
}
