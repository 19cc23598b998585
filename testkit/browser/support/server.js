// An example of the workspace, which is built before, on a port of its own.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const TARGET = path.resolve(ROOT, process.env.CARGO_TARGET_DIR ?? 'target');

export class Server {
  #child;
  #output = '';

  /** Starts an example for the length of `test`, writes `input`, and waits for its URL. */
  static async start(test, example, { port = 0, args = [], env = {}, input = '' } = {}) {
    const program = path.join(TARGET, 'debug', 'examples', example);
    const child = spawn(program, args, { env: { ...process.env, ...env, PORT: `${port}` } });
    const server = new Server(child);
    test.after(() => server.stop('SIGKILL'));
    server.write(input);
    [server.url] = await server.waitForOutput(/https?:\/\/127\.0\.0\.1:\d+\//);
    return server;
  }

  constructor(child) {
    this.#child = child;
    for (const output of [child.stdout, child.stderr]) {
      output.setEncoding('utf8').on('data', (text) => { this.#output += text; });
    }
    // A server that was killed no longer reads.
    child.stdin.on('error', () => {});
  }

  get port() {
    return Number(new URL(this.url).port);
  }

  /** What the server has written so far, on stdout and stderr. */
  get output() {
    return this.#output;
  }

  /** Waits until the output of the server matches `pattern`. */
  async waitForOutput(pattern) {
    for (;;) {
      const match = this.#output.match(pattern);
      if (match) return match;
      if (this.hasEnded) throw new Error(`no ${pattern} in the output: ${this.#output}`);
      await sleep(5);
    }
  }

  /** Writes to the standard input of the server. */
  write(text) {
    this.#child.stdin.write(text);
  }

  /** Makes `event-server` publish events: `data`, and optionally `event`, `id` and `retry`. */
  publish(...events) {
    this.write(events.map((event) => `${JSON.stringify(event)}\n`).join(''));
  }

  /** Closes the standard input of the server. */
  closeInput() {
    this.#child.stdin.end();
  }

  /** Sends a signal, waits for the end, and returns the exit status or the signal. */
  async stop(signal = 'SIGTERM') {
    if (!this.hasEnded) this.#child.kill(signal);
    return this.exit();
  }

  /** Waits for the end, and returns the exit status or the signal. */
  async exit() {
    if (!this.hasEnded) await once(this.#child, 'exit');
    return this.#child.exitCode ?? this.#child.signalCode;
  }

  get hasEnded() {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }
}
