// The pages of the example `sign_in`: how often a tab returns after it was refused, replaced or signed out.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { launch } from './support/browser.js';
import { Server } from './support/server.js';

let browser;
before(async () => { browser = await launch(); });
after(() => browser.close());

test('a tab that is refused, replaced or signed out sends at most two requests in a minute', async (t) => {
  const open = async (env, count) => openTabs(await Server.start(t, 'sign_in', { env }), count);
  const [refused, replaced, expired] = await Promise.all([
    open({ LIMIT_POLICY: 'refuse' }, 5),
    open({ LIMIT_POLICY: 'replace' }, 5),
    open({ SESSION_SECONDS: '8' }, 3),
  ]);

  await haveShown(refused, ['Connected.', 'Connected.', 'Connected.', REFUSED, REFUSED]);
  await haveShown(replaced, [REPLACED, REPLACED, 'Connected.', 'Connected.', 'Connected.']);
  await haveShown(expired, expired.map(() => 'Sign in to go on.'));
  await sleep(MINUTE);
  for (const [nth, { requests }] of [...refused, ...replaced, ...expired].entries()) {
    const times = requests.map(startTime);
    const isTooSoon = times.slice(2).some((time, earlier) => time - times[earlier] < MINUTE);
    assert.ok(times.length > 0 && !isTooSoon, `tab ${nth} sent requests at ${times}`);
  }
});

test('a sign-out ends the streams of all tabs at once', async (t) => {
  const app = await Server.start(t, 'sign_in');
  const tabs = await openTabs(app, 2);
  for (const { page } of tabs) await page.getByText('Connected.').waitFor();
  await tabs[0].page.click('#everywhere');
  for (const { page } of tabs) await page.getByText('You are signed out.').waitFor();
});

/** Opens tabs of one profile whose user is signed in, one after the other, and keeps their requests. */
async function openTabs(app, count) {
  const first = await browser.open(app.url);
  const login = await first.evaluate(async () => {
    const { ok } = await fetch('/login', { method: 'POST', body: 'ada' });
    localStorage.user = 'ada';
    return ok;
  });
  assert.ok(login);
  await first.context().addInitScript(keepStates);
  const tabs = [];
  for (let nth = 0; nth < count; nth += 1) {
    const tab = { page: await first.context().newPage(), requests: [] };
    tab.page.on('request', (request) => {
      if (request.url().endsWith('/feeds/ada')) tab.requests.push({ request, time: Date.now() });
    });
    await tab.page.goto(app.url);
    await tab.page.locator('#state:not(:empty)').waitFor();
    tabs.push(tab);
  }
  return tabs;
}

/** Keeps each text that `#state` of a page has. It runs in the page, before its scripts. */
function keepStates() {
  globalThis.states = [];
  new MutationObserver(() => {
    const state = document.querySelector('#state')?.textContent;
    if (state) globalThis.states.push(state);
  }).observe(document, { childList: true, subtree: true });
}

/** Waits until each tab has shown its state, which it may not show any more. */
async function haveShown(tabs, states) {
  for (const [nth, { page }] of tabs.entries()) {
    await page.waitForFunction((state) => globalThis.states.includes(state), states[nth]);
  }
}

/** When a request was sent, as the browser reports it with the response: a busy machine delays events. */
function startTime({ request, time }) {
  return request.timing().startTime || time;
}

const REFUSED = 'The feed is open in three other tabs.';
const REPLACED = 'The feed goes on in a newer tab.';
/** In milliseconds. */
const MINUTE = 60_000;
