// Runs one client against a server of its own:
//
//   node run.mjs --server BINARY [--nodes N] [--set KEY=VALUE]… [--tls] [--limit SECONDS] -- COMMAND [ARGUMENT…]
//
// With --tls the server speaks TLS with a certificate of its own, which Node.js and Python trust by the
// environment that the command has; needs openssl.
//
// The command finds in its environment
//   GUILDHALL_DEV      the JSON line of `guildhall dev --json`; its addresses lead through the proxy
//   GUILDHALL_DIRECT   the REST base URL without the proxy, for what others do during an outage
//   GUILDHALL_PROXY    the proxy's control URL (see proxy.mjs)
//   TMPDIR             a directory that is removed afterwards
// Exit status: 0 when the command and the server's stop both succeeded.

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { Proxy } from './proxy.mjs';
import { Server } from './server.mjs';

const { values, positionals } = parseArgs({
  options: {
    server: { type: 'string' },
    nodes: { type: 'string', default: '1' },
    set: { type: 'string', multiple: true, default: [] },
    tls: { type: 'boolean', default: false },
    limit: { type: 'string', default: '120' },
  },
  allowPositionals: true,
});
if (!values.server || positionals.length === 0) {
  console.error('usage: node run.mjs --server BINARY [--nodes N] [--set KEY=VALUE]… [--tls] [--limit SECONDS] -- COMMAND [ARGUMENT…]');
  process.exit(64);
}

const scratch = mkdtempSync(path.join(os.tmpdir(), 'guildhall-client-'));
let client;

/** Makes a certificate for 127.0.0.1 that is signed by itself; gives where it and its key are. */
function makeIdentity() {
  const [certificate, key] = ['server.crt', 'server.key'].map((name) => path.join(scratch, name));
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
    '-days', '2', '-subj', '/CN=guildhall test', '-addext', 'subjectAltName=IP:127.0.0.1',
    '-out', certificate, '-keyout', key], { stdio: ['ignore', 'ignore', 'pipe'] });
  values.set.push(`listen.tls_cert=${certificate}`, `listen.tls_key=${key}`);
  return { NODE_EXTRA_CA_CERTS: certificate, SSL_CERT_FILE: certificate };
}

/** Runs the client command; resolves to a sentence about its failure, or null. */
function runClient(environment) {
  return new Promise((resolve) => {
    const [command, ...args] = positionals;
    // A group of its own, so that its helper processes end with it.
    client = spawn(command, args, {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...environment, TMPDIR: scratch },
      detached: true,
    });
    const limit = setTimeout(() => {
      resolve(`the client did not end within ${values.limit} s`);
      killClient();
    }, Number(values.limit) * 1000);
    client.once('error', (error) => resolve(`cannot start ${command}: ${error.message}`));
    client.once('exit', (code, signal) => {
      clearTimeout(limit);
      killClient();
      resolve(code === 0 ? null : `the client ended with ${signal ?? `status ${code}`}`);
    });
  });
}

/** Ends the client and whatever it started. */
function killClient() {
  if (!client?.pid) return;
  try {
    process.kill(-client.pid, 'SIGKILL');
  } catch {
    // The group is gone already.
  }
}

const proxy = new Proxy();
const server = new Server();
let stopping = false;

/** Ends everything; resolves to a sentence about the server's failure to stop, or null. */
async function cleanUp() {
  killClient();
  // First: the server would wait its full grace time for connections that nobody reads.
  proxy.stop();
  try {
    await server.stop();
    return null;
  } catch (error) {
    return error.message;
  } finally {
    // A killed browser may still be writing.
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, async () => {
    if (stopping) return;
    stopping = true;
    await cleanUp();
    process.exit(130);
  });
}

let failure;
try {
  const { port, controlUrl } = await proxy.start();
  const trust = values.tls ? makeIdentity() : {};
  const scheme = values.tls ? 'https' : 'http';
  await server.start(values.server, path.join(scratch, 'data'), `${scheme}://127.0.0.1:${port}`, values);
  proxy.target = server.port;
  failure = await runClient({
    GUILDHALL_DEV: server.line,
    GUILDHALL_DIRECT: `${scheme}://127.0.0.1:${server.port}/api/v10`,
    GUILDHALL_PROXY: controlUrl,
    ...trust,
  });
} catch (error) {
  failure = error.message;
}
if (!stopping) {
  stopping = true;
  const log = server.log();
  const stopFailure = await cleanUp();
  failure ??= stopFailure;
  if (failure) {
    if (log) console.error(`--- the server's last log lines\n${log}\n---`);
    console.error(`failed: ${failure}`);
  }
  process.exitCode = failure ? 1 : 0;
}
