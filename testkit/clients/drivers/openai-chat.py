"""PyPI `openai`: a streamed chat completion. Each event is a chunk with one piece of the answer."""

import openai

from report import URL_OF_STREAM, event, report

client = openai.OpenAI(base_url=URL_OF_STREAM, api_key="suite")
try:
    messages = [{"role": "user", "content": "count"}]
    with client.chat.completions.create(model="suite", messages=messages, stream=True) as chunks:
        report(open=True)
        for chunk in chunks:
            if content := chunk.choices[0].delta.content:
                event("message", content, None)
except openai.OpenAIError as error:
    report(error=repr(error))
report(closed=True)
