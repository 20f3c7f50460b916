// The gateway: one WebSocket after the other, one session as long as it can be resumed.

const OP = { dispatch: 0, heartbeat: 1, identify: 2, resume: 6, reconnect: 7, invalidSession: 9, hello: 10, ack: 11 };

/** After these closes a new try would fail in the same way. */
const FINAL = new Map([
  [4004, 'the token is not valid'],
  [4010, 'invalid shard'],
  [4011, 'too many guilds for one session'],
  [4012, 'the server does not speak this version'],
  [4013, 'invalid intents'],
  [4014, 'these intents are not allowed'],
]);

/** What this page wants to hear of. */
const INTENTS = [0, 1, 8, 9, 10, 11, 12, 13, 14, 15].reduce((bits, bit) => bits | (1 << bit), 0);

/** A connection has this long to say hello. */
const HELLO_MS = 15_000;
const LONGEST_PAUSE_MS = 15_000;

const between = (low, high) => low + Math.random() * (high - low);

export class Gateway {
  #url;
  #token;
  #on;
  #socket = null;
  /** `{ id, seq }` once READY came, null where there is nothing to resume. */
  #session = null;
  #tries = 0;
  #timers = new Map();
  #acknowledged = true;
  #stopped = false;

  /**
   * `on.dispatch(type, data)` gets every event; `on.status(state, detail)` gets `connecting`,
   * `connected`, `reconnecting` and `refused`.
   */
  constructor({ url, token, on }) {
    this.#url = url;
    this.#token = token;
    this.#on = on;
  }

  start() {
    this.#on.status('connecting');
    window.addEventListener('online', this.#hurry);
    document.addEventListener('visibilitychange', this.#hurry);
    this.#connect();
  }

  stop() {
    this.#stopped = true;
    window.removeEventListener('online', this.#hurry);
    document.removeEventListener('visibilitychange', this.#hurry);
    this.#leave(1000);
  }

  /** Somebody looks, or the network is back: do not wait for the next try. */
  #hurry = () => {
    if (document.visibilityState === 'visible' && this.#timers.has('connect')) this.#connect();
  };

  #after(name, ms, action) {
    clearTimeout(this.#timers.get(name));
    this.#timers.set(name, setTimeout(() => {
      this.#timers.delete(name);
      action();
    }, ms));
  }

  /** Lets go of the socket, whatever state it is in; what it still says is not heard. */
  #leave(code) {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    const socket = this.#socket;
    this.#socket = null;
    if (socket && socket.readyState <= WebSocket.OPEN) socket.close(code);
  }

  #connect() {
    this.#leave(4000);
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#acknowledged = true;
    socket.addEventListener('message', (event) => {
      if (socket === this.#socket) this.#receive(JSON.parse(event.data));
    });
    socket.addEventListener('close', (event) => {
      if (socket === this.#socket) this.#lost(event.code);
    });
    this.#after('hello', HELLO_MS, () => this.#again());
  }

  /** The socket is gone. */
  #lost(code) {
    if (FINAL.has(code)) {
      this.#leave(1000);
      this.#on.status('refused', FINAL.get(code));
      return;
    }
    this.#again();
  }

  /** Connects anew after a pause that grows and is never the same for two clients. */
  #again() {
    // Not 1000 or 1001: these would end the session.
    this.#leave(4000);
    if (this.#stopped) return;
    const longest = Math.min(LONGEST_PAUSE_MS, 500 * 2 ** this.#tries);
    this.#tries += 1;
    this.#on.status('reconnecting');
    this.#after('connect', between(longest / 4, longest), () => this.#connect());
  }

  #send(op, d) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ op, d }));
  }

  #receive({ op, t, s, d }) {
    switch (op) {
      case OP.dispatch: return this.#dispatched(t, s, d);
      case OP.hello: return this.#greeted(d.heartbeat_interval);
      case OP.ack: this.#acknowledged = true; return undefined;
      case OP.heartbeat: return this.#send(OP.heartbeat, this.#session?.seq ?? null);
      case OP.reconnect: return this.#again();
      case OP.invalidSession: return this.#invalid(d);
      default: return undefined;
    }
  }

  #greeted(interval) {
    clearTimeout(this.#timers.get('hello'));
    this.#timers.delete('hello');
    this.#after('beat', interval * Math.random(), () => this.#beat(interval));
    this.#introduce();
  }

  #introduce() {
    if (this.#session) {
      this.#send(OP.resume, { token: this.#token, session_id: this.#session.id, seq: this.#session.seq });
      return;
    }
    const properties = { os: 'browser', browser: 'guildhall', device: 'guildhall' };
    this.#send(OP.identify, { token: this.#token, intents: INTENTS, large_threshold: 250, properties });
  }

  #beat(interval) {
    if (!this.#acknowledged) {
      this.#again();
      return;
    }
    this.#acknowledged = false;
    this.#send(OP.heartbeat, this.#session?.seq ?? null);
    this.#after('beat', interval, () => this.#beat(interval));
  }

  /** The server does not take the session: a new one, on the same connection. */
  #invalid(resumable) {
    if (!resumable) this.#session = null;
    this.#on.status('reconnecting');
    this.#after('introduce', between(500, 2_000), () => this.#introduce());
  }

  #dispatched(type, seq, data) {
    if (type === 'READY') this.#session = { id: data.session_id, seq };
    else if (this.#session) this.#session.seq = seq;
    if (type === 'READY' || type === 'RESUMED') this.#tries = 0;
    this.#on.dispatch(type, data);
    if (type === 'READY' || type === 'RESUMED') this.#on.status('connected');
  }
}
