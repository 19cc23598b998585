// One of the workspace's programs, built before, on a port of its own.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const TARGET = path.resolve(ROOT, process.env.CARGO_TARGET_DIR ?? 'target');

export class Server {
  #child;
  #said = '';

  /** Starts an example for the length of `test`, and waits until it says where it listens. */
  static async start(test, example, { port = 0, args = [], env = {} } = {}) {
    const program = path.join(TARGET, 'debug', 'examples', example);
    const child = spawn(program, args, { env: { ...process.env, ...env, PORT: `${port}` } });
    const server = new Server(child);
    test.after(() => server.stop('SIGKILL'));
    [server.url] = await server.says(/https?:\/\/127\.0\.0\.1:\d+\//);
    return server;
  }

  constructor(child) {
    this.#child = child;
    for (const output of [child.stdout, child.stderr]) {
      output.setEncoding('utf8').on('data', (text) => { this.#said += text; });
    }
  }

  get port() {
    return Number(new URL(this.url).port);
  }

  /** Waits until the server has written what matches `pattern`. */
  async says(pattern) {
    for (;;) {
      const match = this.#said.match(pattern);
      if (match) return match;
      if (this.#hasEnded()) throw new Error(`ended before ${pattern}: ${this.#said}`);
      await sleep(5);
    }
  }

  /** Writes to the server's standard input. */
  hear(text) {
    this.#child.stdin.write(text);
  }

  /** Has the `stage` publish events: `data`, and perhaps `event`, `id` and `retry`. */
  publish(...events) {
    this.hear(events.map((event) => `${JSON.stringify(event)}\n`).join(''));
  }

  /** Ends the server's standard input. */
  hearNoMore() {
    this.#child.stdin.end();
  }

  /** Asks the server to end, and tells by which status or signal it did. */
  async stop(signal = 'SIGTERM') {
    if (!this.#hasEnded()) {
      const exit = once(this.#child, 'exit');
      this.#child.kill(signal);
      await exit;
    }
    return this.#child.exitCode ?? this.#child.signalCode;
  }

  #hasEnded() {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }
}
