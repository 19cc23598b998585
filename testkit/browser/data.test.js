// A page receives exactly the data that was published.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { NAME, launch } from './support/browser.js';
import { Server } from './support/server.js';
import { Source } from './support/source.js';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

test('named events reach the listeners of their names', async (t) => {
  const server = await Server.start(t, 'event-server');
  const source = await Source.open(await browser.open(server.url), '/events', ['price', 'größe']);
  await source.waitFor('open');
  server.publish(
    { event: 'price', data: '1999' },
    { event: 'other', data: 'without a listener' },
    { event: 'größe', data: 'XL' },
    { data: 'plain' },
  );
  assert.deepEqual(
    (await source.events(3)).map(({ type, data }) => [type, data]),
    [['price', '1999'], ['größe', 'XL'], ['message', 'plain']],
  );
});

test('data arrive letter for letter', async (t) => {
  const server = await Server.start(t, 'event-server');
  const source = await Source.open(await browser.open(server.url), '/events');
  await source.waitFor('open');
  server.publish(...TEXTS.map((data) => ({ data })));
  const received = await source.events(TEXTS.length);
  // Firefox drops a NUL, though the standard keeps it in data.
  const expected = NAME === 'firefox' ? TEXTS.map((text) => text.replaceAll('\0', '')) : TEXTS;
  assert.deepEqual(received.map(({ data }) => data), expected);
});

test('every line end arrives as a line feed', async (t) => {
  const server = await Server.start(t, 'event-server');
  const source = await Source.open(await browser.open(server.url), '/events');
  await source.waitFor('open');
  server.publish({ data: 'a\r\nb\rc\n\r\rd\r\n' });
  const [{ data }] = await source.events(1);
  assert.equal(data, 'a\nb\nc\n\n\nd\n');
});

test('data cannot forge a field', async (t) => {
  const server = await Server.start(t, 'event-server');
  const source = await Source.open(await browser.open(server.url), '/events', ['admin']);
  await source.waitFor('open');
  server.publish({ data: 'x\n\nevent: admin\rid: 666\r\n\r\ndata: owned' }, { data: 'end' });
  const received = await source.eventsUntil('end');
  assert.deepEqual(
    received.map(({ type, data }) => [type, data]),
    [['message', 'x\n\nevent: admin\nid: 666\n\ndata: owned'], ['message', 'end']],
  );
  assert.ok(received.every(({ id }) => id !== '666'));
});

const TEXTS = [
  '',
  ' ',
  '\n',
  'one\ntwo\n\nfour\n',
  ' a leading space, and a trailing one ',
  ': not a comment',
  'data: not a field',
  'tab\there',
  'Grüße, Καλημέρα, こんにちは, שלום, 👩‍👩‍👧‍👦, e\u0301',
  'separators that do not end a line: \u2028 \u2029 \u0085 \v \f',
  'NUL \0 and a byte order mark \uFEFF inside',
  '\uFEFFa byte order mark first',
  JSON.stringify({ nested: ['"quotes"', '\\', null] }),
  'long '.repeat(40_000),
];
