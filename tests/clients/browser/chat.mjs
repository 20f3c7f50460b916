// The chat page in two tabs of a real browser, each as another demo user.
// Started by ../run.mjs. Leaves screenshots of both tabs in tests/output/.

import assert from 'node:assert/strict';

import { cut, dialledAgain, release } from '../outage.mjs';
import { Rest } from '../rest.mjs';
import { done, fail, overallLimit, step } from '../steps.mjs';
import { Browser, screenshot } from './page.mjs';

const WAIT_MS = 10_000;
const HISTORY = 3;

overallLimit(90);

const dev = JSON.parse(process.env.GUILDHALL_DEV);
const rest = dev.user_tokens.map((token) => new Rest(process.env.GUILDHALL_DIRECT, token));
const pageUrl = new URL('/', dev.api);
let browser;

/** The page of demo user `index` in a tab of its own, once it is connected. */
async function open(index) {
  const page = await browser.open(new URL(`?user=${index}`, pageUrl).href);
  await connected(page);
  return page;
}

/** Waits until the page says that it is live. */
async function connected(page) {
  await page.waitForFunction(() => document.querySelector('#status')?.textContent.trim() === 'connected');
}

/** The page's messages from top to bottom: `[author, content]` each. */
function messages(page) {
  return page.$$eval('#messages li.message', (items) => items.map((item) => [
    item.querySelector('.author').textContent.trim(),
    item.querySelector('.content').textContent.trim(),
  ]));
}

/** Waits until `page` shows `count` messages. */
async function shows(page, count) {
  await page.waitForFunction((wanted) => document.querySelectorAll('#messages li.message').length >= wanted, count);
}

/** Types `content` into the composer and sends it with Enter. */
async function say(page, content) {
  await page.locator('#text').pressSequentially(content);
  await page.locator('#text').press('Enter');
}

try {
  const names = await step('the demo users have posted before', async () => {
    const users = await Promise.all(rest.map((user) => user.me()));
    for (let n = 0; n < HISTORY; n += 1) await rest[n % 2].send(dev.channel_id, `earlier ${n}`);
    return users.map((user) => user.username);
  });

  await step('Chromium starts', async () => {
    browser = await Browser.start(WAIT_MS);
  });

  const [first, second] = await step('two tabs are connected as two users', async () => {
    const tabs = [await open(0), await open(1)];
    for (const [index, tab] of tabs.entries()) {
      assert.equal(await tab.locator('#user').evaluate((select) => select.selectedIndex), index);
      await tab.locator('#channels', { hasText: 'general' }).waitFor();
    }
    return tabs;
  });
  const both = [first, second];

  let wanted = [];
  /** Both tabs show exactly the wanted messages, in this order. */
  const bothShowExactly = async () => {
    for (const tab of both) {
      await shows(tab, wanted.length);
      assert.deepEqual(await messages(tab), wanted);
    }
  };

  await step('both show the history', async () => {
    wanted = Array.from({ length: HISTORY }, (_, n) => [names[n % 2], `earlier ${n}`]);
    await bothShowExactly();
  });

  await step('what one types appears in the other, both ways', async () => {
    for (const [tab, who, content] of [
      [first, 0, 'hello from the first tab'],
      [second, 1, 'and from the second: <b>no markup</b> & "quotes"'],
      [first, 0, 'back again 👋'],
    ]) {
      await say(tab, content);
      wanted.push([names[who], content]);
      await bothShowExactly();
      assert.equal(await tab.locator('#text').inputValue(), '', 'the composer was not emptied');
    }
  });

  await step('what is posted over REST appears in both', async () => {
    await rest[0].send(dev.channel_id, 'over REST');
    wanted.push([names[0], 'over REST']);
    await bothShowExactly();
  });

  await step('typing is shown to the other', async () => {
    await first.locator('#text').pressSequentially('so');
    await second.locator('#typing', { hasText: names[0] }).waitFor();
    await first.locator('#text').fill('');
  });

  await step('both catch up after an outage', async () => {
    await cut({ serverKnows: true });
    for (const user of [0, 1]) {
      await rest[user].send(dev.channel_id, `missed ${user}`);
      wanted.push([names[user], `missed ${user}`]);
    }
    await dialledAgain();
    await release();
    await bothShowExactly();
    await Promise.all(both.map(connected));
    await say(second, 'here again');
    wanted.push([names[1], 'here again']);
    await bothShowExactly();
  });

  await step('screenshots are taken', async () => {
    await screenshot(first, 'chat-first.png');
    await screenshot(second, 'chat-second.png');
  });

  await step('no error and no foreign request in either tab', async () => assert.deepEqual(browser.complaints, []));
} catch (error) {
  fail(error);
}
await browser.close();
done();
