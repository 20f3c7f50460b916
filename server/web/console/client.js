// The admin API: calls with the operator's token, which stays in this tab.

const KEY = 'guildhall-admin-token';

/** A refusal of the server, or no answer at all (status 0). */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export class Client {
  #token;

  constructor() {
    this.#token = sessionStorage.getItem(KEY) ?? '';
  }

  get token() {
    return this.#token;
  }

  /** Keeps the token until the tab is closed; an empty one is forgotten. */
  set token(token) {
    this.#token = token;
    if (token) sessionStorage.setItem(KEY, token);
    else sessionStorage.removeItem(KEY);
  }

  /** Calls an endpoint below `/admin/v1` and gives its JSON. */
  async call(method, path, body) {
    const headers = { authorization: `Bearer ${this.#token}` };
    if (body !== undefined) headers['content-type'] = 'application/json';
    const request = { method, headers, cache: 'no-store', body: body === undefined ? undefined : JSON.stringify(body) };
    let response;
    try {
      response = await fetch(`/admin/v1${path}`, request);
    } catch {
      throw new Refused(0, 'the server does not answer');
    }
    const answer = response.status === 204 ? null : await response.json().catch(() => null);
    if (!response.ok) throw new Refused(response.status, answer?.message ?? `status ${response.status}`);
    return answer;
  }

  get(path) {
    return this.call('GET', path);
  }

  post(path, body) {
    return this.call('POST', path, body);
  }
}
