// What is published is what a page hears.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launch } from './support/browser.js';
import { Server } from './support/server.js';
import { Source } from './support/source.js';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

test('named events reach the listeners of their names', async (t) => {
  const stage = await Server.start(t, 'stage');
  const source = await Source.open(await browser.open(stage.url), '/events', ['price', 'größe']);
  await source.is('open');
  stage.publish(
    { event: 'price', data: '1999' },
    { event: 'unheard', data: 'of' },
    { event: 'größe', data: 'XL' },
    { data: 'plain' },
  );
  assert.deepEqual(
    (await source.heard(3)).map(({ type, data }) => [type, data]),
    [['price', '1999'], ['größe', 'XL'], ['message', 'plain']],
  );
});

test('data come back letter for letter', async (t) => {
  const stage = await Server.start(t, 'stage');
  const source = await Source.open(await browser.open(stage.url), '/events');
  await source.is('open');
  stage.publish(...TEXTS.map((data) => ({ data })));
  const heard = await source.heard(TEXTS.length);
  assert.deepEqual(heard.map(({ data }) => data), TEXTS);
});

test('every line end comes back as a line feed', async (t) => {
  const stage = await Server.start(t, 'stage');
  const source = await Source.open(await browser.open(stage.url), '/events');
  await source.is('open');
  stage.publish({ data: 'a\r\nb\rc\n\r\rd\r\n' });
  const [{ data }] = await source.heard(1);
  assert.equal(data, 'a\nb\nc\n\n\nd\n');
});

test('data cannot forge a field', async (t) => {
  const stage = await Server.start(t, 'stage');
  const source = await Source.open(await browser.open(stage.url), '/events', ['admin']);
  await source.is('open');
  stage.publish({ data: 'x\n\nevent: admin\rid: 666\r\n\r\ndata: owned' }, { data: 'end' });
  const heard = await source.heardOf('end');
  assert.deepEqual(
    heard.map(({ type, data }) => [type, data]),
    [['message', 'x\n\nevent: admin\nid: 666\n\ndata: owned'], ['message', 'end']],
  );
  assert.ok(heard.every(({ id }) => id !== '666'));
});

const TEXTS = [
  '',
  ' ',
  '\n',
  'one\ntwo\n\nfour\n',
  ' a leading blank, and a trailing one ',
  ': not a comment',
  'data: not a field',
  'tab\there',
  'Grüße, Καλημέρα, こんにちは, שלום, 👩‍👩‍👧‍👦, e\u0301',
  'separators that end no line: \u2028 \u2029 \u0085 \v \f',
  'NUL \0 and a mark \uFEFF within',
  '\uFEFFa mark first',
  JSON.stringify({ nested: ['"quotes"', '\\', null] }),
  'long '.repeat(40_000),
];
