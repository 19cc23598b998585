// The page of the example `cluster`: that of `news`, over several nodes.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launch } from './support/browser.js';
import { Server } from './support/server.js';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

test('the pages of all nodes show the news of each, and the name of their node', async (t) => {
  const [first, redis] = await start(t);
  const second = await Server.start(t, 'cluster', { args: ['--port', '0', '--redis', redis] });
  const pages = [];
  for (const node of [first, second]) {
    await isReady(node);
    const page = await browser.open(node.url);
    await isIn('live', page);
    assert.equal(await page.textContent('#node'), new URL(node.url).host);
    pages.push(page);
  }
  await pages[0].fill('[name=title]', 'Tea');
  await pages[0].fill('[name=content]', 'It is ready.');
  await pages[0].click('button');
  for (const page of pages) await shows(page, ['Tea']);
  await post(second, 'Cake');
  for (const page of pages) await shows(page, ['Cake', 'Tea']);
  const ids = await Promise.all(pages.map((page) => page.textContent('#last-id')));
  assert.equal(ids[0], ids[1]);
});

test('a page resumes at another node, with nothing lost or repeated', async (t) => {
  const [first, redis] = await start(t);
  const second = await Server.start(t, 'cluster', { args: ['--port', '0', '--redis', redis] });
  await isReady(second);
  const page = await browser.open(second.url);
  await isIn('live', page);
  for (const title of ['a', 'b']) await post(second, title);
  await shows(page, ['b', 'a']);

  await second.stop('SIGKILL');
  await isIn('waiting', page);
  for (const title of ['c', 'd']) await post(first, title);
  const args = ['--port', `${second.port}`, '--redis', redis];
  const third = await Server.start(t, 'cluster', { args });
  await isIn('live', page);
  await post(third, 'e');
  await shows(page, ['e', 'd', 'c', 'b', 'a']);
  assert.equal(await page.textContent('#notice'), '', 'there was no reset');
});

/** Starts a node with a server of Redis, and returns the URL of that, too. */
async function start(test) {
  const node = await Server.start(test, 'cluster', { args: ['--port', '0'] });
  const [, redis] = await node.waitForOutput(/--redis (redis:\S+)/);
  await isReady(node);
  return [node, redis];
}

/** Waits until the node has loaded its channel. */
async function isReady({ url }) {
  while (!(await fetch(`${url}health`)).ok) await new Promise((done) => setTimeout(done, 20));
}

async function post({ url }, title) {
  const body = JSON.stringify({ title, content: '' });
  const response = await fetch(`${url}news`, { method: 'POST', body });
  assert.equal(response.status, 201);
}

async function isIn(state, page) {
  await page.waitForSelector(`#state[data-state=${state}]`);
}

/** Waits until the newest item has the first title, and compares all titles. */
async function shows(page, titles) {
  const newest = page.locator('#items li:first-child h2');
  await newest.filter({ hasText: titles[0] }).waitFor();
  assert.deepEqual(await page.locator('#items h2').allTextContents(), titles);
}
