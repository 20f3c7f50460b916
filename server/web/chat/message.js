// One message as an element.

import { iconButton, paintAvatar, timeElement } from './dom.js';
import { el } from '../shared/elements.js';

const LINK = /(https?:\/\/[^\s<>"]+[^\s<>".,;:!?')\]}])|<@!?(\d{1,20})>|<#(\d{1,20})>/g;
const PALETTE = ['👍', '❤️', '😂', '🎉', '👀', '🚀', '😢', '🤔'];

const PATHS = {
  react: 'M12 21a9 9 0 1 1 0-18 9 9 0 0 1 0 18zM8.5 14.5c1 1.3 2.2 2 3.5 2s2.5-.7 3.5-2M9 9.5v.5M15 9.5v.5',
  edit: 'M4 20h4L19 9l-4-4L4 16zM13 7l4 4',
  remove: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13',
};

/** How an emoji is named in paths and told from others. */
export const emojiKey = (emoji) => (emoji.id ? `${emoji.name}:${emoji.id}` : emoji.name);

/** Text with links and mentions as elements; its text stays what was sent but for mentions. */
function fill(target, content, { world, guild }) {
  target.replaceChildren();
  let at = 0;
  for (const match of content.matchAll(LINK)) {
    const [whole, url, user, channel] = match;
    target.append(content.slice(at, match.index));
    at = match.index + whole.length;
    const member = user && guild?.members.get(user);
    const named = channel && guild?.channels.get(channel);
    if (url) target.append(el('a', { href: url, target: '_blank', rel: 'noopener noreferrer nofollow', text: url }));
    else if (member) target.append(el('span', { class: 'mention', text: `@${world.nameIn(guild, member.user)}` }));
    else if (named) target.append(el('span', { class: 'mention', text: `#${named.name}` }));
    else target.append(whole);
  }
  target.append(content.slice(at));
}

/** Makes the element of a message. `context`: `world`, `guild`, and what buttons do. */
export function messageElement(message, context) {
  const name = context.world.nameIn(context.guild, message.author);
  const avatar = el('span', { class: 'avatar', 'aria-hidden': 'true' });
  paintAvatar(avatar, message.author.id, name);
  const heading = el('div', { class: 'heading' }, el('span', { class: 'author', text: name }));
  if (message.author.bot) heading.append(el('span', { class: 'badge', text: 'bot' }));
  heading.append(timeElement(message.timestamp));
  const item = el(
    'li',
    { class: 'message', tabindex: '-1', data: { id: message.id } },
    avatar,
    el('div', { class: 'body' }, heading, el('div', { class: 'content' })),
  );
  if (message.mentions?.some(({ id }) => id === context.world.me?.id)) item.classList.add('mentions-me');
  showContent(item, message, context);
  showReactions(item, message, context);
  return item;
}

/** Shows what may change by an edit. */
export function showContent(item, message, context) {
  fill(item.querySelector('.content'), message.content, context);
  for (const old of item.querySelectorAll('.edited, .embed')) old.remove();
  const body = item.querySelector('.body');
  if (message.edited_timestamp) {
    const title = new Date(message.edited_timestamp).toLocaleString();
    item.querySelector('.content').after(el('span', { class: 'edited', title, text: '(edited)' }));
  }
  for (const embed of message.embeds ?? []) body.append(embedElement(embed));
}

function embedElement({ title, description }) {
  const element = el('div', { class: 'embed' });
  if (typeof title === 'string') element.append(el('strong', { text: title }));
  if (typeof description === 'string') element.append(el('p', { text: description }));
  return element;
}

/** Shows the reactions. */
export function showReactions(item, message, context) {
  item.querySelector('.reactions')?.remove();
  if (!message.reactions?.length) return;
  const row = el('div', { class: 'reactions' });
  for (const { emoji, count, me } of message.reactions) {
    const label = `${emoji.name}, ${count} ${count === 1 ? 'reaction' : 'reactions'}`;
    const click = () => context.onReact(message, emojiKey(emoji), !me);
    const button = el('button', { type: 'button', class: 'reaction', 'aria-pressed': String(me), 'aria-label': label, on: { click } });
    button.append(el('span', { text: emoji.id ? `:${emoji.name}:` : emoji.name }), el('span', { class: 'tally', text: String(count) }));
    row.append(button);
  }
  item.querySelector('.body').append(row);
}

/** Counts a reaction in or out of a message. */
export function countReaction(message, emoji, mine, step) {
  message.reactions ??= [];
  const key = emojiKey(emoji);
  let reaction = message.reactions.find((known) => emojiKey(known.emoji) === key);
  if (!reaction) {
    if (step < 0) return;
    reaction = { emoji, count: 0, me: false };
    message.reactions.push(reaction);
  }
  reaction.count += step;
  if (mine) reaction.me = step > 0;
  if (reaction.count <= 0) message.reactions.splice(message.reactions.indexOf(reaction), 1);
}

/**
 * The buttons of a message: one set for the whole list, which moves to the message that is pointed
 * at or has the focus.
 */
export class Toolbar {
  #element = el('div', { class: 'toolbar', role: 'group', 'aria-label': 'Message actions' });
  #on;
  #message = null;

  /** `on.react(message, emoji)`, `on.edit(message)`, `on.remove(message)`. */
  constructor(on) {
    this.#on = on;
  }

  show(item, message, own) {
    if (this.#message === message && this.#element.parentElement === item) return;
    this.#message = message;
    const react = iconButton('React', PATHS.react, () => this.#choose(react));
    react.setAttribute('aria-expanded', 'false');
    this.#element.replaceChildren(react);
    if (own) {
      const remove = iconButton('Delete', PATHS.remove, () => this.#confirm(remove));
      this.#element.append(iconButton('Edit', PATHS.edit, () => this.#on.edit(message)), remove);
    }
    item.append(this.#element);
  }

  hide() {
    this.#message = null;
    this.#element.remove();
  }

  #choose(react) {
    const open = this.#element.querySelector('.palette');
    react.setAttribute('aria-expanded', String(!open));
    if (open) {
      open.remove();
      return;
    }
    const message = this.#message;
    const buttons = PALETTE.map((emoji) => el('button', {
      type: 'button', text: emoji, 'aria-label': `React with ${emoji}`, on: { click: () => this.#on.react(message, emoji) },
    }));
    this.#element.append(el('div', { class: 'palette' }, ...buttons));
    buttons[0].focus();
  }

  /** A second click deletes: the first one may have been a slip. */
  #confirm(remove) {
    const message = this.#message;
    const sure = el('button', { type: 'button', class: 'danger', text: 'Delete?', on: { click: () => this.#on.remove(message) } });
    remove.replaceWith(sure);
    sure.focus();
  }
}
