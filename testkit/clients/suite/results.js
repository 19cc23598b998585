// The results of the suite: the verdict on each client, in each dialect and scenario.

import { readFile, writeFile } from 'node:fs/promises';

const FILE = new URL('../results.json', import.meta.url);

/** The dialects by their paths, with `Auto`, which is one of the others for each client. */
export const DIALECTS = { auto: 'Auto', 'event-source': 'EventSource', fetch: 'Fetch', 'data-only': 'DataOnly' };

/** The name of a client in the results: several sources have a client of one name. */
export function title({ name, source }) {
  return `${name} (${source})`;
}

/** The committed results: `{ [title]: { auto, dialects: { [dialect]: { [scenario]: verdict } }, examples } }`. */
export async function readResults() {
  return JSON.parse(await readFile(FILE, 'utf8'));
}

export async function writeResults(results) {
  const sorted = Object.fromEntries(Object.entries(results).map(([name, result]) => [name, inOrder(result)]));
  await writeFile(FILE, `${JSON.stringify(sorted, null, 2)}\n`);
}

/** The same object, with its keys in order: tests end in any order. */
function inOrder(value) {
  if (typeof value !== 'object') return value;
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, inOrder(inner)]));
}
