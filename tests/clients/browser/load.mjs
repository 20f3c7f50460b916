// The load generator ($LOADGEN_BIN) at all nodes of a cluster, and what it finds.

import { spawn } from 'node:child_process';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';

const SCENARIO = fileURLToPath(new URL('load.toml', import.meta.url));
const LINES_KEPT = 50;

/** Messages on their way to many sessions of many guilds, each delivery checked. */
export class Load {
  #child;
  #exit;
  #said = [];
  #report = '';

  /** Starts it at the cluster of `dev`, the start line, and resolves when messages are on their way. */
  static async start(dev) {
    const load = new Load();
    const others = dev.nodes.flatMap(({ api }) => ['--also', api]);
    const args = ['run', '--json', '--scenario', SCENARIO, '--drain-timeout=60', '--api', process.env.GUILDHALL_DIRECT,
      '--admin', dev.admin, ...others];
    const child = spawn(process.env.LOADGEN_BIN ?? 'loadgen', args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, GUILDHALL_ADMIN_TOKEN: dev.admin_token },
    });
    load.#child = child;
    child.stdout.setEncoding('utf8').on('data', (text) => { load.#report += text; });
    load.#exit = new Promise((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('close', (code, signal) => resolve(signal ?? code));
    });
    const begins = new Promise((resolve) => {
      readline.createInterface({ input: child.stderr }).on('line', (line) => {
        load.#said.push(line);
        if (load.#said.length > LINES_KEPT) load.#said.shift();
        // Its progress is shown from the first message on.
        if (line.includes('deliver')) resolve(null);
      });
    });
    const ended = await Promise.race([begins, load.#exit]);
    if (ended !== null) throw load.#failure(ended);
    return load;
  }

  /** Has it stop posting; resolves to its report, or rejects where anything was lost, doubled or out of order. */
  async end() {
    this.#child.kill('SIGINT');
    const ended = await this.#exit;
    if (ended !== 0) throw this.#failure(ended);
    return JSON.parse(this.#report);
  }

  #failure(ended) {
    return new Error(`the load generator ended with ${ended}:\n${this.#said.join('\n')}\n${this.#report}`);
  }
}
