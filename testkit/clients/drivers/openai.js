// npm `openai`: a streamed chat completion. Each event is a chunk with one piece of the answer.

import OpenAI from 'openai';

import { URL_OF_STREAM, end, report } from './report.js';

const client = new OpenAI({ baseURL: URL_OF_STREAM, apiKey: 'suite' });
const messages = [{ role: 'user', content: 'count' }];
try {
  const chunks = await client.chat.completions.create({ model: 'suite', messages, stream: true });
  report({ open: true });
  for await (const { choices: [{ delta: { content } }] } of chunks) {
    if (content) report({ event: { name: 'message', data: content } });
  }
} catch (error) {
  report({ error: error.message });
}
end();
