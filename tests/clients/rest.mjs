// Plain REST requests of the demo users, for what "the others" do in a script.

const ATTEMPTS = 5;

/** A user (or bot, with its `Bot ` prefix in `authorization`) at the REST base URL `base`. */
export class Rest {
  #base;
  #authorization;

  constructor(base, authorization) {
    this.#base = base;
    this.#authorization = authorization;
  }

  /**
   * Sends one request; waits and repeats when the server answers 429, as a client has to.
   * Resolves to the parsed body, or null where there is none; rejects on any other error status.
   */
  async request(method, path, body) {
    for (let attempt = 1; ; attempt += 1) {
      const response = await fetch(this.#base + path, {
        method,
        headers: { authorization: this.#authorization, 'content-type': 'application/json' },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      const text = await response.text();
      if (response.status === 429 && attempt < ATTEMPTS) {
        const { retry_after: seconds } = JSON.parse(text);
        await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
        continue;
      }
      if (!response.ok) throw new Error(`${method} ${path}: status ${response.status}: ${text}`);
      return text === '' ? null : JSON.parse(text);
    }
  }

  me() {
    return this.request('GET', '/users/@me');
  }

  send(channel, content) {
    return this.request('POST', `/channels/${channel}/messages`, { content });
  }

  edit(channel, message, content) {
    return this.request('PATCH', `/channels/${channel}/messages/${message}`, { content });
  }

  delete(channel, message) {
    return this.request('DELETE', `/channels/${channel}/messages/${message}`);
  }

  react(channel, message, emoji) {
    return this.request('PUT', this.#reaction(channel, message, emoji));
  }

  unreact(channel, message, emoji) {
    return this.request('DELETE', this.#reaction(channel, message, emoji));
  }

  typing(channel) {
    return this.request('POST', `/channels/${channel}/typing`);
  }

  #reaction(channel, message, emoji) {
    return `/channels/${channel}/messages/${message}/reactions/${encodeURIComponent(emoji)}/@me`;
  }
}
