// The pushes of the last minutes, for charts.

const LENGTH = 180;

export class History {
  #pushes = [];

  add(push) {
    this.#pushes.push(push);
    if (this.#pushes.length > LENGTH) this.#pushes.shift();
  }

  get last() {
    return this.#pushes.at(-1) ?? null;
  }

  get all() {
    return this.#pushes;
  }

  /** The values of one figure, oldest first; null where there was none. */
  values(of) {
    return this.#pushes.map((push) => of(push) ?? null);
  }

  static get length() {
    return LENGTH;
  }
}
