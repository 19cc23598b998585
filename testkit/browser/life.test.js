// How long a page stays on a stream.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { launch } from './support/browser.js';
import { Server } from './support/server.js';
import { Source } from './support/source.js';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

test('a stream outlives silences longer than its keep-alive', async (t) => {
  const stage = await Server.start(t, 'stage', { args: ['--keep-alive', '0.1'] });
  const source = await Source.open(await browser.open(stage.url), '/events');
  await source.is('open');
  for (const data of ['after the first silence', 'after the second']) {
    await sleep(1_000);
    stage.publish({ data });
    await source.heardOf(data);
  }
  assert.equal((await source.heard(2)).length, 2, 'keep-alives are not events');
  assert.deepEqual(await source.counts(), { opens: 1, errors: 0 });
});

test('204 tells a page that has it all to stay away', async (t) => {
  const stage = await Server.start(t, 'stage');
  const source = await Source.open(await browser.open(stage.url), '/events');
  await source.is('open');
  stage.publish({ retry: 50, data: 'first' }, { data: 'last' });
  stage.hearNoMore();
  await source.is('closed');
  assert.deepEqual((await source.heard(2)).map(({ data }) => data), ['first', 'last']);
  // Cut off by the end, and once more by the 204.
  assert.deepEqual(await source.counts(), { opens: 1, errors: 2 });
});
