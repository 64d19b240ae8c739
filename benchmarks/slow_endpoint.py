"""An OpenAI-compatible endpoint that answers "hello" after as long as the question says: ``takes 0.25`` seconds.

    python -m benchmarks.slow_endpoint

It prints its address, and ends when standard input does. Connections stay open for further requests.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys

_LENGTH = re.compile(rb"(?i)content-length: *(\d+)")
_TAKES = re.compile(rb"takes (\d+\.\d+)")
_BODY = json.dumps(
    {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
    }
).encode()
_REPLY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(_BODY) + _BODY
# What asks for a stream gets the same in two chunks.
_CHUNK = json.dumps(
    {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [{"index": 0, "delta": {}}]}
)


def _stream() -> bytes:
    first, last = json.loads(_CHUNK), json.loads(_CHUNK)
    first["choices"][0] |= {"delta": {"role": "assistant", "content": "hello"}, "finish_reason": None}
    last["choices"][0] |= {"finish_reason": "stop"}
    usage = {**json.loads(_CHUNK), "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}
    usage["usage"]["total_tokens"] = 4
    text = "".join(f"data: {json.dumps(one)}\n\n" for one in (first, last, usage)) + "data: [DONE]\n\n"
    head = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {len(text)}\r\n\r\n"
    return (head + text).encode()


_STREAMED = _stream()


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length[1]) if length else 0)
            takes = _TAKES.search(body)
            await asyncio.sleep(float(takes[1]) if takes else 0.0)
            writer.write(_STREAMED if re.search(rb'"stream": ?true', body) else _REPLY)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
