// curl, in the loop that a script would write: it connects again after an error, with the last
// id, and stops after a complete response.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import readline from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

import { END, URL_OF_STREAM, end, report } from './report.js';

let id = '';
let delay = 1_000;

for (;;) {
  const status = await request();
  if (status === 0) break;
  report({ error: `curl ended with status ${status}` });
  await sleep(delay);
}
end();

/** Requests the stream once, and returns curl's exit status. */
async function request() {
  const args = ['--no-buffer', '--silent', '--fail', URL_OF_STREAM];
  args.push('--header', 'Accept: text/event-stream');
  if (id) args.push('--header', `Last-Event-ID: ${id}`);
  const curl = spawn('curl', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = once(curl, 'close');
  let event = { name: 'message', data: [] };
  for await (const line of readline.createInterface({ input: curl.stdout, crlfDelay: Infinity })) {
    const [, field, value] = line.match(/^([^:]*):? ?(.*)$/);
    if (field === 'event') event.name = value;
    if (field === 'data') event.data.push(value);
    if (field === 'id') event.id = value;
    if (field === 'retry') delay = Number(value);
    if (line !== '') continue;
    id = event.id ?? id;
    const { name, data } = event;
    if (data.length > 0) report({ event: { name, data: data.join('\n'), id } });
    if (name === END) curl.kill();
    event = { name: 'message', data: [] };
  }
  const [status] = await closed;
  return status ?? 0;
}
