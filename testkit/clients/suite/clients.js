// The clients of the suite: where each is from, how it is started, and its defects.

import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { startPage } from './page.js';
import * as pages from './pages.js';
import { startProgram } from './process.js';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const PYTHON = path.join(ROOT, '.venv/bin/python');
const TARGET = path.resolve(ROOT, process.env.CARGO_TARGET_DIR ?? 'cargo/target');

export const CLIENTS = [
  page('EventSource in Chromium', 'Debian', { browser: 'chromium', open: pages.eventSource }),
  page('EventSource in Firefox', 'Debian', { browser: 'firefox', open: pages.eventSource }),
  node('eventsource', 'npm'),
  node('eventsource-client', 'npm'),
  node('launchdarkly-eventsource', 'npm'),
  page('@microsoft/fetch-event-source', 'npm', {
    browser: 'chromium',
    modules: ['parse', 'fetch'].map((name) => `@microsoft/fetch-event-source/lib/cjs/${name}.js`),
    open: pages.fetchEventSource,
  }),
  page('htmx.org 2 and htmx-ext-sse', 'npm', {
    packages: ['htmx-2', 'htmx-ext-sse'],
    browser: 'chromium',
    scripts: ['htmx-2/dist/htmx.js', 'htmx-ext-sse/sse.js'],
    open: pages.htmx2,
    note: `Its requests are those of \`EventSource\`. After the 204 that ends an \`EventSource\`, it opens a new one
      twice a second, without the last id, and swaps every event in again. \`Fetch\` helps, with
      \`sse-close="complete"\`; or a last event of the application, which \`sse-close\` names.`,
  }),
  page('htmx.org 4 and hx-sse', 'npm', {
    packages: ['htmx.org'],
    browser: 'chromium',
    scripts: ['htmx.org/dist/htmx.js', 'htmx.org/dist/ext/hx-sse.js'],
    open: pages.htmx4,
    note: `It does not repeat its first request after a status of 400 and above; later ones it does. In
      \`EventSource\`, it returns after a refusal, but requests the stream for ever after a 204. \`Fetch\` with
      \`hx-sse:close="complete"\` stops it.`,
  }),
  chat(node('openai', 'npm')),
  python('httpx-sse'),
  python('sseclient-py'),
  python('aiohttp-sse-client', `It reconnects after a clean end, but raises an error when a connection breaks, and
      for each status of 400 and above. \`EventSource\` helps in a drain; the application must handle the rest.`),
  chat({ ...python('openai-chat'), name: 'openai', packages: ['openai'] }),
  crate('reqwest-eventsource', `It sends no \`Cache-Control\`, so that \`Auto\` takes it for \`Fetch\`, but like an
      \`EventSource\` it stops at each status but 200: use \`EventSource\`.`),
  crate('eventsource-client', `It takes a 204 for an error, and returns with growing pauses until the application drops it.
      In \`Fetch\` it can stop at the event \`complete\`, but a refusal of its first request stops it, too.`),
  node('curl', 'Debian'),
];

function page(name, source, { note, packages = [name], ...options }) {
  const start = (test, url, end) => startPage(test, options, url, end);
  return { ...client(name, source, start, note), packages };
}

function node(name, source) {
  return program(name, source, [process.execPath, path.join(ROOT, `drivers/${name}.js`)]);
}

function python(name, note) {
  return program(name, 'PyPI', [PYTHON, path.join(ROOT, `drivers/${name}.py`)], note);
}

function crate(name, note) {
  return program(name, 'crates.io', [path.join(TARGET, 'debug', name)], note);
}

function program(name, source, command, note) {
  return client(name, source, async (test, url, end) => startProgram(test, command, url, end), note);
}

function client(name, source, start, note) {
  const examples = ['news', 'relay', 'chat'];
  return { name, source, packages: [name], start, note: note?.replace(/\s+/g, ' '), examples };
}

/** A client of OpenAI's API, for which each event is a chunk of an answer. */
function chat(client) {
  const encode = (content) => JSON.stringify({ choices: [{ index: 0, delta: { content } }] });
  const note = `It takes every event for a chunk of its answer: use \`DataOnly\`. It does not reconnect: the error that
    it raises in a restart or a drain is all that it can do. The application resumes the answer by its id, as the
    page of \`chat\` does.`.replace(/\s+/g, ' ');
  return { ...client, encode, note, examples: ['chat'] };
}
