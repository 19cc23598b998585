// What becomes of a page whose network, or server, comes and goes.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { launch } from './support/browser.js';
import { Server } from './support/server.js';
import { Source } from './support/source.js';
import { Wire } from './support/wire.js';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

test('a burst is heard once and in order, wherever the network is cut', async (t) => {
  const stage = await Server.start(t, 'stage');
  const wire = await Wire.to(t, stage);
  const source = await Source.open(await browser.open(wire.url), '/events', ['reset']);
  await source.is('open');
  stage.publish({ retry: 20, data: 'begin' });
  await source.heardOf('begin');

  const bursts = 20;
  for (let burst = 0; burst < bursts; burst += 1) {
    // Odd numbers of bytes, lest the cut fall between events.
    const cut = wire.cutAfter(1 + burst * 997);
    stage.publish(...numbers(burst * 1_000, 1_000));
    await cut;
    await wire.mend();
  }
  stage.publish({ data: 'end' });

  const heard = (await source.heardOf('end')).map(({ data }) => data);
  const said = numbers(0, bursts * 1_000).map(({ data }) => data);
  assert.deepEqual(heard, ['begin', ...said, 'end']);
  assert.ok((await source.counts()).opens > bursts / 2);
});

test('what is published while the network is away is heard when it is back', async (t) => {
  const stage = await Server.start(t, 'stage');
  const wire = await Wire.to(t, stage);
  const source = await Source.open(await browser.open(wire.url), '/events', ['reset']);
  await source.is('open');
  stage.publish({ retry: 20, data: 'before' });
  await source.heardOf('before');
  wire.cut();
  await source.is('connecting');
  stage.publish({ data: 'meanwhile' });
  await sleep(300);
  await wire.mend();
  await source.heardOf('meanwhile');
  stage.publish({ data: 'after' });
  const heard = (await source.heardOf('after')).map(({ data }) => data);
  assert.deepEqual(heard, ['before', 'meanwhile', 'after']);
});

test('ids of any script lead back to where the page was', async (t) => {
  const stage = await Server.start(t, 'stage');
  const wire = await Wire.to(t, stage);
  const source = await Source.open(await browser.open(wire.url), '/events', ['reset']);
  await source.is('open');
  stage.publish({ retry: 20, id: 'größe/日本 1', data: 'one' });
  await source.heardOf('one');
  wire.cut();
  stage.publish({ id: 'größe/日本 2', data: 'two' });
  await wire.mend();
  await source.heardOf('two');
  assert.deepEqual(await source.heard(2), [
    { type: 'message', data: 'one', id: 'größe/日本 1' },
    { type: 'message', data: 'two', id: 'größe/日本 2' },
  ]);
});

test('a page that was away for too long hears of a reset', async (t) => {
  const stage = await Server.start(t, 'stage', { args: ['--keep', '4'] });
  const wire = await Wire.to(t, stage);
  const source = await Source.open(await browser.open(wire.url), '/events', ['reset']);
  await source.is('open');
  stage.publish({ retry: 20, data: 'before' });
  const [{ id }] = await source.heardOf('before');
  wire.cut();
  await source.is('connecting');
  stage.publish(...numbers(0, 100));
  await wire.mend();
  const [, reset] = await source.heard(2);
  assert.equal(reset.type, 'reset');
  const { reason, requested, resumed_at: resumedAt } = JSON.parse(reset.data);
  assert.deepEqual([reason, requested, resumedAt], ['expired', id, reset.id]);
  stage.publish({ data: 'after' });
  const heard = (await source.heardOf('after')).map(({ data }) => data);
  assert.equal(heard.filter((data) => data === 'after').length, 1);
});

test('a page hears of a server that forgot, once, and then goes on', async (t) => {
  const first = await Server.start(t, 'stage');
  const source = await Source.open(await browser.open(first.url), '/events', ['reset']);
  await source.is('open');
  first.publish({ retry: 20, data: 'before' });
  await source.heardOf('before');
  await first.stop();
  await source.is('connecting');

  const second = await Server.start(t, 'stage', { port: first.port });
  const heard = await source.heard(2);
  assert.equal(heard[1].type, 'reset');
  assert.equal(JSON.parse(heard[1].data).reason, 'foreign');
  second.publish({ data: 'after' });
  await source.heardOf('after');
  assert.deepEqual((await source.heard(3)).map(({ type }) => type), ['message', 'reset', 'message']);
});

test('a page moves between servers that are fed the same ids, and misses nothing', async (t) => {
  const said = numbers(0, 100).map(({ data }) => ({ data, id: `feed ${data}`, retry: 20 }));
  const first = await Server.start(t, 'stage');
  const wire = await Wire.to(t, first);
  const source = await Source.open(await browser.open(wire.url), '/events', ['reset']);
  await source.is('open');
  first.publish(...said.slice(0, 60));
  await source.heard(60);
  wire.cut();
  const second = await Server.start(t, 'stage');
  second.publish(...said);
  await second.says(/feed 99/);
  await wire.mend(second);
  const heard = await source.heard(100);
  assert.deepEqual(heard.map(({ data }) => data), said.map(({ data }) => data));
});

/** So many events, the first of which says `from`. */
function numbers(from, count) {
  return Array.from({ length: count }, (_, index) => ({ data: `${from + index}` }));
}
