// How many streams a browser opens to one server.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launch } from './support/browser.js';
import { Server } from './support/server.js';
import { Source } from './support/source.js';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

test('over HTTP/2 seven streams are open at once', async (t) => {
  const server = await Server.start(t, 'event-server', { args: ['--tls'] });
  const page = await browser.open(server.url);
  assert.equal(await protocol(page), 'h2');
  const sources = await openSeven(page);
  for (const source of sources) await source.waitFor('open');
  server.publish({ data: 'to all' });
  for (const source of sources) await source.eventsUntil('to all');
});

test('over HTTP/1.1 the seventh stream waits until another is closed', async (t) => {
  const server = await Server.start(t, 'event-server');
  const page = await browser.open(server.url);
  assert.equal(await protocol(page), 'http/1.1');
  const sources = await openSeven(page);
  const [first, ...others] = sources.slice(0, 6);
  const seventh = sources[6];
  for (const source of [first, ...others]) await source.waitFor('open');
  server.publish({ data: 'to six' });
  for (const source of [first, ...others]) await source.eventsUntil('to six');
  await seventh.waitFor('connecting');
  await first.close();
  await seventh.waitFor('open');
  server.publish({ data: 'to the seventh, too' });
  for (const source of [...others, seventh]) await source.eventsUntil('to the seventh, too');
  assert.equal((await seventh.events(1)).length, 1);
});

async function openSeven(page) {
  const sources = [];
  while (sources.length < 7) sources.push(await Source.open(page, '/events'));
  return sources;
}

function protocol(page) {
  return page.evaluate(() => performance.getEntriesByType('navigation')[0].nextHopProtocol);
}
