// Debian's Chromium or Firefox, with a new profile each time and without access to other machines.

import { chromium, firefox } from 'playwright-core';

/** The browser of the tests: `BROWSER` in the environment, or Chromium. */
export const NAME = process.env.BROWSER ?? 'chromium';

/** Starts a browser. `open` returns a page with a profile of its own. */
export async function launch(name = NAME) {
  const start = BROWSERS[name];
  if (!start) throw new Error(`BROWSER is ${name}, but must be ${Object.keys(BROWSERS).join(' or ')}`);
  const browser = await start();
  return {
    async open(url) {
      const context = await browser.newContext({ ignoreHTTPSErrors: true });
      context.setDefaultTimeout(TIMEOUT);
      const page = await context.newPage();
      await page.goto(url);
      return page;
    },
    close: () => browser.close(),
  };
}

const BROWSERS = {
  chromium: () => chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
    ],
  }),
  // Over WebDriver BiDi, which an unpatched Firefox speaks. Playwright is pinned to a version that
  // only uses commands of Debian's Firefox.
  firefox: () => firefox.launch({
    channel: 'moz-firefox',
    executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr',
    firefoxUserPrefs: {
      // A response of JSON is a page like any other.
      'devtools.jsonview.enabled': false,
      'network.proxy.type': 1,
      'network.proxy.http': '127.0.0.1',
      'network.proxy.http_port': 9,
      'network.proxy.ssl': '127.0.0.1',
      'network.proxy.ssl_port': 9,
      'network.proxy.no_proxies_on': '127.0.0.1',
    },
  }),
};

/** How long a page may take, in milliseconds: more than a busy machine needs. */
const TIMEOUT = 60_000;
