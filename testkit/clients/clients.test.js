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

test('the clients', { concurrency: RUNS_AT_ONCE }, async (t) => {
  await Promise.all(clients.flatMap((client) => runs(t, client)));
  if (isRecording) await writeResults(results);
});

function runs(t, client) {
  const name = title(client);
  results[name] ??= { dialects: {}, examples: {} };
  const result = results[name];
  const check = (place, key, value, details) => {
    if (isRecording) place[key] = value;
    else assert.equal(value, place[key], JSON.stringify(details));
  };
  const scenarios = Object.entries(DIALECTS).flatMap(([path, dialect]) =>
    Object.entries(SCENARIOS).map(([scenario, run]) =>
      t.test(`${name}, ${dialect}: ${scenario}`, async (t) => {
        const outcome = await run(t, client, path);
        result.dialects[path] ??= {};
        check(result.dialects[path], scenario, outcome.verdict, outcome);
        if (dialect === 'Auto') check(result, 'auto', outcome.chosen, outcome);
      })));
  const examples = client.examples.map((example) =>
    t.test(`${name}: the example ${example}`, async (t) => {
      const outcome = await EXAMPLES[example](t, client);
      check(result.examples, example, outcome.verdict, outcome);
    }));
  return [...scenarios, ...examples];
}
