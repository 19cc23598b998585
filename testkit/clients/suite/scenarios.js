// What a client goes through, and what becomes of it. A scenario returns a verdict:
//
// - `ok`: the client has every event once and in order, and nothing else
// - `stops`: it stopped without an error, and lacks events
// - `fails`: it stopped with an error, and lacks events
// - `lost`, `repeated`, `disordered`, `extra`: it goes on, but its events are not those published
// - `returns`: it has every event, but connects again after the end
// - `loops`: it has every event, but requests the stream more than once in two seconds, or, while it
//   is refused, more than three times in two seconds

import { setTimeout as sleep } from 'node:timers/promises';

import { Feed } from './feed.js';
import { judge } from './recorder.js';

export const SCENARIOS = {
  /** Silences that are longer than the keep-alive, and bursts. */
  async keepAlives(test, client, dialect) {
    const run = await Run.start(test, client, dialect);
    for (let burst = 0; burst < 3; burst += 1) {
      await sleep(1_000);
      run.feed.publish(100);
    }
    return run.verdict();
  },

  /** The server is killed in the middle of a burst, and starts a second later. */
  async restart(test, client, dialect) {
    const run = await Run.start(test, client, dialect);
    run.feed.publish(1);
    await run.receivesAll();
    run.feed.publish(2_000, 1_000);
    await run.recorder.waitFor(run.feed.published[20], PATIENCE);
    await run.feed.kill();
    await sleep(1_000);
    run.feed.publish(10);
    await run.feed.start();
    return run.verdictAfterReturn();
  },

  /** The server drains while events are published, and the next one starts when it has ended. */
  async drain(test, client, dialect) {
    const run = await Run.start(test, client, dialect);
    run.feed.publish(10);
    await run.receivesAll();
    const drained = run.feed.drain();
    for (let count = 0; count < 20; count += 1) {
      await sleep(20);
      run.feed.publish(1);
    }
    await drained;
    await run.feed.start();
    return run.verdictAfterReturn();
  },

  /** The server refuses the client for four seconds, and asks for a pause of three each time. */
  async refusal(test, client, dialect) {
    const run = await Run.start(test, client, dialect, '--refuse');
    await run.isRequested();
    await sleep(REFUSED);
    const requests = countWithin(REFUSED, run.feed.requests);
    run.feed.command('admit');
    run.feed.publish(10);
    const outcome = await run.verdictAfterReturn();
    const isLoop = requests > 1.5 * (REFUSED / 1_000);
    return { ...outcome, verdict: outcome.verdict === 'ok' && isLoop ? 'loops' : outcome.verdict, requests };
  },

  /** The stream ends for good. */
  async end(test, client, dialect) {
    const run = await Run.start(test, client, dialect);
    run.feed.publish(10);
    await run.receivesAll();
    const before = run.feed.requests.length;
    run.feed.command('finish');
    await run.recorder.waitForExit(OBSERVED);
    const outcome = await run.verdict();
    const requests = countWithin(OBSERVED, run.feed.requests.slice(before));
    if (outcome.verdict !== 'ok' || requests <= 1) return { ...outcome, requests };
    return { ...outcome, verdict: requests > OBSERVED / 2_000 ? 'loops' : 'returns', requests };
  },
};

/** A client and its server. */
class Run {
  static async start(test, client, dialect, ...args) {
    const run = new Run();
    run.feed = new Feed(test, client.encode);
    await run.feed.start(...args);
    run.recorder = await client.start(test, run.feed.url(dialect), END);
    return run;
  }

  /** Waits for the first request. */
  async isRequested() {
    const end = performance.now() + PATIENCE;
    while (this.feed.requests.length === 0 && performance.now() < end) await sleep(20);
  }

  /** Waits until the client has received all events, has stopped, or takes too long. */
  receivesAll() {
    return this.recorder.waitFor(this.feed.last, PATIENCE);
  }

  /** The verdict after a time without a server, and ten more events. */
  async verdictAfterReturn() {
    if (await this.receivesAll()) {
      this.feed.publish(10);
      await this.receivesAll();
    }
    return this.judged();
  }

  async verdict() {
    await this.receivesAll();
    return this.judged();
  }

  async judged() {
    // Time for what must not come.
    await sleep(500);
    const verdict = judge(this.recorder, this.feed.published);
    return { verdict, chosen: this.feed.requests[0]?.dialect, error: this.recorder.error };
  }
}

/** The number of requests until so many milliseconds after the first one, by the server's clock. */
function countWithin(milliseconds, requests) {
  return requests.filter(({ time }) => time - requests[0].time < milliseconds).length;
}

/** The event after which an application closes its client. */
const END = 'complete';

/** How long a client may take to connect again, in milliseconds. */
const PATIENCE = 60_000;

/** How long the server refuses, in milliseconds. */
const REFUSED = 4_000;

/** How long a client is observed after the end of its stream, at most, in milliseconds. */
const OBSERVED = 20_000;
