// The REST API: JSON calls that wait out rate limits and short outages.

const TRIES = 4;
const PASSING = new Set([502, 503, 504]);

const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/** A refusal of the server, or no answer at all (status 0). */
export class RestError extends Error {
  constructor(status, body) {
    super(body?.message ?? (status ? `status ${status}` : 'the server does not answer'));
    this.status = status;
    this.code = body?.code ?? 0;
  }
}

export class Rest {
  #base;
  #authorization;
  #onWait;

  /** `onWait(seconds)` is told of each pause that a rate limit asks for. */
  constructor({ base, token, onWait }) {
    this.#base = base;
    this.#authorization = token;
    this.#onWait = onWait;
  }

  /**
   * Calls an endpoint and gives its JSON, or null where there is none. Every call of this page may
   * be repeated: messages carry a nonce that the server checks.
   */
  async call(method, path, { query = {}, body } = {}) {
    const parameters = new URLSearchParams(query).toString();
    const url = `${this.#base}${path}${parameters && `?${parameters}`}`;
    const headers = { authorization: this.#authorization };
    if (body !== undefined) headers['content-type'] = 'application/json';
    const request = { method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: 'no-store' };
    for (let attempt = 1; ; attempt += 1) {
      let response = null;
      try {
        response = await fetch(url, request);
      } catch {
        // Judged below, like a server that says it is not there.
      }
      if (response?.ok) return response.status === 204 ? null : response.json();
      const answer = response ? await response.json().catch(() => null) : null;
      const status = response?.status ?? 0;
      if (attempt >= TRIES) throw new RestError(status, answer);
      if (status === 429) {
        const seconds = answer?.retry_after ?? 1;
        this.#onWait(seconds);
        await sleep(seconds * 1000 + 50);
      } else if (status === 0 || PASSING.has(status)) {
        await sleep(300 * 2 ** attempt * (0.5 + Math.random()));
      } else {
        throw new RestError(status, answer);
      }
    }
  }

  me() {
    return this.call('GET', '/users/@me');
  }

  history(channel, { before, limit }) {
    return this.call('GET', `/channels/${channel}/messages`, { query: before ? { limit, before } : { limit } });
  }

  send(channel, content, nonce) {
    return this.call('POST', `/channels/${channel}/messages`, { body: { content, nonce, enforce_nonce: true } });
  }

  edit(channel, message, content) {
    return this.call('PATCH', `/channels/${channel}/messages/${message}`, { body: { content } });
  }

  remove(channel, message) {
    return this.call('DELETE', `/channels/${channel}/messages/${message}`);
  }

  typing(channel) {
    return this.call('POST', `/channels/${channel}/typing`);
  }

  react(channel, message, emoji, add) {
    const path = `/channels/${channel}/messages/${message}/reactions/${encodeURIComponent(emoji)}/@me`;
    return this.call(add ? 'PUT' : 'DELETE', path);
  }
}
