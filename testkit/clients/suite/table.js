// Draws the results in docs/clients.md: `npm run table`.

import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { CLIENTS } from './clients.js';
import { DIALECTS, readResults, title } from './results.js';
import { versions } from './versions.js';

const PAGE = new URL('../../../docs/clients.md', import.meta.url);
const START = '<!-- drawn by testkit/clients/suite/table.js -->\n';
const END = '<!-- end -->\n';

const SCENARIOS = {
  keepAlives: 'silence',
  restart: 'restart',
  drain: 'drain',
  refusal: 'refusal',
  end: 'end',
};
const EXAMPLES = ['news', 'relay', 'chat'];

/** The page as it is, and as the results draw it. */
export async function pages() {
  const present = await readFile(PAGE, 'utf8');
  const [before, , after] = present.split(new RegExp(`(?<=${START})|(?=${END})`));
  return { present, drawn: `${before}\n${await draw(await readResults())}\n${after}` };
}

async function draw(results) {
  const rows = await Promise.all(CLIENTS.map((client) => autoRow(client, results[title(client)])));
  const others = CLIENTS.filter((client) => faults(results[title(client)]).length > 0);
  const otherRows = others.flatMap((client) => dialectRows(client, results[title(client)]));
  const notes = CLIENTS.filter(({ note }) => note).map((client) => `- **${title(client)}**: ${client.note}`);
  return [
    table(['client', 'version', '`Auto` is', ...Object.values(SCENARIOS), ...EXAMPLES.map(code), 'better'], rows),
    'The clients that have a fault, in each dialect:',
    table(['client', 'dialect', ...Object.values(SCENARIOS)], otherRows),
    notes.join('\n'),
  ].join('\n\n');
}

async function autoRow(client, result) {
  const verdicts = chosen(result);
  const better = best(result);
  return [
    title(client),
    await versions(client),
    code(result.auto),
    ...marks(verdicts),
    ...EXAMPLES.map((example) => mark(result.examples[example] ?? '')),
    better === result.auto ? '' : code(better),
  ];
}

function dialectRows(client, result) {
  return Object.entries(DIALECTS).map(([key, dialect]) => [
    title(client),
    code(dialect),
    ...marks(result.dialects[key]),
  ]);
}

/** The verdicts in the dialect that `Auto` chose. */
function chosen(result) {
  const [key] = Object.entries(DIALECTS).find(([, dialect]) => dialect === result.auto);
  return result.dialects[key];
}

/** The dialect with the fewest faults: that of `Auto`, if no other has fewer. */
function best(result) {
  const count = (verdicts) => Object.values(verdicts).filter(isFault).length;
  const counts = Object.entries(DIALECTS).map(([key, dialect]) => [dialect, count(result.dialects[key])]);
  counts.push([result.auto, count(chosen(result))]);
  const least = Math.min(...counts.map(([, count]) => count));
  return counts.findLast(([, count]) => count === least)[0];
}

/** What is wrong with a client in the dialect of `Auto`, and with the examples. */
export function faults(result) {
  return [...Object.values(chosen(result)), ...Object.values(result.examples)].filter(isFault);
}

function isFault(verdict) {
  return verdict !== 'ok';
}

function marks(verdicts) {
  return Object.keys(SCENARIOS).map((scenario) => mark(verdicts[scenario]));
}

function mark(verdict) {
  return verdict === 'ok' ? '✓' : verdict;
}

function code(text) {
  return `\`${text}\``;
}

function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await writeFile(PAGE, (await pages()).drawn);
}
