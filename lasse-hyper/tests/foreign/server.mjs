// A server for the client's tests, on Node's `http`: HTTP/1.1, chunked.
//
//     node server.mjs PORT    # prints its port

import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

const pages = {
  // Three events after the last event id, then nothing.
  "/events": (request, response) => {
    const last = Number(request.headers["last-event-id"] ?? 0);
    open(response);
    for (const id of [1, 2, 3]) response.write(event(last + id));
  },
  // Cut off within the second event.
  "/cut": async (request, response) => {
    const last = Number(request.headers["last-event-id"] ?? 0);
    open(response);
    response.write(event(last + 1));
    if (last > 0) return;
    response.write(event(2).slice(0, -1));
    await sleep(20);
    response.destroy();
  },
  "/slow": async (_, response) => {
    open(response);
    for (const byte of Buffer.from("id: 1\r\ndata: so slöw\r\n\r\n")) {
      response.write(Buffer.of(byte));
      await sleep(5);
    }
  },
  "/keep-alive": async (_, response) => {
    open(response);
    for (let i = 0; i < 10; i++) {
      response.write(":\n");
      await sleep(80);
    }
    response.write(event(1));
  },
  // One event, then 204 for a client that has it.
  "/once": (request, response) => {
    if ("last-event-id" in request.headers) return response.writeHead(204).end();
    open(response);
    response.end("retry: 1\n" + event(1));
  },
  "/moved": (_, response) => response.writeHead(302, { location: "there" }).end(),
  "/there": (_, response) => response.writeHead(307, { location: "/cut?" }).end(),
  "/round": (_, response) => response.writeHead(301, { location: "/round" }).end(),
  "/page": (_, response) => {
    response.writeHead(200, { "content-type": "text/html" }).end("<p>hello");
  },
  "/broken": (_, response) => response.writeHead(500).end("broken"),
  "/busy": (request, response) => {
    wasBusy = !wasBusy;
    if (wasBusy) return response.writeHead(429, { "retry-after": "1" }).end();
    pages["/events"](request, response);
  },
  // An event of over a mebibyte, and a small one.
  "/large": (request, response) => {
    if ("last-event-id" in request.headers) return response.writeHead(204).end();
    open(response);
    response.write(`data: ${"x".repeat(1 << 20)}\n\n`);
    response.end("retry: 1\n" + event(1));
  },
  // Control characters, which a terminal would obey.
  "/controls": (request, response) => {
    if ("last-event-id" in request.headers) return response.writeHead(204).end();
    open(response);
    response.end("retry: 1\nevent: \x1b[1mbold\nid: \x9b\ndata: a\tb\x1b[2J\x7f\ndata: c\u2028\n\n");
  },
  // A refusal with an explanation.
  "/forbidden": (_, response) => response.writeHead(403).end('{"error":"\x1b[2Jno"}\n'),
  // The request as an event.
  "/echo": async (request, response) => {
    let body = "";
    for await (const text of request.setEncoding("utf8")) body += text;
    open(response);
    response.end(`data: ${request.method} ${request.headers["x-key"]} ${body}\n\n`);
  },
};

let wasBusy = false;

function open(response) {
  response.writeHead(200, { "content-type": "text/event-stream" });
}

function event(id) {
  return `id: ${id}\ndata: ${id}\n\n`;
}

const server = createServer((request, response) => {
  pages[request.url.split("?")[0]](request, response);
});
server.listen(Number(process.argv[2]), "127.0.0.1", () => console.log(server.address().port));
