// The operator's console in a real browser, while guilds are at work.
// Started by ../run.mjs. Leaves screenshots in tests/output/.

import assert from 'node:assert/strict';

import { Rest } from '../rest.mjs';
import { done, fail, overallLimit, step } from '../steps.mjs';
import { Browser, screenshot } from './page.mjs';

const WAIT_MS = 10_000;
const GUILDS = 12;

overallLimit(90);

const dev = JSON.parse(process.env.GUILDHALL_DEV);
const users = dev.user_tokens.map((token) => new Rest(process.env.GUILDHALL_DIRECT, token));
const admin = new Rest(`${dev.admin}/admin/v1`, `Bearer ${dev.admin_token}`);
const address = (view) => `${dev.admin}/${view}`;
let browser;
let posting = true;

/** Posts to every channel in turn until the script is done. */
async function post(channels) {
  for (let n = 0; posting; n += 1) {
    await users[n % users.length].send(channels[(n * n) % channels.length], `message ${n}`).catch((error) => {
      if (posting) throw error;
    });
  }
}

/** Waits until the page's main part has an element with this text. */
const shows = (page, selector, text) => page.locator(`#main ${selector}`, { hasText: text }).first().waitFor();

try {
  const channels = [dev.channel_id];
  const owners = await Promise.all(users.map((user) => user.me()));
  await step('a dozen guilds are at work', async () => {
    for (let n = 0; n < GUILDS; n += 1) {
      const made = await admin.request('POST', '/guilds', { name: `guild ${n}`, owner_id: owners[0].id, member_ids: owners.map((user) => user.id) });
      channels.push(made.channels[0].id);
    }
    post(channels).catch(fail);
  });

  let page;
  await step('the console asks for the token and refuses a wrong one', async () => {
    browser = await Browser.start(WAIT_MS, { viewport: { width: 1280, height: 900 }, colorScheme: 'light' });
    page = await browser.open(address(''));
    await page.locator('#token').fill('wrong');
    await page.locator('#token').press('Enter');
    await page.locator('#sign-in-error', { hasText: 'refused' }).waitFor();
    assert.equal(await page.locator('#main h1').count(), 0, 'something is shown without the token');
    await page.locator('#token').fill(dev.admin_token);
    await page.locator('#token').press('Enter');
    await page.locator('#status', { hasText: 'live' }).waitFor();
  });

  await step('the overview shows figures that move', async () => {
    const value = page.locator('.chart', { hasText: 'Messages published' }).locator('output');
    await page.waitForFunction((output) => Number.parseFloat(output.textContent) > 0, await value.elementHandle());
    await page.waitForFunction(() => document.querySelectorAll('#main tbody tr').length >= 5);
    await page.waitForFunction(() => document.querySelector('.chart-line').getAttribute('d').split('L').length >= 4);
    await screenshot(page, 'console-overview.png');
  });

  await step('the ring shows its points and where a guild falls', async () => {
    await page.locator('#nav a', { hasText: 'Ring' }).click();
    await page.waitForFunction(() => document.querySelector('.ring-ticks')?.getAttribute('d').split('M').length === 151);
    await page.locator('#ring-guild').fill(dev.guild_id);
    await page.locator('#ring-guild').press('Enter');
    await shows(page, '.found dd', 'running on executor');
    await page.locator('.ring-mark').waitFor();
    await screenshot(page, 'console-ring.png');
  });

  await step('a guild is found by its id', async () => {
    await page.locator('#find-id').fill(dev.guild_id);
    await page.locator('#find-id').press('Enter');
    await shows(page, 'h1', 'Demo');
    await shows(page, '.facts dd', 'serving');
    await screenshot(page, 'console-guild.png');
  });

  await step('a restart is asked about first, and done', async () => {
    const started = async () => (await admin.request('GET', `/guilds/${dev.guild_id}`)).running.requests;
    const before = await started();
    await page.getByRole('button', { name: 'Restart' }).click();
    await page.locator('#confirm').getByRole('button', { name: 'Cancel' }).click();
    assert.ok(await started() >= before, 'it was restarted although that was cancelled');
    await page.getByRole('button', { name: 'Restart' }).click();
    await page.locator('#confirm-yes').click();
    await page.locator('.notice', { hasText: 'restarts' }).waitFor();
  });

  await step('a guild is given an executor of its own and brought back', async () => {
    await page.getByRole('button', { name: 'Give it an executor of its own' }).click();
    await page.locator('#confirm-yes').click();
    await shows(page, '.facts dd', 'its own');
    await shows(page, 'td', 'by hand');
    await screenshot(page, 'console-guild-promoted.png');
    await page.getByRole('button', { name: 'Bring it back to the others' }).click();
    await page.locator('#confirm-yes').click();
    await page.waitForFunction(() => document.querySelectorAll('#main tbody tr').length === 2);
    assert.equal((await admin.request('GET', `/guilds/${dev.guild_id}`)).running.dedicated, false);
  });

  await step('sessions are listed with what waits for them', async () => {
    const tab = await browser.open(new URL('/?user=0', dev.api).href);
    await tab.waitForFunction(() => document.querySelector('#status')?.textContent.trim() === 'connected');
    await page.locator('#nav a', { hasText: 'Sessions' }).click();
    await page.waitForFunction(() => document.querySelectorAll('#main tbody tr').length === 1);
    await shows(page, 'td', owners[0].id);
    const id = await page.locator('#main td.id').first().textContent();
    await page.locator('#session-id').fill(id);
    await shows(page, 'td', id);
    await page.locator('#session-id').fill('nobody');
    await shows(page, 'output', 'no such session');
    await tab.close();
  });

  await step('executors are shown with their guilds', async () => {
    await page.locator('#nav a', { hasText: 'Executors' }).click();
    await page.locator('.executor-piece').first().waitFor();
    await screenshot(page, 'console-executors.png');
  });

  await step('guilds are listed', async () => {
    await page.locator('#nav a', { hasText: 'Guilds' }).click();
    await page.waitForFunction((count) => document.querySelectorAll('#main tbody tr').length === count, GUILDS + 1);
    await screenshot(page, 'console-guilds.png');
  });

  await step('everything can be reached with the keyboard', async () => {
    await page.evaluate(() => document.activeElement.blur());
    const reached = new Set();
    for (let n = 0; n < 60; n += 1) {
      await page.keyboard.press('Tab');
      reached.add(await page.evaluate(() => document.activeElement.id || document.activeElement.textContent.trim()));
    }
    for (const name of ['Overview', 'Ring', 'find-id', 'sign-out', 'order', dev.guild_id]) {
      assert.ok(reached.has(name), `${name} is not reached; was at ${[...reached].join(', ')}`);
    }
  });

  await step('a link with the token signs in and leaves no token behind', async () => {
    const other = await browser.open(address(`#token=${dev.admin_token}`));
    await other.emulateMedia({ colorScheme: 'dark' });
    await other.locator('#status', { hasText: 'live' }).waitFor();
    assert.ok(!other.url().includes('token'), other.url());
    await other.waitForFunction(() => document.querySelectorAll('#main tbody tr').length >= 5);
    await screenshot(other, 'console-dark.png');
  });

  await step('signing out shows nothing any more', async () => {
    await page.locator('#sign-out').click();
    await page.locator('#sign-in').waitFor();
    assert.equal(await page.locator('#main h1').count(), 0);
  });

  await step('no error and no foreign request', async () => assert.deepEqual(browser.complaints, []));
} catch (error) {
  fail(error);
}
posting = false;
await browser.close();
done();
