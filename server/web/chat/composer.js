// The field for a new message.

import { byId } from '../shared/elements.js';

const MOST_CHARACTERS = 2_000;
/** From here on the rest is counted down. */
const COUNT_FROM = 1_800;
/** Typing is announced at most this often. */
const TYPING_EVERY_MS = 8_000;

export class Composer {
  #form = byId('composer');
  #text = byId('text');
  #send = byId('send');
  #count = byId('count');
  #on;
  #announcedAt = 0;

  /** `on.send(content)`, `on.typing()`, `on.editLast()`. */
  constructor(on) {
    this.#on = on;
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#text.addEventListener('keydown', (event) => this.#key(event));
    this.#text.addEventListener('input', () => this.#changed());
  }

  /** Names the channel that is written to; null closes the field. */
  open(name) {
    this.#text.disabled = name === null;
    this.#text.placeholder = name === null ? 'Message' : `Message #${name}`;
    this.#announcedAt = 0;
    this.#changed();
    if (name !== null && matchMedia('(hover: hover)').matches) this.#text.focus();
  }

  #key(event) {
    // An input method uses Enter itself.
    if (event.isComposing) return;
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === 'ArrowUp' && this.#text.value === '' && this.#on.editLast()) {
      event.preventDefault();
    }
  }

  #submit() {
    const content = this.#text.value.trim();
    if (!content || this.#text.disabled) return;
    this.#text.value = '';
    this.#announcedAt = 0;
    this.#changed();
    this.#on.send(content);
  }

  #changed() {
    const { value } = this.#text;
    this.#text.style.height = 'auto';
    this.#text.style.height = `${Math.min(this.#text.scrollHeight, 200)}px`;
    this.#send.disabled = this.#text.disabled || value.trim() === '';
    this.#count.textContent = value.length > COUNT_FROM ? String(MOST_CHARACTERS - value.length) : '';
    const now = Date.now();
    if (value.trim() !== '' && now - this.#announcedAt > TYPING_EVERY_MS) {
      this.#announcedAt = now;
      this.#on.typing();
    }
  }
}
