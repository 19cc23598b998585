// npm `launchdarkly-eventsource`.

import { EventSource } from 'launchdarkly-eventsource';

import { END, NAMES, URL_OF_STREAM, report } from './report.js';

const source = new EventSource(URL_OF_STREAM);
source.onopen = () => report({ open: true });
source.onerror = ({ message, status }) => report({ error: message ?? `status ${status}` });
source.addEventListener('closed', () => report({ closed: true }));
for (const name of NAMES) {
  source.addEventListener(name, ({ data, lastEventId: id }) => {
    report({ event: { name, data, id } });
    if (name === END) source.close();
  });
}
