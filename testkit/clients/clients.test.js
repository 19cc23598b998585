// Each client behaves as the committed results state. `npm run record` writes them.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { CLIENTS } from './suite/clients.js';
import { EXAMPLES } from './suite/examples.js';
import { closeBrowsers } from './suite/page.js';
import { DIALECTS, readResults, title, writeResults } from './suite/results.js';
import { SCENARIOS } from './suite/scenarios.js';

const isRecording = process.env.RECORD === '1';
/** With `ONLY`, a part of the clients. */
const clients = CLIENTS.filter((client) => title(client).includes(process.env.ONLY ?? ''));
const results = await readResults();
after(closeBrowsers);

/** Most of the time, a client waits. */
const RUNS_AT_ONCE = 14;

// All clients with one scenario after the other: those in browsers, which need the processor, run
// beside programs, which wait.
test('the clients', { concurrency: RUNS_AT_ONCE }, async (t) => {
  for (const client of clients) results[title(client)] ??= { dialects: {}, examples: {} };
  await Promise.all([...runScenarios(t), ...runExamples(t)]);
  if (isRecording) await writeResults(results);
});

function runScenarios(t) {
  const settings = Object.entries(DIALECTS).flatMap(([path, dialect]) =>
    Object.entries(SCENARIOS).map(([scenario, run]) => ({ path, dialect, scenario, run })));
  return settings.flatMap(({ path, dialect, scenario, run }) =>
    clients.map((client) => t.test(`${title(client)}, ${dialect}: ${scenario}`, async (t) => {
      const outcome = await run(t, client, path);
      const result = results[title(client)];
      result.dialects[path] ??= {};
      check(result.dialects[path], scenario, outcome.verdict, outcome);
      if (dialect === 'Auto') check(result, 'auto', outcome.chosen, outcome);
    })));
}

function runExamples(t) {
  return Object.entries(EXAMPLES).flatMap(([example, run]) =>
    clients.filter(({ examples }) => examples.includes(example)).map((client) =>
      t.test(`${title(client)}: the example ${example}`, async (t) => {
        const outcome = await run(t, client);
        check(results[title(client)].examples, example, outcome.verdict, outcome);
      })));
}

/** Compares a value with the recorded one, or records it. */
function check(place, key, value, details) {
  if (isRecording) place[key] = value;
  else assert.equal(value, place[key], JSON.stringify(details));
}
