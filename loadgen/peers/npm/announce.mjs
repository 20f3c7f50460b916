// Says on standard output where a server listens and which version of its package it is.
import { readFileSync } from 'node:fs';

export function announce(name, port) {
  const file = new URL(`./node_modules/${name}/package.json`, import.meta.url);
  const { version } = JSON.parse(readFileSync(file, 'utf8'));
  process.stdout.write(`${JSON.stringify({ url: `ws://127.0.0.1:${port}`, version })}\n`);
}
