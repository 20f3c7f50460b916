// The messages of the open channel: what is loaded, in order, and the list that shows it.

import { dayName, notify, sameDay } from './dom.js';
import { byId, el } from '../shared/elements.js';
import { Toolbar, countReaction, messageElement, showContent, showReactions } from './message.js';
import { compareIds } from './world.js';

const PAGE = 50;
/** Messages shown at most while the newest are in view; beyond, the oldest go. */
const MOST = 600;
/** Messages shown at most while older ones are read; beyond, new ones wait behind the button. */
const MOST_READING = 1_500;
/** Messages of one author within this time stand under one name. */
const GROUP_MS = 5 * 60_000;
/** Deletions remembered for pages of history that are still on their way. */
const MOST_REMOVED = 500;
/** So near to the end counts as at the end, in pixels. */
const NEAR = 80;

export class Timeline {
  #rest;
  #world;
  #list = byId('messages');
  #scroller = byId('scroller');
  #beginning = byId('beginning');
  #jump = byId('jump');
  #toolbar;
  #guild = null;
  #channel = null;
  /** `{ message, item, divider }` by rising id. */
  #entries = [];
  /** Messages that were sent and not seen yet: `{ nonce, content, item }`. */
  #pending = [];
  /** Done when what was sent before is with the server, or has failed. */
  #sending = Promise.resolve();
  #removed = new Set();
  /** Whether there may be older messages. */
  #more = false;
  /** Whether new messages are shown as they come, or the list ends before them. */
  #live = true;
  #loading = null;
  /** Whether the end is in view; kept up to date by scrolling. */
  #pinned = true;
  /** Where the pointer is over the list, null where it is elsewhere. */
  #pointer = null;
  #listeners = new AbortController();
  #watcher = new ResizeObserver(() => { if (this.#pinned) this.#toEnd(); });

  constructor({ rest, world }) {
    this.#rest = rest;
    this.#world = world;
    this.#toolbar = new Toolbar({
      react: (message, emoji) => this.#react(message, emoji, true),
      edit: (message) => this.#edit(message),
      remove: (message) => this.#remove(message),
    });
    this.#listen();
  }

  #listen() {
    const { signal } = this.#listeners;
    this.#scroller.addEventListener('scroll', () => this.#scrolled(), { signal, passive: true });
    this.#jump.addEventListener('click', () => this.#toNewest(), { signal });
    this.#list.addEventListener('focusin', ({ target }) => this.#point(target), { signal });
    this.#list.addEventListener('pointermove', ({ target, clientX, clientY }) => {
      this.#pointer = [clientX, clientY];
      this.#point(target);
    }, { signal, passive: true });
    this.#list.addEventListener('pointerleave', () => {
      this.#pointer = null;
      if (!this.#list.contains(document.activeElement)) this.#toolbar.hide();
    }, { signal });
    this.#scroller.addEventListener('keydown', (event) => this.#walk(event), { signal });
    this.#watcher.observe(this.#scroller);
  }

  /** Empties the list for good. */
  close() {
    this.#listeners.abort();
    this.#watcher.disconnect();
    this.empty();
  }

  /** Shows no channel. */
  empty() {
    this.#clear();
    this.#guild = null;
    this.#channel = null;
  }

  get channelId() {
    return this.#channel?.id ?? null;
  }

  #context() {
    return {
      world: this.#world,
      guild: this.#guild,
      onReact: (message, emoji, add) => this.#react(message, emoji, add),
    };
  }

  #clear() {
    this.#entries = [];
    this.#pending = [];
    this.#removed.clear();
    this.#list.replaceChildren();
    this.#beginning.hidden = true;
    this.#jump.hidden = true;
    this.#pinned = true;
    this.#live = true;
    this.#more = false;
    this.#loading = null;
  }

  /** Shows another channel from its newest messages on. */
  async open(guild, channel) {
    this.#clear();
    this.#guild = guild;
    this.#channel = channel;
    await this.#loadNewest();
  }

  /** The guild came anew, after a session that could not be resumed: fetches what was missed. */
  async refresh(guild, channel) {
    this.#guild = guild;
    this.#channel = channel;
    await this.#loadNewest();
  }

  /** One page at a time; what was asked for another channel is thrown away. */
  async #fetch(before, take) {
    const channel = this.#channel;
    const ticket = Symbol('page');
    this.#loading = ticket;
    this.#scroller.setAttribute('aria-busy', 'true');
    try {
      const page = await this.#rest.history(channel.id, { before, limit: PAGE });
      if (this.#loading === ticket) take(page.reverse());
    } catch (error) {
      if (this.#loading === ticket) notify(`The history of #${channel.name} could not be loaded: ${error.message}`);
    } finally {
      if (this.#loading === ticket) {
        this.#loading = null;
        this.#scroller.setAttribute('aria-busy', 'false');
        // What does not fill the view cannot be scrolled to ask for more.
        if (this.#more && this.#scroller.scrollHeight <= this.#scroller.clientHeight) this.#loadOlder();
      }
    }
  }

  #loadNewest() {
    return this.#fetch(undefined, (page) => {
      const known = this.#entries.at(-1)?.message.id;
      const joins = known === undefined || page.length < PAGE || compareIds(page[0].id, known) <= 0;
      // With a gap between what is shown and the page, the older part goes: it loads again.
      if (!joins) this.#drop(0, this.#entries.findIndex(({ message }) => compareIds(message.id, page[0].id) >= 0));
      if (known === undefined || !joins) this.#more = page.length === PAGE;
      this.#live = true;
      // What is not in the newest page any more, though of its span, was deleted meanwhile.
      const present = new Set(page.map(({ id }) => id));
      const oldest = page.length < PAGE ? '0' : page[0].id;
      const newest = page.at(-1)?.id ?? '0';
      for (const { message } of [...this.#entries]) {
        const inSpan = compareIds(message.id, oldest) >= 0 && compareIds(message.id, newest) <= 0;
        if (inSpan && !present.has(message.id)) this.removed(message.id);
      }
      for (const message of page) this.#put(message);
      this.#settle(true);
    });
  }

  #loadOlder() {
    if (!this.#more || this.#loading || this.#entries.length === 0) return;
    this.#fetch(this.#entries[0].message.id, (page) => {
      this.#more = page.length === PAGE;
      const height = this.#scroller.scrollHeight;
      for (const message of page.reverse()) this.#put(message);
      this.#scroller.scrollTop += this.#scroller.scrollHeight - height;
      this.#showBeginning();
    });
  }

  #drop(from, to) {
    const gone = this.#entries.splice(from, to < 0 ? this.#entries.length : to - from);
    for (const { item, divider } of gone) {
      item.remove();
      divider?.remove();
    }
    if (this.#entries[from]) this.#arrange(from);
  }

  /** Index of the first entry that is not before `id`. */
  #find(id) {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareIds(this.#entries[middle].message.id, id) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #entry(id) {
    const entry = this.#entries[this.#find(id)];
    return entry?.message.id === id ? entry : undefined;
  }

  /** Takes a message into the list, or what is newer of it where it is there already. */
  #put(message) {
    if (this.#removed.has(message.id)) return;
    const index = this.#find(message.id);
    const known = this.#entries[index];
    if (known?.message.id === message.id) {
      if ((message.edited_timestamp ?? '') >= (known.message.edited_timestamp ?? '')) this.#replace(known, message);
      return;
    }
    const item = messageElement(message, this.#context());
    const entry = { message, item, divider: null };
    const before = known ? known.divider ?? known.item : this.#pending[0]?.item ?? null;
    this.#list.insertBefore(item, before);
    this.#entries.splice(index, 0, entry);
    this.#arrange(index);
    if (this.#entries[index + 1]) this.#arrange(index + 1);
  }

  #replace(entry, message) {
    // Events do not bring reactions.
    entry.message = { ...entry.message, ...message, reactions: message.reactions ?? entry.message.reactions };
    if (!entry.item.querySelector('.editor')) showContent(entry.item, entry.message, this.#context());
    showReactions(entry.item, entry.message, this.#context());
  }

  /** Decides whether an entry stands under its predecessor's name, or under a new day. */
  #arrange(index) {
    const entry = this.#entries[index];
    const before = this.#entries[index - 1];
    const { message } = entry;
    const newDay = !before || !sameDay(before.message.timestamp, message.timestamp);
    if (newDay && !entry.divider) {
      entry.divider = el('li', { class: 'divider', role: 'separator' }, el('span', { text: dayName(message.timestamp) }));
      this.#list.insertBefore(entry.divider, entry.item);
    } else if (!newDay && entry.divider) {
      entry.divider.remove();
      entry.divider = null;
    }
    const together = !newDay
      && before.message.author.id === message.author.id
      && new Date(message.timestamp) - new Date(before.message.timestamp) < GROUP_MS;
    entry.item.classList.toggle('grouped', together);
  }

  /** After a change: keeps the end in view, and the list from growing without end. */
  #settle(moved) {
    if (this.#pinned) {
      if (this.#entries.length > MOST) {
        this.#drop(0, this.#entries.length - MOST);
        this.#more = true;
      }
      if (moved) this.#toEnd();
    }
    this.#showBeginning();
  }

  #showBeginning() {
    this.#beginning.hidden = this.#more || !this.#channel;
    if (this.#channel) this.#beginning.textContent = `This is the beginning of #${this.#channel.name}.`;
  }

  #toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  async #toNewest() {
    if (!this.#live) {
      this.#drop(0, -1);
      this.#pinned = true;
      await this.#loadNewest();
    }
    this.#pinned = true;
    this.#toEnd();
    this.#jump.hidden = true;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    this.#pinned = this.#live && scrollHeight - scrollTop - clientHeight < NEAR;
    this.#jump.hidden = scrollHeight - scrollTop - clientHeight < clientHeight && this.#live;
    // What the pointer was over has moved away from under it.
    if (!this.#list.contains(document.activeElement)) {
      this.#toolbar.hide();
      if (this.#pointer) this.#point(document.elementFromPoint(...this.#pointer));
    }
    if (scrollTop < 400) this.#loadOlder();
  }

  // What the gateway tells.

  /** MESSAGE_CREATE. */
  created(message) {
    const own = message.author.id === this.#world.me?.id;
    const waiting = own ? this.#pending.find(({ nonce }) => nonce === String(message.nonce)) : undefined;
    if (waiting) this.#settlePending(waiting);
    if (!this.#live) return;
    if (!this.#pinned && this.#entries.length >= MOST_READING) {
      this.#live = false;
      this.#jump.hidden = false;
      return;
    }
    this.#put(message);
    this.#settle(true);
  }

  /** MESSAGE_UPDATE. */
  updated(message) {
    const entry = this.#entry(message.id);
    if (entry) this.#replace(entry, message);
  }

  /** MESSAGE_DELETE, and each of MESSAGE_DELETE_BULK. */
  removed(id) {
    this.#removed.add(id);
    if (this.#removed.size > MOST_REMOVED) this.#removed.delete(this.#removed.values().next().value);
    const index = this.#find(id);
    if (this.#entries[index]?.message.id === id) this.#drop(index, index + 1);
    this.#settle(false);
  }

  /** MESSAGE_REACTION_ADD (1) and MESSAGE_REACTION_REMOVE (-1). */
  reacted({ message_id: id, emoji, user_id: user }, step) {
    const entry = this.#entry(id);
    if (!entry) return;
    countReaction(entry.message, emoji, user === this.#world.me?.id, step);
    showReactions(entry.item, entry.message, this.#context());
    this.#settle(true);
  }

  // What this user does.

  /** Sends a message; it is shown at once, paler, until the server has it. */
  send(content) {
    const channel = this.#channel;
    const nonce = `${Date.now()}${Math.floor(Math.random() * 1e6)}`;
    const draft = { id: '', author: this.#world.me, content, timestamp: new Date().toISOString(), nonce };
    const item = messageElement(draft, this.#context());
    item.classList.add('pending');
    const last = this.#entries.at(-1)?.message;
    if (last?.author.id === draft.author.id && sameDay(last.timestamp, draft.timestamp)) item.classList.add('grouped');
    const waiting = { nonce, content, item };
    this.#pending.push(waiting);
    this.#list.append(item);
    this.#pinned = true;
    this.#jump.hidden = true;
    if (!this.#live) this.#toNewest();
    this.#toEnd();
    // One after the other: of two that wait out a rate limit, either could be first.
    this.#sending = this.#sending.then(() => this.#deliver(channel, waiting));
  }

  async #deliver(channel, waiting) {
    waiting.item.classList.remove('failed');
    waiting.item.querySelector('.failure')?.remove();
    try {
      const message = await this.#rest.send(channel.id, waiting.content, waiting.nonce);
      if (!this.#pending.includes(waiting)) return;
      this.#settlePending(waiting);
      if (this.#live) this.#put(message);
      this.#settle(true);
    } catch (error) {
      if (this.#pending.includes(waiting)) this.#failed(channel, waiting, error);
    }
  }

  #settlePending(waiting) {
    this.#pending.splice(this.#pending.indexOf(waiting), 1);
    waiting.item.remove();
  }

  #failed(channel, waiting, error) {
    waiting.item.classList.add('failed');
    const again = el('button', { type: 'button', text: 'Try again', on: { click: () => this.#deliver(channel, waiting) } });
    const discard = el('button', { type: 'button', text: 'Discard', on: { click: () => this.#settlePending(waiting) } });
    const failure = el('div', { class: 'failure', role: 'alert' }, el('span', { text: `Not sent: ${error.message}` }), again, discard);
    waiting.item.querySelector('.body').append(failure);
    this.#settle(true);
  }

  async #react(message, emoji, add) {
    this.#toolbar.hide();
    await this.#attempt('The reaction was refused', () => this.#rest.react(this.#channel.id, message.id, emoji, add));
  }

  async #remove(message) {
    this.#toolbar.hide();
    await this.#attempt('The message was not deleted', () => this.#rest.remove(this.#channel.id, message.id));
  }

  async #attempt(what, action) {
    try {
      await action();
      return true;
    } catch (error) {
      notify(`${what}: ${error.message}`);
      return false;
    }
  }

  /** Edits the newest message of this user, if one is shown. */
  editLast() {
    const entry = this.#entries.findLast(({ message }) => message.author.id === this.#world.me?.id);
    if (entry) this.#edit(entry.message);
    return Boolean(entry);
  }

  #edit({ id }) {
    const entry = this.#entry(id);
    if (!entry || entry.item.querySelector('.editor')) return;
    this.#toolbar.hide();
    const { item } = entry;
    const content = item.querySelector('.content');
    const field = el('textarea', { rows: 1, maxlength: 2000, 'aria-label': 'Edit the message' });
    field.value = entry.message.content;
    const finish = () => {
      editor.remove();
      content.hidden = false;
      showContent(item, entry.message, this.#context());
      byId('text').focus();
    };
    const save = async () => {
      const text = field.value.trim();
      if (text && text !== entry.message.content) {
        const changed = await this.#attempt('The message was not changed', async () => {
          this.updated(await this.#rest.edit(this.#channel.id, id, text));
        });
        if (!changed) return;
      }
      finish();
    };
    const editor = el('form', { class: 'editor', on: { submit: (event) => { event.preventDefault(); save(); } } }, field);
    editor.append(el('p', { class: 'hint', text: 'Enter saves, Escape cancels' }));
    field.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        save();
      } else if (event.key === 'Escape') {
        finish();
      }
    });
    content.hidden = true;
    content.before(editor);
    field.focus();
    editor.scrollIntoView({ block: 'nearest' });
  }

  // Pointing and walking.

  #point(target) {
    const item = target?.closest('#messages li.message');
    const entry = item?.dataset.id ? this.#entry(item.dataset.id) : undefined;
    if (!entry) return;
    this.#toolbar.show(item, entry.message, entry.message.author.id === this.#world.me?.id);
  }

  /** Arrow keys go from message to message; its buttons are the next stops of Tab. */
  #walk(event) {
    if (event.key === 'Enter' && event.target === this.#scroller) {
      this.#entries.at(-1)?.item.focus();
      return;
    }
    if (event.target.closest('.editor') || !['ArrowUp', 'ArrowDown'].includes(event.key)) return;
    const current = document.activeElement.closest('li.message');
    if (!current) return;
    const items = [...this.#list.querySelectorAll('li.message')];
    const next = items[items.indexOf(current) + (event.key === 'ArrowUp' ? -1 : 1)];
    if (!next) return;
    event.preventDefault();
    next.focus();
  }
}
