// A page whose network or server fails and returns.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { launch } from './support/browser.js';
import { Server } from './support/server.js';
import { Source } from './support/source.js';
import { TcpProxy } from './support/proxy.js';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

test('a burst is received once and in order, wherever the connection is cut', async (t) => {
  const server = await Server.start(t, 'event-server');
  const proxy = await TcpProxy.start(t, server);
  const source = await Source.open(await browser.open(proxy.url), '/events', ['reset']);
  await source.waitFor('open');
  server.publish({ retry: 20, data: 'begin' });
  await source.eventsUntil('begin');

  const bursts = 20;
  for (let burst = 0; burst < bursts; burst += 1) {
    // Odd numbers of bytes, so that the cut does not fall between events.
    const cut = proxy.cutAfter(1 + burst * 997);
    server.publish(...numbers(burst * 1_000, 1_000));
    await cut;
    await proxy.restore();
  }
  server.publish({ data: 'end' });

  const received = (await source.eventsUntil('end')).map(({ data }) => data);
  const published = numbers(0, bursts * 1_000).map(({ data }) => data);
  assert.deepEqual(received, ['begin', ...published, 'end']);
  assert.ok((await source.counts()).opens > bursts / 2);
});

test('events that are published while the network is down are received afterwards', async (t) => {
  const server = await Server.start(t, 'event-server');
  const proxy = await TcpProxy.start(t, server);
  const source = await Source.open(await browser.open(proxy.url), '/events', ['reset']);
  await source.waitFor('open');
  server.publish({ retry: 20, data: 'before' });
  await source.eventsUntil('before');
  proxy.cut();
  await source.waitFor('connecting');
  server.publish({ data: 'meanwhile' });
  await sleep(300);
  await proxy.restore();
  await source.eventsUntil('meanwhile');
  server.publish({ data: 'after' });
  const received = (await source.eventsUntil('after')).map(({ data }) => data);
  assert.deepEqual(received, ['before', 'meanwhile', 'after']);
});

test('a page resumes by ids in any script', async (t) => {
  const server = await Server.start(t, 'event-server');
  const proxy = await TcpProxy.start(t, server);
  const source = await Source.open(await browser.open(proxy.url), '/events', ['reset']);
  await source.waitFor('open');
  server.publish({ retry: 20, id: 'größe/日本 1', data: 'one' });
  await source.eventsUntil('one');
  proxy.cut();
  server.publish({ id: 'größe/日本 2', data: 'two' });
  await proxy.restore();
  await source.eventsUntil('two');
  assert.deepEqual(await source.events(2), [
    { type: 'message', data: 'one', id: 'größe/日本 1' },
    { type: 'message', data: 'two', id: 'größe/日本 2' },
  ]);
});

test('a page whose last event is not kept any more receives a reset', async (t) => {
  const server = await Server.start(t, 'event-server', { args: ['--keep', '4'] });
  const proxy = await TcpProxy.start(t, server);
  const source = await Source.open(await browser.open(proxy.url), '/events', ['reset']);
  await source.waitFor('open');
  server.publish({ retry: 20, data: 'before' });
  const [{ id }] = await source.eventsUntil('before');
  proxy.cut();
  await source.waitFor('connecting');
  server.publish(...numbers(0, 100));
  await proxy.restore();
  const [, reset] = await source.events(2);
  assert.equal(reset.type, 'reset');
  const { reason, requested, resumed_at: resumedAt } = JSON.parse(reset.data);
  assert.deepEqual([reason, requested, resumedAt], ['expired', id, reset.id]);
  server.publish({ data: 'after' });
  const received = (await source.eventsUntil('after')).map(({ data }) => data);
  assert.equal(received.filter((data) => data === 'after').length, 1);
});

test('a page receives one reset from a server that was restarted, and then new events', async (t) => {
  const first = await Server.start(t, 'event-server');
  const source = await Source.open(await browser.open(first.url), '/events', ['reset']);
  await source.waitFor('open');
  first.publish({ retry: 20, data: 'before' });
  await source.eventsUntil('before');
  await first.stop();
  await source.waitFor('connecting');

  const second = await Server.start(t, 'event-server', { port: first.port });
  const received = await source.events(2);
  assert.equal(received[1].type, 'reset');
  assert.equal(JSON.parse(received[1].data).reason, 'foreign');
  second.publish({ data: 'after' });
  await source.eventsUntil('after');
  assert.deepEqual((await source.events(3)).map(({ type }) => type), ['message', 'reset', 'message']);
});

test('a page that moves between servers with the same ids misses nothing', async (t) => {
  const events = numbers(0, 100).map(({ data }) => ({ data, id: `feed ${data}`, retry: 20 }));
  const first = await Server.start(t, 'event-server');
  const proxy = await TcpProxy.start(t, first);
  const source = await Source.open(await browser.open(proxy.url), '/events', ['reset']);
  await source.waitFor('open');
  first.publish(...events.slice(0, 60));
  await source.events(60);
  proxy.cut();
  const second = await Server.start(t, 'event-server');
  second.publish(...events);
  await second.waitForOutput(/feed 99/);
  await proxy.restore(second);
  const received = await source.events(100);
  assert.deepEqual(received.map(({ data }) => data), events.map(({ data }) => data));
});

/** `count` events, whose data count up from `from`. */
function numbers(from, count) {
  return Array.from({ length: count }, (_, index) => ({ data: `${from + index}` }));
}
