// The step list of a client script: `ok 1 - …` per step, the first failure ends the process.

const STEP_LIMIT_S = 20;

let number = 0;
let current = 'starting';

/** Ends the process with the step that failed and why. */
export function fail(error) {
  console.log(`not ok ${number} - ${current}: ${error?.message ?? error}`);
  process.exit(1);
}

/** Ends the process when it is still running after `seconds`. */
export function overallLimit(seconds) {
  setTimeout(() => fail(new Error(`the whole script took more than ${seconds} s`)), seconds * 1000).unref();
}

/** Runs `body` as the next step and resolves to its value. A step has 20 s unless it is given more. */
export async function step(name, body, seconds = STEP_LIMIT_S) {
  number += 1;
  current = name;
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`took more than ${seconds} s`)), seconds * 1000);
  });
  try {
    const value = await Promise.race([body(), limit]);
    console.log(`ok ${number} - ${name}`);
    return value;
  } catch (error) {
    return fail(error);
  } finally {
    clearTimeout(timer);
  }
}

/** Prints the plan line once all steps have passed and ends the process. */
export function done() {
  console.log(`1..${number}`);
  process.exit(0);
}

/** Everything seen of one kind, in order, and waiting for what is still to come. */
export class Inbox {
  items = [];
  #changed = new Set();

  push(item) {
    this.items.push(item);
    for (const check of this.#changed) check();
  }

  /** Resolves to the value of `find(items)` as soon as it is neither undefined nor false. */
  until(what, find) {
    return new Promise((resolve, reject) => {
      let timer;
      const check = () => {
        const found = find(this.items);
        if (found === undefined || found === false) return;
        clearTimeout(timer);
        this.#changed.delete(check);
        resolve(found);
      };
      timer = setTimeout(() => {
        this.#changed.delete(check);
        reject(new Error(`waited ${STEP_LIMIT_S / 2} s for ${what}; seen: ${JSON.stringify(this.items.slice(-12))}`));
      }, (STEP_LIMIT_S * 1000) / 2);
      this.#changed.add(check);
      check();
    });
  }
}
