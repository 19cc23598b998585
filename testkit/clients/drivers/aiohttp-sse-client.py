"""PyPI `aiohttp-sse-client`, which reconnects by itself."""

import asyncio

from aiohttp_sse_client import client

from report import END, URL_OF_STREAM, event, report


async def main():
    options = {"on_open": lambda: report(open=True), "on_error": lambda: report(error="disconnected")}
    async with client.EventSource(URL_OF_STREAM, **options) as source:
        async for sse in source:
            name = sse.type or "message"
            event(name, sse.data, sse.last_event_id)
            if name == END:
                break


try:
    asyncio.run(main())
except Exception as error:  # The client has no errors of its own.
    report(error=repr(error))
report(closed=True)
