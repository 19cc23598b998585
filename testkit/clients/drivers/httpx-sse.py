"""PyPI `httpx-sse`, with a loop like that of its README: it connects again after an error."""

import time

import httpx
import httpx_sse

from report import END, URL_OF_STREAM, event, report

last_id, delay = "", 1.0


def read(client):
    """Requests the stream once, and returns whether it is over."""
    global last_id, delay
    headers = {"Last-Event-ID": last_id} if last_id else {}
    with httpx_sse.connect_sse(client, "GET", URL_OF_STREAM, headers=headers) as source:
        source.response.raise_for_status()
        report(open=True)
        for sse in source.iter_sse():
            last_id = sse.id
            if sse.retry is not None:
                delay = sse.retry / 1000
            event(sse.event, sse.data, sse.id)
            if sse.event == END:
                break
    return True


with httpx.Client() as client:
    while True:
        try:
            if read(client):
                break
        except (httpx.HTTPError, httpx_sse.SSEError) as error:
            report(error=repr(error))
            time.sleep(delay)
report(closed=True)
