// The server of the suite, `testkit/examples/client_server.rs`, through restarts: a feed keeps what
// it has published, and gives it to the next server.

import { Server } from '../../browser/support/server.js';
import { freePort } from './port.js';

export class Feed {
  #test;
  #port;
  #encode;
  #events = [];
  /** The texts of the events, in order. */
  published = [];
  #outputs = '';
  #server;

  /** A feed for the length of `test`. `encode` makes the data of an event from its text. */
  constructor(test, encode = (text) => text) {
    this.#test = test;
    this.#encode = encode;
  }

  /** Starts a server, on the port of the one before. */
  async start(...args) {
    this.#port ??= await freePort();
    this.#server = await Server.start(this.#test, 'client_server', {
      port: this.#port,
      args: ['--replay', this.#events.length, ...args],
      input: this.#events.map(publish).join(''),
    });
  }

  url(dialect) {
    return `http://127.0.0.1:${this.#port}/${dialect}`;
  }

  /**
   * Publishes so many events, whose texts are the next numbers and so many dots. The first event
   * sets the time to reconnect.
   */
  publish(count, dots = 0) {
    for (let left = count; left > 0; left -= 1) {
      const text = `${this.published.length}${'.'.repeat(dots)}`;
      const event = { data: this.#encode(text) };
      if (this.published.length === 0) event.retry = RETRY;
      this.published.push(text);
      this.#events.push(event);
      this.#server.write(publish(event));
    }
  }

  /** Sends `refuse`, `admit`, `finish` or `drain`. */
  command(command) {
    this.#server.write(`${JSON.stringify(command)}\n`);
  }

  /** Kills the server: its connections are reset in the middle of an event. */
  async kill() {
    await this.#server.stop('SIGKILL');
    this.#outputs += this.#server.output;
  }

  /** Drains the server, and waits for its end. */
  async drain() {
    this.command('drain');
    const status = await this.#server.exit();
    this.#outputs += this.#server.output;
    if (status !== 0) throw new Error(`the server ended with ${status}: ${this.#server.output}`);
  }

  get last() {
    return this.published.at(-1);
  }

  /**
   * The requests for streams until now: the dialect of each, and its time in milliseconds since the
   * server was started.
   */
  get requests() {
    const outputs = this.#outputs + (this.#server.hasEnded ? '' : this.#server.output);
    const lines = outputs.matchAll(/^(EventSource|Fetch|DataOnly) ([0-9]+) /gm);
    return [...lines].map(([, dialect, time]) => ({ dialect, time: Number(time) }));
  }
}

/** The command to publish an event. */
function publish(event) {
  return `${JSON.stringify({ publish: event })}\n`;
}

/** In milliseconds. */
const RETRY = 300;
