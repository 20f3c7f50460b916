// A real browser: the machine's Chromium ($CHROMIUM, or /usr/bin/chromium), with a profile of its own.

import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

import { smaller } from './png.mjs';

/** Where screenshots go. */
const OUTPUT = fileURLToPath(new URL('../../output/', import.meta.url));
const ARGUMENTS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];

export class Browser {
  #context;
  #waitMs;
  /** Errors in pages, and requests to other hosts than the page's own. */
  complaints = [];

  constructor(context, waitMs) {
    this.#context = context;
    this.#waitMs = waitMs;
  }

  /** Starts one; actions in its pages have `waitMs`. `options` are Playwright's. */
  static async start(waitMs, options = {}) {
    const profile = await mkdtemp(path.join(os.tmpdir(), 'browser-'));
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      headless: true,
      args: ARGUMENTS,
      ...options,
    });
    return new Browser(context, waitMs);
  }

  /** Opens an address in a tab of its own. */
  async open(url) {
    const { hostname: own } = new URL(url);
    const page = await this.#context.newPage();
    page.setDefaultTimeout(this.#waitMs);
    page.on('pageerror', (error) => this.complaints.push(`error in the page: ${error.message}`));
    page.on('console', (message) => {
      if (message.text().includes('Content Security Policy')) this.complaints.push(message.text());
    });
    page.on('request', (request) => {
      const { hostname, protocol } = new URL(request.url());
      if (protocol !== 'data:' && hostname !== own) this.complaints.push(`the page asked for ${request.url()}`);
    });
    await page.goto(url);
    return page;
  }

  async close() {
    await this.#context.close();
  }
}

/** Leaves a screenshot of the whole page, in tests/output/; where a folder is given there, packed for the repository. */
export async function screenshot(page, name, folder) {
  const into = folder || OUTPUT;
  await mkdir(into, { recursive: true });
  const png = await page.screenshot({ fullPage: true });
  await writeFile(path.join(into, name), folder ? smaller(png) : png);
}
