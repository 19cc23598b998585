"""The output of a driver: lines of JSON, which `suite/process.js` reads."""

import json
import sys

#: Where the client connects, and the event after which the application closes it.
URL_OF_STREAM, END = sys.argv[1:3]


def report(**message):
    """Reports `open`, `event`, `error` or `closed`."""
    print(json.dumps(message), flush=True)


def event(name, data, id):
    """Reports an event."""
    report(event={"name": name, "data": data, "id": id})
