// The page of the example `feeds`, and an EventSource of two channels.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launch } from './support/browser.js';
import { TcpProxy } from './support/proxy.js';
import { Server } from './support/server.js';
import { Source } from './support/source.js';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

test('a page resumes in both feeds by one id after its connection was cut', async (t) => {
  const feeds = await Server.start(t, 'feeds');
  const proxy = await TcpProxy.start(t, feeds);
  const page = await browser.open(proxy.url);
  const source = await Source.open(page, '/events?name=Ada', ['private', 'public', 'reset']);
  await source.waitFor('open');
  await post(feeds, 'users/Ada', 'one');
  await source.eventsUntil('one');
  await post(feeds, 'all', 'two');
  await source.eventsUntil('two');

  proxy.cut();
  await source.waitFor('connecting');
  await post(feeds, 'users/Ada', 'three');
  await post(feeds, 'users/Bob', 'not for this page');
  await post(feeds, 'all', 'four');
  await proxy.restore();
  const received = await source.eventsUntil('four');
  assert.deepEqual(received.map(({ type, data }) => `${type}: ${data}`), [
    'private: one',
    'public: two',
    'private: three',
    'public: four',
  ]);
  for (const { id } of received) assert.match(id, /^me\.\w+-\w+~all\.\w+-\w+$/);
});

test('a page shows which feeds have lost messages when the server was restarted', async (t) => {
  const feeds = await Server.start(t, 'feeds');
  const page = await browser.open(feeds.url);
  await page.fill('[name=name]', 'Ada');
  await page.click('#enter button');
  await page.getByText('connected 1 time(s)').waitFor();
  await post(feeds, 'all', 'a <b>bold</b> word');
  await page.getByText('for all: a <b>bold</b> word').waitFor();

  await feeds.stop('SIGKILL');
  const again = await Server.start(t, 'feeds', { port: feeds.port });
  for (const feed of ['me', 'all']) {
    await page.getByText(`some messages of ${feed} are lost: foreign`).waitFor();
  }
  await page.fill('[name=to]', 'Ada');
  await page.fill('[name=text]', 'hello');
  await page.click('#post button');
  await page.getByText('for you: hello').waitFor();
  await post(again, 'all', 'the last one');
  await page.getByText('for all: the last one').waitFor();
});

async function post(server, path, body) {
  const response = await fetch(new URL(path, server.url), { method: 'POST', body });
  assert.equal(response.status, 204);
}
