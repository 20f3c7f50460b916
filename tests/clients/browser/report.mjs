// The load generator's reports in a real browser: each bundled scenario, a run with faults, two runs side by side.
// Started by ../run.mjs like the others; $LOADGEN_BIN makes the reports on servers of its own ($GUILDHALL_BIN).
// Leaves screenshots in tests/output/.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

import { done, fail, overallLimit, step } from '../steps.mjs';
import { Browser, screenshot } from './page.mjs';

const WAIT_MS = 10_000;
const LOADGEN = process.env.LOADGEN_BIN;
const SCENARIOS = fileURLToPath(new URL('../../../loadgen/scenarios/', import.meta.url));

overallLimit(200);

const folder = await mkdtemp(path.join(os.tmpdir(), 'report-'));
let browser;

/** Runs the load generator; gives what it printed. */
async function loadgen(...args) {
  const run = promisify(execFile)(LOADGEN, args, { cwd: folder, maxBuffer: 1 << 26 });
  const { stdout } = await run.catch((error) => { throw new Error(`loadgen ${args.join(' ')}: ${error.stderr}`); });
  return stdout;
}

/** Opens a report. */
const open = (file) => browser.open(pathToFileURL(path.join(folder, file)).href);

/** Everything that is drawn lies within its drawing, and no number is missing. */
async function isDrawnWell(page) {
  const outside = await page.$$eval('svg', (drawings) => drawings.flatMap((svg) => {
    const [, , width, height] = svg.getAttribute('viewBox').split(' ').map(Number);
    return [...svg.querySelectorAll('text, rect, path, circle')].filter((part) => {
      const box = part.getBBox();
      return box.x < -1 || box.y < -1 || box.x + box.width > width + 1 || box.y + box.height > height + 1;
    }).map((part) => part.outerHTML.slice(0, 120));
  }));
  assert.deepEqual(outside, []);
  const source = await page.content();
  assert.ok(!/NaN|Infinity|undefined/.test(source), 'a number is missing');
}

/** Its plots are there, with lines and, of several guilds, cells in them. */
async function hasPlots(page) {
  for (const name of ['Latency', 'Throughput', 'Acknowledged', 'CPU', 'Guilds']) {
    await page.locator('figcaption', { hasText: name }).first().waitFor();
  }
  const lines = await page.$$eval('path.line', (paths) => paths.map((line) => line.getAttribute('d').length));
  assert.ok(lines.length >= 8 && lines.every((length) => length > 20), String(lines));
  assert.ok(await page.locator('rect.cell').count() > 20, 'the heat map is empty');
  await isDrawnWell(page);
}

try {
  assert.ok(LOADGEN, 'LOADGEN_BIN is not set');
  await step('Chromium starts, without a network', async () => {
    browser = await Browser.start(WAIT_MS, { offline: true, colorScheme: 'light', viewport: { width: 1200, height: 1000 } });
  });

  const files = await readdir(SCENARIOS);
  const scenarios = files.map((file) => path.basename(file, '.toml'));
  await step('each bundled scenario makes a report with one command, all at a time', async () => {
    assert.ok(scenarios.length >= 6, String(scenarios));
    await Promise.all(scenarios.map((name) => loadgen('run', '--scenario', name, '--sessions', '40', '--rate', '20', '--duration', '5',
      '--warmup', '0.5', '--html', `${name}.html`)));
  }, 60);

  for (const name of scenarios) {
    await step(`the report of ${name} opens and finds nothing wrong`, async () => {
      const page = await open(`${name}.html`);
      assert.equal(await page.innerText('h1'), name);
      await page.locator('.badge.good', { hasText: 'no violation' }).waitFor();
      await hasPlots(page);
      await screenshot(page, `report-${name}.png`);
      await page.close();
    });
  }

  const run = await step('a run with a storm and a stopped server is reported', async () => {
    const text = await loadgen('run', '--scenario', 'storm', '--sessions', '80', '--duration', '9', '--warmup', '1', '--seed', '3',
      '--fault', 'stop=1@2', '--html', 'one.html', '--json');
    await writeFile(path.join(folder, 'storm.json'), text);
    return JSON.parse(text);
  }, 40);

  await step('the report says what the run said, light or dark', async () => {
    const page = await open('one.html');
    const text = await page.innerText('main');
    assert.match(text, new RegExp(`seed ${run.settings.seed}`));
    assert.match(text, /of the server's CPU per delivery/);
    assert.ok(await page.locator('text.label', { hasText: 'stop (1 s)' }).count() > 0, 'no mark for the fault');
    await hasPlots(page);
    await screenshot(page, 'report-light.png');
    const paper = () => page.$eval('body', (body) => getComputedStyle(body).backgroundColor);
    const light = await paper();
    await page.emulateMedia({ colorScheme: 'dark' });
    assert.notEqual(await paper(), light);
    await screenshot(page, 'report-dark.png');
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
    await screenshot(page, 'report-two.png');
  });

  await step('a grid of sessions and rates is drawn with its law', async () => {
    const text = await loadgen('scale', '--grid-sessions', '5,10,20', '--grid-rates', '20', '--duration', '2', '--warmup', '0.5',
      '--json', '--html', 'scale.html', '--svg', 'scale.svg');
    const scaled = JSON.parse(text);
    assert.equal(scaled.points.length, 3);
    const page = await open('scale.html');
    assert.equal(await page.locator('svg .point').count(), 6, 'each point is in both drawings');
    await isDrawnWell(page);
    await screenshot(page, 'scale.png');
    const drawing = await open('scale.svg');
    assert.equal(await drawing.locator('.point').count(), 6);
    await drawing.screenshot({ path: fileURLToPath(new URL('../../output/scale-svg.png', import.meta.url)) });
  }, 60);

  await step('nothing went wrong in the pages', async () => assert.deepEqual(browser.complaints, []));
  await browser.close();
  done();
} catch (error) {
  fail(error);
}
