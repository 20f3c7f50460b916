// The load generator's report in a real browser: one run with faults, two runs side by side.
// Started by ../run.mjs like the others; $LOADGEN_BIN makes the report on a server of its own ($GUILDHALL_BIN).
// Leaves screenshots in tests/output/.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

import { chromium } from 'playwright-core';

import { done, fail, overallLimit, step } from '../steps.mjs';

const OUTPUT = fileURLToPath(new URL('../../output/', import.meta.url));
const LOADGEN = process.env.LOADGEN_BIN;

overallLimit(150);

const folder = await mkdtemp(path.join(os.tmpdir(), 'report-'));
const complaints = [];
let browser;

/** Runs the load generator; gives what it printed. */
async function loadgen(...args) {
  const { stdout } = await promisify(execFile)(LOADGEN, args, { cwd: folder, maxBuffer: 1 << 26 });
  return stdout;
}

/** Opens a report in a browser that is offline. */
async function open(file, colorScheme = 'light') {
  const context = await browser.newContext({ colorScheme, offline: true, viewport: { width: 1200, height: 1000 } });
  const page = await context.newPage();
  page.on('pageerror', (error) => complaints.push(`error in the page: ${error.message}`));
  page.on('request', (request) => {
    if (!request.url().startsWith('file:')) complaints.push(`the page asked for ${request.url()}`);
  });
  await page.goto(pathToFileURL(path.join(folder, file)).href);
  return page;
}

/** Everything that is drawn lies within its drawing, and no number is missing. */
async function isDrawnWell(page) {
  const outside = await page.$$eval('svg', (drawings) => drawings.flatMap((svg) => {
    const [, , width, height] = svg.getAttribute('viewBox').split(' ').map(Number);
    return [...svg.querySelectorAll('text, rect, path')].filter((part) => {
      const box = part.getBBox();
      return box.x < -1 || box.y < -1 || box.x + box.width > width + 1 || box.y + box.height > height + 1;
    }).map((part) => part.outerHTML.slice(0, 120));
  }));
  assert.deepEqual(outside, []);
  const source = await page.content();
  assert.ok(!/NaN|Infinity|undefined/.test(source), 'a number is missing');
}

try {
  assert.ok(LOADGEN, 'LOADGEN_BIN is not set');
  const run = await step('a run with a storm and a stopped server is reported', async () => {
    const text = await loadgen('run', '--scenario', 'storm', '--sessions', '80', '--duration', '9', '--warmup', '1', '--seed', '3',
      '--fault', 'stop=1@2', '--html', 'one.html', '--json').catch((error) => { throw new Error(error.stderr); });
    await writeFile(path.join(folder, 'storm.json'), text);
    return JSON.parse(text);
  });

  await step('Chromium starts', async () => {
    browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      headless: true,
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
        '--disable-component-update', '--disable-sync'],
    });
  });

  await step('the report opens offline and says what the run said', async () => {
    const page = await open('one.html');
    const text = await page.innerText('main');
    assert.match(text, /storm/);
    assert.match(text, /no violation/);
    assert.match(text, new RegExp(`seed ${run.settings.seed}`));
    for (const name of ['Latency', 'Throughput', 'Acknowledged', 'CPU', 'Guilds']) {
      await page.locator('figcaption', { hasText: name }).first().waitFor();
    }
    const lines = await page.$$eval('path.line', (paths) => paths.map((line) => line.getAttribute('d').length));
    assert.ok(lines.length >= 8 && lines.every((length) => length > 20), String(lines));
    assert.ok(await page.locator('rect.cell').count() > 20, 'the heat map is empty');
    assert.ok(await page.locator('text.label', { hasText: 'stop (1 s)' }).count() > 0, 'no mark for the fault');
    await isDrawnWell(page);
    await mkdir(OUTPUT, { recursive: true });
    await page.screenshot({ path: path.join(OUTPUT, 'report-light.png'), fullPage: true });
  });

  await step('it is dark where the reader wants it dark', async () => {
    const paper = async (page) => page.$eval('body', (body) => getComputedStyle(body).backgroundColor);
    const light = await paper(await open('one.html'));
    const page = await open('one.html', 'dark');
    assert.notEqual(await paper(page), light);
    await page.screenshot({ path: path.join(OUTPUT, 'report-dark.png'), fullPage: true });
  });

  await step('two runs stand side by side', async () => {
    const second = JSON.parse(await readFile(path.join(folder, 'storm.json'), 'utf8'));
    second.p99_ms *= 2;
    await writeFile(path.join(folder, 'slower.json'), JSON.stringify(second));
    const table = await loadgen('report', 'storm.json', 'slower.json', '--html', 'two.html');
    assert.match(table, /latency p99 ms.* 2\.00/);
    const page = await open('two.html');
    assert.equal(await page.locator('section').count(), 2);
    assert.match(await page.innerText('table'), /slower/);
    await isDrawnWell(page);
    await page.screenshot({ path: path.join(OUTPUT, 'report-two.png'), fullPage: true });
  });

  await step('nothing went wrong in the pages', async () => assert.deepEqual(complaints, []));
  await browser.close();
  done();
} catch (error) {
  fail(error);
}
