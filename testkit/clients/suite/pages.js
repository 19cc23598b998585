// The clients that run in a page. These functions run there, and cannot use the scope of this file.

export function eventSource([url, end]) {
  const source = new EventSource(url);
  source.onerror = () => {
    report({ error: 'error' });
    if (source.readyState === EventSource.CLOSED) report({ closed: true });
  };
  for (const name of ['message', 'position', 'reset', end]) {
    source.addEventListener(name, ({ data, lastEventId: id }) => {
      report({ event: { name, data, id } });
      if (name === end) source.close();
    });
  }
}

export function fetchEventSource([url, end]) {
  const controller = new AbortController();
  const finished = require('./fetch').fetchEventSource(url, {
    signal: controller.signal,
    onmessage({ event, data, id }) {
      const name = event || 'message';
      report({ event: { name, data, id } });
      if (name === end) controller.abort();
    },
    onerror: (error) => report({ error: error.message }).then(() => {}) && undefined,
  });
  finished.then(() => report({ closed: true }));
}

/** htmx 2 with `htmx-ext-sse`, which uses EventSource. */
export function htmx2([url, end]) {
  document.body.addEventListener('htmx:sseMessage', ({ detail: { type: name, data, lastEventId: id } }) => {
    report({ event: { name, data, id } });
  });
  document.body.addEventListener('htmx:sseError', () => report({ error: 'error' }));
  document.body.addEventListener('htmx:sseClose', () => report({ closed: true }));
  document.body.innerHTML = `<div hx-ext="sse" sse-connect="${url}" sse-close="${end}">
    <ul sse-swap="message" hx-swap="beforeend"></ul></div>`;
  htmx.process(document.body);
}

/** htmx 4 with `hx-sse`, which uses fetch. */
export function htmx4([url, end]) {
  document.body.addEventListener('htmx:sse:before:message', ({ detail: { message } }) => {
    report({ event: { name: message.event || 'message', data: message.data, id: message.id } });
  });
  document.body.addEventListener('htmx:sse:error', ({ detail }) => report({ error: detail.error.message }));
  document.body.addEventListener('htmx:sse:close', () => report({ closed: true }));
  document.body.innerHTML = `<ul hx-sse:connect="${url}" hx-sse:close="${end}" hx-swap="beforeend"></ul>`;
  htmx.process(document.body);
}
