"""A server for the client's tests, on Python's `http.server`: HTTP/1.0,
where a body ends with its connection.

    python3 server.py PORT    # prints its port
"""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep

was_busy = False


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        getattr(self, "page_" + self.path.split("?")[0][1:].replace("-", "_"))()

    def do_POST(self):
        self.do_GET()

    def page_events(self):
        """Three events after the last event id, then nothing."""
        last = int(self.headers["last-event-id"] or 0)
        self.open()
        for id in range(last + 1, last + 4):
            self.send(event(id))
        self.wait()

    def page_cut(self):
        """Cut off within the second event."""
        last = int(self.headers["last-event-id"] or 0)
        self.open()
        self.send(event(last + 1))
        if last > 0:
            self.wait()
        self.send(event(2)[:-1])

    def page_slow(self):
        self.open()
        for byte in "id: 1\r\ndata: so slöw\r\n\r\n".encode():
            self.send(bytes([byte]))
            sleep(0.005)
        self.wait()

    def page_keep_alive(self):
        self.open()
        for _ in range(10):
            self.send(b":\n")
            sleep(0.08)
        self.send(event(1))
        self.wait()

    def page_once(self):
        """One event, then 204 for a client that has it."""
        if self.headers["last-event-id"]:
            return self.answer(204)
        self.open()
        self.send(b"retry: 1\n" + event(1))

    def page_moved(self):
        self.answer(302, location="there")

    def page_there(self):
        self.answer(307, location="/cut?")

    def page_round(self):
        self.answer(301, location="/round")

    def page_page(self):
        self.answer(200, content_type="text/html")
        self.send(b"<p>hello")

    def page_broken(self):
        self.answer(500)

    def page_busy(self):
        global was_busy
        was_busy = not was_busy
        if was_busy:
            return self.answer(429, retry_after="1")
        self.page_events()

    def page_echo(self):
        """The request as an event."""
        body = self.rfile.read(int(self.headers["content-length"] or 0)).decode()
        self.open()
        self.send(f"data: {self.command} {self.headers['x-key']} {body}\n\n".encode())

    def open(self):
        self.answer(200, content_type="text/event-stream")

    def answer(self, status, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def send(self, text):
        self.wfile.write(text)
        self.wfile.flush()

    def wait(self):
        """Until the client disconnects."""
        self.rfile.read(1)

    def log_message(self, *args):
        pass


def event(id):
    return f"id: {id}\ndata: {id}\n\n".encode()


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
server.daemon_threads = True
print(server.server_port, flush=True)
server.serve_forever()
