// npm `eventsource`: EventSource for node.

import { EventSource } from 'eventsource';

import { END, NAMES, URL_OF_STREAM, report } from './report.js';

const source = new EventSource(URL_OF_STREAM);
source.onopen = () => report({ open: true });
source.onerror = ({ message, code }) => {
  report({ error: message ?? `status ${code}` });
  if (source.readyState === EventSource.CLOSED) report({ closed: true });
};
for (const name of NAMES) {
  source.addEventListener(name, ({ data, lastEventId: id }) => {
    report({ event: { name, data, id } });
    if (name === END) source.close();
  });
}
