// One `guildhall dev` process on free ports of 127.0.0.1.

import { spawn } from 'node:child_process';
import net from 'node:net';
import readline from 'node:readline';

const START_LIMIT_MS = 20_000;
const STOP_LIMIT_MS = 15_000;
const LOG_LINES_KEPT = 200;

/** A port of 127.0.0.1 that was free a moment ago. */
async function freePort() {
  const probe = net.createServer();
  await new Promise((resolve, reject) => {
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', resolve);
  });
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

/** Resolves to `promise`, or rejects with `message` after `ms` milliseconds. */
function within(ms, promise, message) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(message)), ms);
  });
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}

/** A running server: `port`, `dev` (its JSON line, parsed), `line` (as printed), `log()`, `stop()`. */
export class Server {
  #child;
  #exit;
  #log = [];

  /**
   * Starts `binary` with the data directory `data`, advertising `publicUrl` instead of its own address; with
   * `nodes` above 1 a cluster, of which it is the first. `set` are settings, as `KEY=VALUE`.
   * Rejects when the process ends or says nothing for 20 s; `stop` is due then, too.
   */
  async start(binary, data, publicUrl, { nodes = '1', set = [] } = {}) {
    this.port = await freePort();
    const args = ['dev', '--json', '--host', '127.0.0.1', '--port', this.port, '--admin-port', '0',
      '--data', data, '--public-url', publicUrl, '--nodes', nodes,
      ...set.flatMap((pair) => ['--set', pair])];
    this.#child = spawn(binary, args.map(String), { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#exit = new Promise((resolve, reject) => {
      this.#child.once('exit', (code, signal) => resolve({ code, signal }));
      this.#child.once('error', reject);
    });
    readline.createInterface({ input: this.#child.stderr }).on('line', (line) => {
      this.#log.push(line);
      if (this.#log.length > LOG_LINES_KEPT) this.#log.shift();
    });
    const firstLine = new Promise((resolve) => {
      readline.createInterface({ input: this.#child.stdout }).once('line', resolve);
    });
    const ended = this.#exit.then(({ code, signal }) => {
      throw new Error(`the server ended before it was ready (${signal ?? `status ${code}`})`);
    });
    this.line = await within(START_LIMIT_MS, Promise.race([firstLine, ended]),
      `the server printed no line within ${START_LIMIT_MS / 1000} s`);
    this.dev = JSON.parse(this.line);
  }

  /** The last lines of the server's log. */
  log() {
    return this.#log.join('\n');
  }

  /**
   * Asks the server to stop with SIGTERM. Rejects when it had ended by itself, when it does not end
   * within 15 s (it is killed then), or when its exit status is not 0.
   */
  async stop() {
    const child = this.#child;
    if (!child) return;
    try {
      const already = child.exitCode !== null || child.signalCode !== null;
      child.kill('SIGTERM');
      const { code, signal } = await within(STOP_LIMIT_MS, this.#exit,
        `the server did not stop within ${STOP_LIMIT_MS / 1000} s of SIGTERM`);
      if (already) throw new Error(`the server ended by itself (${signal ?? `status ${code}`})`);
      if (code !== 0) throw new Error(`the server stopped with ${signal ?? `status ${code}`}`);
    } finally {
      child.kill('SIGKILL');
    }
  }
}
