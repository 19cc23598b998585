// The examples `news`, `relay` and `chat`, as a client receives them.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { Server } from '../../browser/support/server.js';
import { freePort } from './port.js';
import { judge } from './recorder.js';

export const EXAMPLES = {
  /** News through a crash and a drain of the server, which keeps them in a file. */
  async news(test, client) {
    const folder = await mkdtemp(path.join(tmpdir(), 'news-'));
    test.after(() => rm(folder, { recursive: true }));
    const options = { port: await freePort(), env: { NEWS: path.join(folder, 'kept') } };
    let news = await Server.start(test, 'news', options);
    const recorder = await client.start(test, `${news.url}news`, END);
    const published = [];
    for (const signal of ['SIGKILL', 'SIGTERM']) {
      for (let count = 0; count < 5; count += 1) published.push(await post(news, published.length));
      await recorder.waitFor(published.at(-1), PATIENCE);
      await news.stop(signal);
      news = await Server.start(test, 'news', options);
    }
    published.push(await post(news, published.length));
    await recorder.waitFor(published.at(-1), PATIENCE);
    return { verdict: judge(recorder, published) };
  },

  /** The lines of an input that ends, after which the program ends as well. */
  async relay(test, client) {
    const relay = await Server.start(test, 'relay', { env: { IDLE_SECONDS: '20' } });
    const recorder = await client.start(test, `${relay.url}events`, END);
    relay.write('0\n1\n');
    await recorder.waitFor('1', PATIENCE);
    relay.write('2\n3\n4\n');
    relay.closeInput();
    await recorder.waitFor('4', PATIENCE);
    // It does not end while a client starts again and again.
    await Promise.race([relay.exit(), recorder.waitForExit(OBSERVED)]);
    return { verdict: judge(recorder, ['0', '1', '2', '3', '4']) };
  },

  /** An answer that another client has asked for, or that a client of OpenAI's API asks for. */
  async chat(test, client) {
    const chat = await Server.start(test, 'chat');
    if (client.encode) {
      const recorder = await client.start(test, `${chat.url}v1`, END);
      await recorder.waitFor('slowly.', PATIENCE);
      return { verdict: judge(recorder, reply('count').split(/(?<= )/)) };
    }
    const answer = await ask(chat, 'one two three');
    const recorder = await client.start(test, `${chat.url}runs/${answer.headers.get('x-run-id')}`, END);
    const chunks = [...(await answer.text()).matchAll(/^data: (.*)$/gm)].map(([, data]) => data);
    await recorder.waitFor(chunks.at(-1), PATIENCE);
    await sleep(500);
    return { verdict: judge(recorder, chunks) };
  },
};

/** Posts one piece of news, and returns it as clients receive it. */
async function post(news, number) {
  const item = JSON.stringify({ title: `${number}`, content: '' });
  const { status } = await fetch(`${news.url}news`, { method: 'POST', body: item });
  if (status !== 201) throw new Error(`the post was answered with ${status}`);
  return item;
}

function ask(chat, content) {
  const messages = [{ role: 'user', content }];
  const body = JSON.stringify({ model: 'parrot', messages, stream: true });
  const headers = { 'content-type': 'application/json' };
  return fetch(`${chat.url}v1/chat/completions`, { method: 'POST', headers, body });
}

/** What the simulated model answers. */
function reply(prompt) {
  return `You said "${prompt}". I have nothing to add, but I shall say it slowly.`;
}

/** The event after which an application closes its client. */
const END = 'complete';

/** How long a client may take to connect again, in milliseconds. */
const PATIENCE = 60_000;

/** How long a client is observed after the end of its stream, at most, in milliseconds. */
const OBSERVED = 25_000;
