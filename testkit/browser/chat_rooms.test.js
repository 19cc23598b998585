// The page of the example `chat_rooms`.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launch } from './support/browser.js';
import { Server } from './support/server.js';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

test('two pages see each other, and their messages', async (t) => {
  const chat = await Server.start(t, 'chat_rooms');
  const ada = await enter(chat, 'ada');
  await ada.getByText('ada enters').waitFor();
  const bob = await enter(chat, 'bob');
  await ada.getByText('bob enters').waitFor();

  await post(ada, 'The kettle is <b>on</b>.');
  for (const page of [ada, bob]) await page.getByText('ada: The kettle is <b>on</b>.').waitFor();
  await post(bob, '@ada psst');
  await ada.getByText('bob, privately: psst').waitFor();
  await bob.getByText('to ada: psst').waitFor();

  await bob.close();
  await ada.getByText('bob leaves').waitFor();
});

test('a page that is signed out shows the login', async (t) => {
  const chat = await Server.start(t, 'chat_rooms');
  const page = await enter(chat, 'ada');
  await page.getByText('in tea').waitFor();
  await page.click('#logout');
  await page.locator('#login').waitFor();
  assert.equal(await page.locator('main').isVisible(), false);
});

test('a page whose session ends elsewhere shows the login', async (t) => {
  const chat = await Server.start(t, 'chat_rooms');
  const page = await enter(chat, 'ada');
  await page.getByText('in tea').waitFor();
  await page.evaluate(() => fetch('/logout', { method: 'POST' }));
  await page.getByText('You are signed out.').waitFor();
});

async function enter(chat, user) {
  const page = await browser.open(chat.url);
  await page.fill('[name=user]', user);
  await page.click('#login button');
  return page;
}

async function post(page, text) {
  await page.fill('[name=text]', text);
  await page.click('#post button');
}
