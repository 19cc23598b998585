// Debian's Chromium, empty each time and cut off from all but this machine.

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

/** A browser for the length of a suite; `open` gives each test a page of its own. */
export async function launch() {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  const browser = await chromium.launch({ executablePath, args: ARGS, headless: true });
  return {
    async open(url) {
      const context = await browser.newContext({ ignoreHTTPSErrors: true });
      const page = await context.newPage();
      page.setDefaultTimeout(PATIENCE);
      await page.goto(url);
      return page;
    },
    close: () => browser.close(),
  };
}

/** How long a page may take for what it should do, in milliseconds. */
const PATIENCE = 15_000;
