// The page of the results agrees with them.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CLIENTS } from './suite/clients.js';
import { DIALECTS, readResults, title } from './suite/results.js';
import { faults, pages } from './suite/table.js';

test('docs/clients.md shows the committed results', async () => {
  const { present, drawn } = await pages();
  assert.equal(present, drawn, 'run `npm run table`');
});

test('each client has the same results in `Auto` as in the dialect that it is', async () => {
  for (const [name, { auto, dialects }] of Object.entries(await readResults())) {
    const [path] = Object.entries(DIALECTS).find(([, dialect]) => dialect === auto);
    assert.deepEqual(dialects.auto, dialects[path], name);
  }
});

test('the page explains each fault of a client, and no other client', async () => {
  const results = await readResults();
  for (const client of CLIENTS) {
    assert.equal(client.note !== undefined, faults(results[title(client)]).length > 0, title(client));
  }
});

test('the results are of the clients of the suite', async () => {
  assert.deepEqual(Object.keys(await readResults()), CLIENTS.map(title));
});
