"""The stream of one answer as it comes over HTTP: server-sent events whose data are the chunks.

Read here instead of by OpenAI's client library, which takes two thirds of the time that a request costs the gateway:
it copies each request and each chunk into classes that nobody looks at.
Format: https://html.spec.whatwg.org/multipage/server-sent-events.html and OpenAI's chat completions API.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import httpx2


class StatusError(Exception):
    """The endpoint refused a request; what it said is the text. ``code`` is the error's own, if it gave one."""

    def __init__(self, said: str, status: int, code: str | None, headers: httpx2.Headers) -> None:
        super().__init__(said)
        self.status, self.code, self.headers = status, code, headers


class ToldError(Exception):
    """The endpoint told an error within the stream, or sent what is no chunk."""


class EventReader:
    """Cuts text into the data of its events. What comes is bounded by whoever reads it."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._data: list[str] = []

    def push(self, piece: bytes, *, is_last: bool = False) -> Iterator[str]:
        """The data of each event that ends within ``piece``; lines end as in the format: \\n, \\r\\n or \\r."""
        text = self._rest + self._decoder.decode(piece, is_last)
        # A carriage return at the end may be half of a line's end.
        held = text.endswith("\r") and not is_last
        lines = (text[:-1] if held else text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._rest = lines.pop() + ("\r" if held else "")
        for line in lines:
            if not line:
                yield from self._end()
            elif line.startswith("data:"):
                self._data.append(line[6:] if line.startswith("data: ") else line[5:])
        if is_last:
            if self._rest.startswith("data:"):
                self._data.append(self._rest[5:].lstrip(" "))
            yield from self._end()

    def _end(self) -> Iterator[str]:
        if self._data:
            data, self._data = "\n".join(self._data), []
            yield data


async def open_answer(
    http: httpx2.AsyncClient, url: str, headers: Mapping[str, str], body: Mapping[str, Any]
) -> httpx2.Response:
    """Ask; returns once the endpoint has begun to answer. The response is to be closed by whoever asked.

    Raises:
        StatusError: the endpoint refuses the request.
        httpx2.HTTPError: the way there failed.
    """
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    request = http.build_request("POST", url, headers={"Content-Type": "application/json", **headers}, content=content)
    response = await http.send(request, stream=True)
    if response.is_success:
        return response
    try:
        raise _refusal(response, await response.aread())
    finally:
        await response.aclose()


async def chunks_of(response: httpx2.Response) -> AsyncIterator[dict[str, Any]]:
    """Each chunk of the answer.

    Raises:
        ToldError: the endpoint tells an error on the way, or sends what is no JSON object.
        httpx2.HTTPError, httpx2.StreamError: it cannot be read on.
    """
    reader = EventReader()
    async for piece in response.aiter_bytes():
        for data in reader.push(piece):
            # What follows on the end must be read all the same, for the connection to serve again.
            if not data.startswith("[DONE]"):
                yield _chunk(data)
    for data in reader.push(b"", is_last=True):
        if not data.startswith("[DONE]"):
            yield _chunk(data)


def _chunk(data: str) -> dict[str, Any]:
    try:
        chunk = json.loads(data)
    except (ValueError, RecursionError):
        raise ToldError(f"it sent {data[:100]!r} where a chunk in JSON belongs") from None
    if not isinstance(chunk, dict):
        raise ToldError(f"it sent {data[:100]!r} where a chunk in JSON belongs")
    if error := chunk.get("error"):
        said = error.get("message") if isinstance(error, dict) else error
        raise ToldError(said if isinstance(said, str) and said else "it told an error in its stream and not which")
    return chunk


def _refusal(response: httpx2.Response, body: bytes) -> StatusError:
    text, code = body.decode("utf-8", "replace").strip(), None
    try:
        told = json.loads(text)
        error = told.get("error", told) if isinstance(told, dict) else None
        if isinstance(error, dict):
            code = error.get("code")
            # The rest of its JSON says nothing more to a person.
            text = message if isinstance(message := error.get("message"), str) and message else text
    except (ValueError, RecursionError):
        pass
    said = f"Error code: {response.status_code}" + (f" - {text}" if text else "")
    return StatusError(said, response.status_code, code if isinstance(code, str) else None, response.headers)
