"""PyPI `sseclient-py` over `requests`, in a loop that connects again after an error."""

import time

import requests
import sseclient

from report import END, URL_OF_STREAM, event, report

last_id, delay = None, 1.0

while True:
    headers = {"Accept": "text/event-stream"}
    if last_id:
        headers["Last-Event-ID"] = last_id
    try:
        response = requests.get(URL_OF_STREAM, stream=True, headers=headers)
        response.raise_for_status()
        report(open=True)
        for sse in sseclient.SSEClient(response).events():
            last_id = sse.id or last_id
            if sse.retry is not None:
                delay = int(sse.retry) / 1000
            event(sse.event, sse.data, sse.id)
            if sse.event == END:
                break
        break
    except requests.RequestException as error:
        report(error=repr(error))
        time.sleep(delay)
report(closed=True)
