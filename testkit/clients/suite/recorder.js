// What a client reports while it runs.

import { setTimeout as sleep } from 'node:timers/promises';

/** The events that lasse adds to those of the application. A reset would be a fault here. */
const NOTICES = new Set(['position', 'refused', 'shutdown', 'complete']);

export class Recorder {
  /** The events of the application, and what a client takes for one. */
  events = [];
  /** The error since the last event. */
  error;
  /** Whether the client has stopped by itself. */
  isClosed = false;
  /** Whether the program of the client has ended. A page has none. */
  hasExited = false;

  /** Takes a report: see `drivers/report.js`. */
  add({ event, error, closed }) {
    if (event) this.error = undefined;
    if (event && !NOTICES.has(event.name)) this.events.push(event);
    if (error !== undefined) this.error = error;
    if (closed) this.isClosed = true;
  }

  get data() {
    return this.events.map(({ data }) => data);
  }

  /** Waits for an event with these data. Returns whether it came before the client stopped. */
  async waitFor(data, milliseconds) {
    const end = performance.now() + milliseconds;
    while (!this.data.includes(data)) {
      if (this.isClosed || performance.now() > end) return false;
      await sleep(20);
    }
    return true;
  }

  /** Waits for the end of the client's program, after which it sends no request, or for so long. */
  async waitForExit(milliseconds) {
    const end = performance.now() + milliseconds;
    while (!this.hasExited && performance.now() < end) await sleep(20);
  }
}

/** The verdict on a client that may have stopped by itself. */
export function judge({ data, isClosed, error }, published) {
  const verdict = compare(data, published);
  if (verdict !== 'lost' || !isClosed) return verdict;
  return error === undefined ? 'stops' : 'fails';
}

/**
 * Compares the data of events with those that were published.
 *
 * @returns `ok`, or what is wrong: `extra`, `disordered`, `repeated` or `lost`
 */
function compare(received, published) {
  if (received.length === published.length && received.every((data, index) => data === published[index])) return 'ok';
  const positions = received.map((data) => published.indexOf(data));
  if (positions.includes(-1)) return 'extra';
  const distinct = [...new Set(positions)];
  if (distinct.some((position, index) => index > 0 && position < distinct[index - 1])) return 'disordered';
  if (distinct.length < positions.length) return 'repeated';
  return 'lost';
}
