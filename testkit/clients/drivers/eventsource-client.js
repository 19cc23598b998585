// npm `eventsource-client`.

import { createEventSource } from 'eventsource-client';

import { END, URL_OF_STREAM, report } from './report.js';

const source = createEventSource({
  url: URL_OF_STREAM,
  onConnect: () => report({ open: true }),
  onDisconnect: () => {
    // A client that was closed for good disconnects after that, or before.
    setImmediate(() => { if (source.readyState === 'closed') report({ closed: true }); });
  },
  onScheduleReconnect: () => report({ error: 'disconnected' }),
  onMessage: ({ event: name = 'message', data, id }) => {
    report({ event: { name, data, id } });
    if (name === END) source.close();
  },
});
