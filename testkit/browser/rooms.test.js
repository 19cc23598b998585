// The page of the example `rooms`.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { launch } from './support/browser.js';
import { Server } from './support/server.js';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

test('a page joins and leaves a room without another connection', async (t) => {
  const rooms = await Server.start(t, 'rooms');
  const [ada, bob] = [await enter(rooms, 'Ada', 'tea'), await enter(rooms, 'Bob', 'tea,cats')];
  await post(bob, 'cats', 'before Ada joined');
  await bob.getByText('cats: Bob: before Ada joined').waitFor();

  await ada.fill('#join [name=room]', 'cats');
  await ada.click('#join button');
  await ada.getByText('Leave cats').waitFor();
  await post(bob, 'cats', 'a <b>cat</b>');
  for (const page of [ada, bob]) await page.getByText('cats: Bob: a <b>cat</b>').waitFor();

  await ada.click('text=Leave tea');
  await ada.getByText('Leave tea').waitFor({ state: 'detached' });
  await post(bob, 'tea', 'after Ada left');
  await bob.getByText('tea: Bob: after Ada left').waitFor();
  await post(bob, 'cats', 'the last one');
  await ada.getByText('cats: Bob: the last one').waitFor();
  assert.equal(await ada.getByText('before Ada joined').count(), 0);
  assert.equal(await ada.getByText('after Ada left').count(), 0);
  assert.equal(await ada.textContent('#state'), 'connected 1 time(s)');
});

test('a page has its rooms again after the server was restarted under it', async (t) => {
  const rooms = await Server.start(t, 'rooms');
  const ada = await enter(rooms, 'Ada', 'tea');
  await ada.fill('#join [name=room]', 'cats');
  await ada.click('#join button');
  await ada.getByText('Leave cats').waitFor();
  await rooms.stop('SIGKILL');
  const again = await Server.start(t, 'rooms', { port: rooms.port });
  await ada.getByText('some messages are lost').waitFor();
  await ada.getByText('connected 2 time(s)').waitFor();

  const bob = await enter(again, 'Bob', 'tea,cats');
  // Until Ada has joined again, her page does not get new messages.
  while (await ada.getByText('cats: Bob: a cat').count() === 0) {
    await post(bob, 'cats', 'a cat');
    await sleep(100);
  }
  await post(bob, 'tea', 'tea is ready');
  await ada.getByText('tea: Bob: tea is ready').waitFor();
});

async function enter(server, name, rooms) {
  const page = await browser.open(server.url);
  await page.fill('[name=name]', name);
  await page.fill('[name=rooms]', rooms);
  await page.click('#enter button');
  await page.getByText('connected 1 time(s)').waitFor();
  return page;
}

async function post(page, room, text) {
  await page.fill('#post [name=room]', room);
  await page.fill('[name=text]', text);
  await page.click('#post button');
}
