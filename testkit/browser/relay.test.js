// The page of the example `relay`.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launch } from './support/browser.js';
import { Server } from './support/server.js';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

test('a page shows the lines before it was opened, and then each new line', async (t) => {
  const relay = await Server.start(t, 'relay');
  relay.write('1\n2\n');
  const page = await browser.open(relay.url);
  await shows(page, ['1', '2']);
  assert.equal(await page.textContent('#state'), 'connected');
  relay.write('  <b>drei</b> 👋\n\n');
  await shows(page, ['1', '2', '  <b>drei</b> 👋', '']);
});

test('the page shows that the input has ended', async (t) => {
  const relay = await Server.start(t, 'relay', { env: { IDLE_SECONDS: '60' } });
  const page = await browser.open(relay.url);
  relay.write('first\nlast, without an end');
  relay.closeInput();
  await page.getByText('the input has ended').waitFor();
  await shows(page, ['first', 'last, without an end']);
});

test('the program ends while a page is open', async (t) => {
  const relay = await Server.start(t, 'relay');
  const page = await browser.open(relay.url);
  await page.getByText('connected').waitFor();
  assert.equal(await relay.stop(), 0);
  await page.getByText('reconnecting').waitFor();
});

/** Waits for as many lines, and compares them. */
async function shows(page, lines) {
  const items = page.locator('#lines li');
  await items.nth(lines.length - 1).waitFor({ state: 'attached' });
  assert.deepEqual(await items.allTextContents(), lines);
}
