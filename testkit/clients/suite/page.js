// A client that runs in a page of a browser.

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { launch } from '../../browser/support/browser.js';
import { Recorder } from './recorder.js';

const MODULES = fileURLToPath(new URL('../node_modules/', import.meta.url));
const browsers = new Map();

/**
 * Starts a client in a page of `browser` for the length of `test`. The page is the server's 404,
 * which opens no stream of its own. `open` runs in it, and its `report` takes what a driver reports.
 * Before, the page loads `scripts`, and makes the CommonJS `modules` known to its `require`; both are
 * paths in node_modules.
 */
export async function startPage(test, { browser, scripts = [], modules = [], open }, url, end) {
  const recorder = new Recorder();
  const page = await (await started(browser)).open(new URL('./none', url).href);
  test.after(() => page.context().close());
  await page.exposeFunction('report', (message) => recorder.add(message));
  page.on('pageerror', (error) => recorder.add({ error: error.message }));
  for (const path of scripts) await page.addScriptTag({ content: await source(path) });
  if (modules.length > 0) await page.addScriptTag({ content: await bundle(modules) });
  await page.evaluate(open, [url, end]);
  return recorder;
}

/** Ends all browsers. */
export async function closeBrowsers() {
  for (const browser of browsers.values()) await (await browser).close();
}

function started(name) {
  if (!browsers.has(name)) browsers.set(name, launch(name));
  return browsers.get(name);
}

/** A script that defines `require` for modules by their names: `./parse` for `.../parse.js`. */
async function bundle(paths) {
  const functions = paths.map(async (path) => {
    const name = `./${path.split('/').at(-1).replace(/\.js$/, '')}`;
    return `${JSON.stringify(name)}: (exports) => {\n${await source(path)}\n}`;
  });
  return `const modules = { ${await Promise.all(functions)} };
    function require(name) { const exports = {}; modules[name](exports); return exports; }`;
}

function source(path) {
  return readFile(MODULES + path, 'utf8');
}
