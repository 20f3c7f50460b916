// What the server pushes each second.

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
/** A feed that says nothing for this long is dialled anew. */
const SILENCE_MS = 5_000;

export class Feed {
  #socket = null;
  #pause = FIRST_PAUSE_MS;
  #timer = null;
  #silence = null;
  #client;
  #onPush;
  #onState;

  /** `onState` is told `connecting`, `live` or `lost`. */
  constructor(client, { onPush, onState }) {
    this.#client = client;
    this.#onPush = onPush;
    this.#onState = onState;
  }

  open() {
    this.close();
    this.#onState('connecting');
    const url = new URL('/admin/v1/live', location.href);
    url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    url.searchParams.set('token', this.#client.token);
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.addEventListener('message', (event) => {
      this.#pause = FIRST_PAUSE_MS;
      this.#listen();
      this.#onState('live');
      this.#onPush(JSON.parse(event.data));
    });
    socket.addEventListener('close', () => {
      if (this.#socket === socket) this.#again();
    });
    this.#listen();
  }

  close() {
    clearTimeout(this.#timer);
    clearTimeout(this.#silence);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #listen() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#again(), SILENCE_MS);
  }

  #again() {
    this.close();
    this.#onState('lost');
    this.#timer = setTimeout(() => this.open(), this.#pause * (0.5 + Math.random()));
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
  }
}
