// The page of the example `relay`.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launch } from './support/browser.js';
import { Server } from './support/server.js';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

test('lines show as they come, and early ones to a page that comes late', async (t) => {
  const relay = await Server.start(t, 'relay');
  relay.hear('1\n2\n');
  const page = await browser.open(relay.url);
  await shows(page, ['1', '2']);
  assert.equal(await page.textContent('#state'), 'listening');
  relay.hear('  <b>drei</b> 👋\n\n');
  await shows(page, ['1', '2', '  <b>drei</b> 👋', '']);
});

test('the page knows that the last line was the last', async (t) => {
  const relay = await Server.start(t, 'relay');
  const page = await browser.open(relay.url);
  relay.hear('first\nlast, without an end');
  relay.hearNoMore();
  await page.getByText('that was all').waitFor();
  await shows(page, ['first', 'last, without an end']);
});

test('an open page does not keep the relay from ending', async (t) => {
  const relay = await Server.start(t, 'relay');
  const page = await browser.open(relay.url);
  await page.getByText('listening').waitFor();
  const begun = performance.now();
  assert.equal(await relay.stop(), 0);
  assert.ok(performance.now() - begun < 5_000);
  await page.getByText('coming back').waitFor();
});

/** Waits until there are so many lines, which must be these. */
async function shows(page, lines) {
  const items = page.locator('#lines li');
  await items.nth(lines.length - 1).waitFor({ state: 'attached' });
  assert.deepEqual(await items.allTextContents(), lines);
}
