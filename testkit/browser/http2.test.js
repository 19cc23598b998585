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
  const stage = await Server.start(t, 'stage', { args: ['--tls'] });
  const page = await browser.open(stage.url);
  assert.equal(await protocol(page), 'h2');
  const sources = await openSeven(page);
  for (const source of sources) await source.is('open');
  stage.publish({ data: 'to all' });
  for (const source of sources) await source.heardOf('to all');
});

test('over HTTP/1.1 the seventh waits until another has closed', async (t) => {
  const stage = await Server.start(t, 'stage');
  const page = await browser.open(stage.url);
  assert.equal(await protocol(page), 'http/1.1');
  const sources = await openSeven(page);
  const [first, ...others] = sources.slice(0, 6);
  const seventh = sources[6];
  for (const source of [first, ...others]) await source.is('open');
  stage.publish({ data: 'to six' });
  for (const source of [first, ...others]) await source.heardOf('to six');
  await seventh.is('connecting');
  await first.close();
  await seventh.is('open');
  stage.publish({ data: 'to the seventh, too' });
  for (const source of [...others, seventh]) await source.heardOf('to the seventh, too');
  assert.equal((await seventh.heard(1)).length, 1);
});

async function openSeven(page) {
  const sources = [];
  while (sources.length < 7) sources.push(await Source.open(page, '/events'));
  return sources;
}

function protocol(page) {
  return page.evaluate(() => performance.getEntriesByType('navigation')[0].nextHopProtocol);
}
