// The page of the example `chat`.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launch } from './support/browser.js';
import { TcpProxy } from './support/proxy.js';
import { Server } from './support/server.js';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

test('a page that is reloaded in mid-answer misses no token', async (t) => {
  const chat = await Server.start(t, 'chat');
  let prompt = PROMPT;
  // The model does not wait: on a slow machine, only a longer answer is reloaded in its middle.
  while (!(await isReloadedInMidAnswer(await browser.open(chat.url), prompt))) prompt += ' and so on'.repeat(20);
});

/** Asks, and reloads the page three times. Returns whether no reload came after the end of the answer. */
async function isReloadedInMidAnswer(page, prompt) {
  await ask(page, prompt);
  let isInMidAnswer = true;
  for (const token of ['slow', 'small', 'soft']) {
    await shows(page, token);
    isInMidAnswer &&= (await answer(page)) !== reply(prompt);
    await page.reload();
  }
  await page.getByText('Done.').waitFor();
  assert.equal(await answer(page), reply(prompt));
  return isInMidAnswer;
}

test('an answer whose connection is cut goes on with the next token', async (t) => {
  const chat = await Server.start(t, 'chat');
  const proxy = await TcpProxy.start(t, chat);
  const page = await browser.open(proxy.url);
  await ask(page, PROMPT);
  await shows(page, 'slow');
  proxy.cut();
  await proxy.restore();
  await page.getByText('Done.').waitFor();
  assert.equal(await answer(page), ANSWER);
});

test('a page shows its last answer after the browser was closed', async (t) => {
  const chat = await Server.start(t, 'chat');
  const page = await browser.open(chat.url);
  await ask(page, 'tea');
  await shows(page, 'tea');
  const next = await page.context().newPage();
  await page.close();
  await next.goto(chat.url);
  await next.getByText('Done.').waitFor();
  assert.equal(await answer(next), reply('tea'));
});

test('a page can stop its answer', async (t) => {
  const chat = await Server.start(t, 'chat');
  const page = await browser.open(chat.url);
  const prompt = `slow${' and so on'.repeat(1_000)}`;
  await ask(page, prompt);
  await shows(page, 'slow');
  await page.click('#stop');
  await page.getByText('stopped by the user').waitFor();
  const stopped = await answer(page);
  assert.ok(reply(prompt).startsWith(stopped) && stopped !== reply(prompt), stopped);
});

test('a page does not show the answers of another user', async (t) => {
  const chat = await Server.start(t, 'chat');
  const page = await browser.open(chat.url);
  await ask(page, 'tea');
  await page.getByText('Done.').waitFor();
  const run = await page.evaluate(() => localStorage.run);
  const other = await browser.open(chat.url);
  await other.evaluate((run) => { localStorage.run = run; }, run);
  await other.reload();
  await other.getByText('This answer is no longer kept.').waitFor();
  assert.equal(await answer(other), '');
});

async function ask(page, prompt) {
  await page.fill('[name=prompt]', prompt);
  await page.click('#ask button');
}

/** Waits until the answer has this token. */
function shows(page, token) {
  return page.locator('#answer', { hasText: token }).waitFor();
}

function answer(page) {
  return page.textContent('#answer');
}

/** What the simulated model answers. */
function reply(prompt) {
  return `You said "${prompt}". I have nothing to add, but I shall say it slowly.`;
}

const PROMPT = 'one two three slow four five six small seven eight nine soft ten eleven twelve';
const ANSWER = reply(PROMPT);
