// The operator's console in a real browser, of a cluster of three nodes under checked load.
// Started by ../run.mjs with --nodes 3 and a server with fault points; $LOADGEN_BIN makes the load. Leaves screenshots in tests/output/, those of the
// documentation in the folder $SCREENSHOTS where that is set.

import assert from 'node:assert/strict';

import { Rest } from '../rest.mjs';
import { done, fail, overallLimit, step as within } from '../steps.mjs';
import { Load } from './load.mjs';
import { Browser, screenshot } from './page.mjs';

const WAIT_MS = 30_000;
const VIEWPORT = { width: 1240, height: 700 };

overallLimit(250);

const dev = JSON.parse(process.env.GUILDHALL_DEV);
const operator = (admin) => new Rest(`${admin}/admin/v1`, `Bearer ${dev.admin_token}`);
const admin = operator(dev.admin);
let browser;
let load;

/** A step; it has longer than usual, since everything here shares the machine with the load. */
const step = (name, body, seconds = 60) => within(name, body, seconds);

/** A screenshot of the documentation, once no notice is above it. */
async function picture(page, name) {
  await page.waitForFunction(() => document.querySelector('.notice') === null);
  await screenshot(page, name, process.env.SCREENSHOTS);
}

/** Waits until the page's main part has an element with this text. */
const shows = (page, selector, text) => page.locator(`#main ${selector}`, { hasText: text }).first().waitFor();

/** Goes to a view by its link. */
const go = (page, name) => page.locator('#nav a', { hasText: name }).click();

/** Opens a console that is signed in. */
async function open(address) {
  const page = await browser.open(`${address}/#token=${dev.admin_token}`);
  await page.locator('#status', { hasText: 'live' }).waitFor();
  return page;
}

/** What the console shows of a guild under a name. */
const fact = (page, name) => page.locator(`#main dt:text-is("${name}") + dd`).first();

/** Waits until the console shows `text` of a guild under a name. */
async function isFact(page, name, text) {
  const wanted = ([element, part]) => element.textContent.includes(part);
  await page.waitForFunction(wanted, [await fact(page, name).elementHandle(), text]);
}

/** Answers what the console asks before it does something, and gives what it asked. */
async function answer(page, yes) {
  const text = await page.locator('#confirm-text').textContent();
  if (yes) await page.locator('#confirm-yes').click();
  else await page.locator('#confirm').getByRole('button', { name: 'Cancel' }).click();
  return text;
}

/** The busiest guild of a node. */
async function busiest(address) {
  const { guilds } = await operator(address).request('GET', '/guilds?sort=load&limit=1');
  return guilds[0].id;
}

/** Waits until charts have a line of so many points. */
const hasCharts = (page, points) => page.waitForFunction(
  (least) => document.querySelector('.chart-line')?.getAttribute('d')?.split('L').length >= least,
  points,
);

/**
 * Holds the moment in which guilds are being handed over for its picture: the page hears nothing newer of the nodes until
 * `goesOn`. The drain itself goes on.
 */
async function hold(page) {
  let release;
  const released = new Promise((resolve) => { release = resolve; });
  let held = false;
  const answers = async (route) => {
    if (held) await released;
    let response;
    let drain;
    // Again at once where it has only begun: it does not take long.
    do {
      response = await route.fetch();
      const { nodes } = await response.json();
      drain = nodes.map(({ details }) => details?.drain).find(Boolean);
    } while (drain?.step === 'guilds' && drain.guilds_left === drain.guilds);
    held ||= drain?.step === 'guilds' && drain.guilds_left > 0;
    await route.fulfill({ response });
  };
  await page.route('**/admin/v1/nodes', answers);
  return {
    async goesOn() {
      release();
      await page.unrouteAll({ behavior: 'wait' });
    },
  };
}

try {
  const [second, third] = dev.nodes;
  await step('three nodes are under load', async () => {
    load = await Load.start(dev);
  }, 120);

  let page;
  await step('the console asks for the token and refuses a wrong one', async () => {
    browser = await Browser.start(WAIT_MS, { viewport: VIEWPORT, colorScheme: 'light' });
    page = await browser.open(`${dev.admin}/`);
    await page.locator('#token').fill('wrong');
    await page.locator('#token').press('Enter');
    await page.locator('#sign-in-error', { hasText: 'refused' }).waitFor();
    assert.equal(await page.locator('#main h1').count(), 0, 'something is shown without the token');
    await page.locator('#token').fill(dev.admin_token);
    await page.locator('#token').press('Enter');
    await page.locator('#status', { hasText: 'live' }).waitFor();
  });

  await step('every file of the page comes with its policy', async () => {
    const files = await page.evaluate(() => performance.getEntriesByType('resource').map((it) => it.name));
    const own = files.filter((name) => /\.(js|css|svg)$/.test(name));
    assert.ok(own.length >= 15, own.join(' '));
    for (const file of [`${dev.admin}/`, ...own]) {
      const { headers, status } = await fetch(file);
      assert.equal(status, 200, file);
      const policy = headers.get('content-security-policy') ?? '';
      assert.ok(policy.startsWith("default-src 'none'; script-src 'self'; style-src 'self'") && !policy.includes('unsafe'), `${file}: ${policy}`);
      for (const [name, value] of [['x-content-type-options', 'nosniff'], ['x-frame-options', 'DENY'], ['referrer-policy', 'no-referrer']]) {
        assert.equal(headers.get(name), value, `${file}: ${name}`);
      }
    }
  });

  await step('the overview shows figures that move', async () => {
    const value = page.locator('.chart', { hasText: 'Published per second' }).locator('output');
    await page.waitForFunction((output) => Number.parseFloat(output.textContent) > 0, await value.elementHandle());
    await page.waitForFunction(() => document.querySelectorAll('#main tbody tr').length >= 5);
    await hasCharts(page, 4);
  });

  await step('the nodes are shown with what they have', async () => {
    await go(page, 'Nodes');
    for (const name of ['node-1', 'node-2', 'node-3']) {
      const card = page.getByRole('article', { name });
      await card.locator('.badge', { hasText: 'ready' }).waitFor();
      const guilds = await card.locator('dt:text-is("Guilds running") + dd').textContent();
      assert.ok(Number.parseInt(guilds, 10) > 0, `${name} has ${guilds} guilds`);
    }
    await screenshot(page, 'console-nodes.png');
  });

  const far = await busiest(second.admin);
  await step('the ring shows the points of three nodes, and where a guild of another node falls', async () => {
    await go(page, 'Ring');
    const each = (paths) => paths.map((path) => path.getAttribute('d').split('M').length - 1);
    await page.locator('.ring-arcs').nth(2).waitFor({ state: 'attached' });
    assert.deepEqual(await page.$$eval('.ring-arcs', each), [150, 150, 150]);
    await page.locator('#ring-guild').fill(far);
    await page.locator('#ring-guild').press('Enter');
    await shows(page, '.found dd', 'looked after by node-2');
    assert.match(await fact(page, 'Next owners').textContent(), /^node-[13], node-[13]$/);
    await page.locator('.ring-mark').waitFor();
    await page.waitForFunction(() => document.querySelectorAll('#main tbody tr').length === 3);
    await picture(page, 'console-ring.png');
  });

  await step('a guild of another node is found by its id, with where it lives and why', async () => {
    await page.locator('#find-id').fill(far);
    await page.locator('#find-id').press('Enter');
    await isFact(page, 'Node', 'node-2');
    await isFact(page, 'Because of', 'virtual node');
    await isFact(page, 'State', 'serving');
    await hasCharts(page, 3);
  });

  await step('it is moved to another node, once that is confirmed', async () => {
    await page.locator('#move-node').selectOption('node-1');
    const move = page.getByRole('button', { name: 'Move to this node' });
    await move.click();
    assert.match(await answer(page, false), /handed over while it is in use/);
    assert.equal((await admin.request('GET', `/guilds/${far}`)).node, 'node-2', 'it was moved although that was cancelled');
    await move.click();
    await answer(page, true);
    await page.locator('.notice', { hasText: 'The guild is on node-1' }).waitFor();
    await isFact(page, 'Node', 'node-1');
    await shows(page, 'td', 'by hand');
  });

  await step('it is given an executor of its own and brought back, and goes back to where the ring has it', async () => {
    await page.getByRole('button', { name: 'Give it an executor of its own' }).click();
    await answer(page, true);
    await isFact(page, 'Executor', 'its own');
    await hasCharts(page, 16);
    await picture(page, 'console-guild.png');
    await page.getByRole('button', { name: 'Bring it back to the others' }).click();
    await answer(page, true);
    await page.locator('.notice', { hasText: 'back on a shared executor' }).waitFor();
    assert.equal((await admin.request('GET', `/guilds/${far}`)).running.dedicated, false);
    await page.getByRole('button', { name: 'Give it back to the ring' }).click();
    await answer(page, true);
    await page.locator('.notice', { hasText: 'The guild is on node-2' }).waitFor();
    await isFact(page, 'Node', 'node-2');
  });

  await step('a restart is asked about first, and done on the other node', async () => {
    const running = async () => (await admin.request('GET', `/guilds/${far}`)).running;
    assert.equal(await page.getByRole('button', { name: 'Revive' }).count(), 0, 'it serves');
    await page.getByRole('button', { name: 'Restart' }).click();
    await answer(page, false);
    await page.getByRole('button', { name: 'Restart' }).click();
    await answer(page, true);
    await page.locator('.notice', { hasText: 'restarts' }).waitFor();
    assert.equal((await running()).state, 'serving');
  });

  await step('a guild that is quarantined on whichever node is revived', async () => {
    const { node } = await admin.request('GET', `/placement?guild=${dev.guild_id}`);
    const owner = dev.nodes.find(({ name }) => name === node) ?? dev;
    await operator(owner.admin).request('POST', '/faults', { guild: dev.guild_id, point: 'handler_panic', times: 3 });
    const user = new Rest(process.env.GUILDHALL_DIRECT, dev.user_tokens[0]);
    await assert.rejects(user.send(dev.channel_id, 'poison'), /status 500/);
    await assert.rejects(user.send(dev.channel_id, 'too late'), /status 503/);
    await page.locator('#find-id').fill(dev.guild_id);
    await page.locator('#find-id').press('Enter');
    await isFact(page, 'State', 'quarantined');
    await isFact(page, 'Node', node);
    await screenshot(page, 'console-quarantined.png');
    const revive = page.getByRole('button', { name: 'Revive' });
    await revive.click();
    assert.match(await answer(page, false), /leaves quarantine/);
    assert.equal((await admin.request('GET', `/guilds/${dev.guild_id}`)).running.state, 'quarantined');
    await revive.click();
    await answer(page, true);
    await page.locator('.notice', { hasText: 'is being revived' }).waitFor();
    await isFact(page, 'State', 'serving');
    await user.send(dev.channel_id, 'back again');
  });

  await step('sessions are listed with what waits for them', async () => {
    await go(page, 'Sessions');
    await page.waitForFunction(() => document.querySelectorAll('#main tbody tr').length >= 20);
    const id = await page.locator('#main td.id').first().textContent();
    await page.locator('#session-id').fill(id);
    await page.waitForFunction(() => document.querySelectorAll('#main tbody tr').length === 1);
    await shows(page, 'td', id);
    await page.locator('#session-id').fill('nobody');
    await shows(page, 'output', 'no such session');
    await page.locator('#session-id').fill('');
    await page.waitForFunction(() => document.querySelectorAll('#main tbody tr').length >= 20);
    await screenshot(page, 'console-sessions.png');
  });

  await step('executors are bars of their guilds', async () => {
    await go(page, 'Executors');
    await page.locator('.executor-piece').nth(5).waitFor();
    await page.getByLabel('Enlarge').check();
    await shows(page, 'output', 'A whole bar is');
    await picture(page, 'console-executors.png');
  });

  await step('guilds are listed', async () => {
    await go(page, 'Guilds');
    await page.waitForFunction(() => document.querySelectorAll('#main tbody tr').length >= 20);
    await screenshot(page, 'console-guilds.png');
  });

  await step('everything can be reached, opened and left with the keyboard', async () => {
    await page.locator('.skip').focus();
    const reached = new Set();
    for (let n = 0; n < 20; n += 1) {
      await page.keyboard.press('Tab');
      reached.add(await page.evaluate(() => document.activeElement.id || document.activeElement.textContent.trim()));
    }
    for (const name of ['Overview', 'Nodes', 'Ring', 'find-id', 'sign-out', 'order']) {
      assert.ok(reached.has(name), `${name} is not reached; was at ${[...reached].join(', ')}`);
    }
    await page.locator('#nav a', { hasText: 'Nodes' }).focus();
    await page.keyboard.press('Enter');
    const button = page.getByRole('button', { name: 'Drain node-3' });
    await button.waitFor();
    let name = '';
    for (let n = 0; n < 40 && name !== 'Drain node-3'; n += 1) {
      await page.keyboard.press('Tab');
      name = await page.evaluate(() => document.activeElement.getAttribute('aria-label'));
    }
    assert.equal(name, 'Drain node-3');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'Drain node-3?' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog', { name: 'Drain node-3?' }).waitFor({ state: 'hidden' });
    assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), 'Drain node-3', 'the focus is lost');
  });

  await step('what has no text has a name', async () => {
    for (const view of ['Overview', 'Nodes', 'Ring', 'Guilds', 'Executors', 'Sessions']) {
      await go(page, view);
      await shows(page, 'h1', view);
      const nameless = await page.$$eval('button, a, input, select, svg:not([aria-hidden]), progress, table', (parts) => parts
        .filter((part) => part.getClientRects().length > 0)
        .filter((part) => !(part.textContent.trim() || part.getAttribute('aria-label') || part.labels?.length))
        .map((part) => part.outerHTML.slice(0, 120)));
      assert.deepEqual(nameless, [], view);
    }
  });

  await step('a link with the token signs in and leaves no token behind', async () => {
    const other = await open(dev.admin);
    await other.emulateMedia({ colorScheme: 'dark' });
    assert.ok(!other.url().includes('token'), other.url());
    await other.waitForFunction(() => document.querySelectorAll('#main tbody tr').length >= 5);
    await go(other, 'Ring');
    await other.locator('#ring-guild').fill(far);
    await other.locator('#ring-guild').press('Enter');
    await other.locator('.ring-mark').waitFor();
    await other.waitForFunction(() => document.querySelectorAll('#main tbody tr').length === 3);
    await screenshot(other, 'console-dark-ring.png');
    await go(other, 'Executors');
    await other.locator('.executor-piece').nth(5).waitFor();
    await other.getByLabel('Enlarge').check();
    await screenshot(other, 'console-dark-executors.png');
    await other.evaluate((id) => { location.hash = `#/guilds/${id}`; }, far);
    await hasCharts(other, 3);
    await isFact(other, 'Node', 'node-2');
    await screenshot(other, 'console-dark-guild.png');
    await other.close();
  });

  await step('half a minute of figures is drawn', async () => {
    await go(page, 'Overview');
    await hasCharts(page, 24);
    await picture(page, 'console-overview.png');
    await page.emulateMedia({ colorScheme: 'dark' });
    await screenshot(page, 'console-dark-overview.png');
    await page.emulateMedia({ colorScheme: 'light' });
  });

  const card = (name) => page.getByRole('article', { name });
  await step('a node is drained from another one\'s console, and its guilds are counted down', async () => {
    await go(page, 'Nodes');
    await page.getByRole('button', { name: 'Drain node-3' }).click();
    assert.match(await answer(page, false), /handed over to the other nodes while they are in use/);
    const { nodes } = await admin.request('GET', '/nodes');
    assert.ok(nodes.length === 3 && nodes.every(({ details }) => details?.state !== 'draining'), 'it was drained although that was cancelled');
    const moment = await hold(page);
    await page.getByRole('button', { name: 'Drain node-3' }).click();
    await answer(page, true);
    await card('node-3').locator('.badge', { hasText: 'draining' }).waitFor();
    await card('node-3').getByText(/Handing guilds over: \d+ of \d+ left/).waitFor();
    await page.waitForFunction(() => {
      const bar = [...document.querySelectorAll('progress')].find((it) => !it.hidden);
      return bar?.value > 0 && bar.value < bar.max;
    });
    await picture(page, 'console-drain.png');
    await page.emulateMedia({ colorScheme: 'dark' });
    await screenshot(page, 'console-dark-drain.png');
    await page.emulateMedia({ colorScheme: 'light' });
    await moment.goesOn();
  });

  await step('it is off the list, and its guilds are on the others', async () => {
    await card('node-3').locator('.badge', { hasText: 'left' }).waitFor({ timeout: 30_000 });
    await shows(page, 'td', 'a node came or leaves');
    await screenshot(page, 'console-drained.png');
    await assert.rejects(fetch(`${third.admin}/healthz`), 'its process ended');
    await go(page, 'Ring');
    await page.waitForFunction(() => document.querySelectorAll('.ring-arcs').length === 2);
  });

  await step('a node is drained from its own console, which says so and ends', async () => {
    const other = await open(second.admin);
    await go(other, 'Nodes');
    await other.getByRole('button', { name: 'Drain node-2' }).click();
    assert.match(await answer(other, true), /console is the node's own and ends with it/);
    await other.locator('#drain', { hasText: 'node-2 is being drained' }).waitFor();
    await other.locator('#drain', { hasText: 'was drained and has ended' }).waitFor({ timeout: 30_000 });
    await screenshot(other, 'console-ended.png');
    await other.close();
  });

  await step('of the last node it is a stop, and it says so', async () => {
    await go(page, 'Nodes');
    await page.waitForFunction(() => document.querySelectorAll('.node-card').length === 1);
    await page.getByRole('button', { name: 'Drain node-1' }).click();
    assert.match(await answer(page, false), /no other node to take its .* guilds: this is a graceful stop/);
  });

  await step('nothing was lost, doubled or out of order meanwhile', async () => {
    const report = await load.end();
    assert.ok(report.interrupted, 'it ended before');
  }, 90);

  await step('signing out shows nothing any more', async () => {
    await page.locator('#sign-out').click();
    await page.locator('#sign-in').waitFor();
    assert.equal(await page.locator('#main h1').count(), 0);
  });

  await step('no error and no foreign request', async () => assert.deepEqual(browser.complaints, []));
} catch (error) {
  fail(error);
}
await browser.close();
done();
