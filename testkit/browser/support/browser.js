// Debian's Chromium, with a new profile each time and without access to other machines.

import { chromium } from 'playwright-core';

const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
];

/** Starts a browser. `open` returns a page with a profile of its own. */
export async function launch() {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  const browser = await chromium.launch({ executablePath, args: ARGS, headless: true });
  return {
    async open(url) {
      const context = await browser.newContext({ ignoreHTTPSErrors: true });
      const page = await context.newPage();
      page.setDefaultTimeout(TIMEOUT);
      await page.goto(url);
      return page;
    },
    close: () => browser.close(),
  };
}

/** How long a page may take, in milliseconds. */
const TIMEOUT = 15_000;
