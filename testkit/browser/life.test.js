// How long a stream lives, and when it is over.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { launch } from './support/browser.js';
import { Server } from './support/server.js';
import { Source } from './support/source.js';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

test('a stream survives silences that are longer than its keep-alive', async (t) => {
  const server = await Server.start(t, 'event-server', { args: ['--keep-alive', '0.1'] });
  const source = await Source.open(await browser.open(server.url), '/events');
  await source.waitFor('open');
  for (const data of ['after the first silence', 'after the second']) {
    await sleep(1_000);
    server.publish({ data });
    await source.eventsUntil(data);
  }
  assert.equal((await source.events(2)).length, 2, 'keep-alives are not events');
  assert.deepEqual(await source.counts(), { opens: 1, errors: 0 });
});

test('a page that has received everything does not reconnect after a 204', async (t) => {
  const server = await Server.start(t, 'event-server');
  const source = await Source.open(await browser.open(server.url), '/events');
  await source.waitFor('open');
  server.publish({ retry: 50, data: 'first' }, { data: 'last' });
  server.closeInput();
  await source.waitFor('closed');
  assert.deepEqual((await source.events(2)).map(({ data }) => data), ['first', 'last']);
  // One error for the end of the stream, and one for the 204.
  assert.deepEqual(await source.counts(), { opens: 1, errors: 2 });
});
