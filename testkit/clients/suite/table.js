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
const OTHER_DIALECTS = Object.entries(DIALECTS).filter(([key]) => key !== 'auto');

/** The page as it is, and as the results draw it. */
export async function pages() {
  const present = await readFile(PAGE, 'utf8');
  const [before, , after, ...more] = present.split(new RegExp(`(?<=${START})|(?=${END})`));
  if (after === undefined || more.length > 0) throw new Error(`${PAGE.pathname} must have each mark of the drawn part once`);
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
  return [
    title(client),
    await versions(client),
    code(result.auto),
    ...marks(result.dialects.auto),
    ...EXAMPLES.map((example) => mark(result.examples[example] ?? '')),
    better(result),
  ];
}

function dialectRows(client, result) {
  return OTHER_DIALECTS.map(([key, dialect]) => [title(client), code(dialect), ...marks(result.dialects[key])]);
}

/** The dialect with the fewest faults, if `Auto` has more. */
function better({ dialects }) {
  const count = (key) => Object.values(dialects[key]).filter(isFault).length;
  const least = Math.min(...OTHER_DIALECTS.map(([key]) => count(key)));
  if (least >= count('auto')) return '';
  return code(OTHER_DIALECTS.findLast(([key]) => count(key) === least)[1]);
}

/** The defects of a client in the dialect of `Auto`, and with the examples. */
export function faults(result) {
  return [...Object.values(result.dialects.auto), ...Object.values(result.examples)].filter(isFault);
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
