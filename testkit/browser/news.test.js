// The page of the example `news`.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { launch } from './support/browser.js';
import { Server } from './support/server.js';

let browser;
let folder;
before(async () => {
  browser = await launch();
  folder = await mkdtemp(path.join(tmpdir(), 'news-'));
});
after(async () => {
  await browser.close();
  await rm(folder, { recursive: true });
});

test('every page shows what one page posts', async (t) => {
  const news = await Server.start(t, 'news');
  const pages = [await browser.open(news.url), await browser.open(news.url)];
  for (const page of pages) await isIn('live', page);
  const [title, content] = ['Größe <b>&amp; 👋', 'two lines\n  and <i>no</i> markup'];
  await pages[0].fill('[name=title]', title);
  await pages[0].fill('[name=content]', content);
  await pages[0].click('button');
  for (const page of pages) {
    const item = page.locator('#items li');
    assert.equal(await item.locator('h2').textContent(), title);
    assert.equal(await item.locator('p').textContent(), content);
    assert.equal(await page.textContent('#last-id'), await item.getAttribute('data-id'));
  }
  assert.equal(await pages[0].inputValue('[name=title]'), '', 'the form is ready for more');
});

test('a new page shows the news that were posted before', async (t) => {
  const news = await Server.start(t, 'news');
  await post(news, 'first');
  await post(news, 'second');
  const page = await browser.open(news.url);
  await shows(page, ['second', 'first']);
});

test('a page resumes after a restart of the server, with nothing lost or repeated', async (t) => {
  const env = { NEWS: path.join(folder, 'kept') };
  const first = await Server.start(t, 'news', { env });
  const page = await browser.open(first.url);
  await isIn('live', page);
  for (const title of ['a', 'b', 'c']) await post(first, title);
  await shows(page, ['c', 'b', 'a']);

  assert.equal(await first.stop(), 0);
  await isIn('waiting', page);

  const second = await Server.start(t, 'news', { env, port: first.port });
  for (const title of ['d', 'e']) await post(second, title);
  await isIn('live', page);
  await post(second, 'f');
  await shows(page, ['f', 'e', 'd', 'c', 'b', 'a']);
  assert.equal(await page.textContent('#notice'), '', 'there was no reset');
});

test('a page starts again with a server that has lost its news', async (t) => {
  const first = await Server.start(t, 'news');
  const page = await browser.open(first.url);
  await isIn('live', page);
  await post(first, 'lost');
  await shows(page, ['lost']);
  await first.stop();
  await isIn('waiting', page);

  const second = await Server.start(t, 'news', { port: first.port });
  await post(second, 'new');
  await shows(page, ['new']);
  assert.equal(await page.textContent('#notice'), 'started again (foreign)');
});

async function post(news, title) {
  const body = JSON.stringify({ title, content: '…' });
  const { status } = await fetch(new URL('/news', news.url), { method: 'POST', body });
  assert.equal(status, 201);
}

/** Waits until the page shows this state of its connection. */
async function isIn(state, page) {
  await page.waitForSelector(`#state[data-state=${state}]`);
}

/** Waits until the newest item has the first title, and compares all titles. */
async function shows(page, titles) {
  const newest = page.locator('#items li:first-child h2');
  await newest.filter({ hasText: titles[0] }).waitFor();
  assert.deepEqual(await page.locator('#items h2').allTextContents(), titles);
}
