"""Clients of an OpenAI-compatible server: many streams at once, timed from the outside.

Plain sockets, since the clients share the machine's cores with what is measured: a library would take a third of one.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 300.0


class RequestLost(Exception):
    """A request that was not answered whole."""


@dataclass(frozen=True, slots=True)
class Served:
    """One answer: seconds until its first text and its end, and its tokens."""

    ttft_s: float
    seconds: float
    tokens: int


@dataclass(frozen=True)
class Load:
    """Some answers asked at once. ``lost`` are those that did not come whole, with the reason of each."""

    answers: Sequence[Served]
    lost: Sequence[str]
    seconds: float

    @property
    def tokens_per_s(self) -> float:
        return sum(answer.tokens for answer in self.answers) / self.seconds

    def ttft_s(self, percent: int) -> float:
        return percentile([answer.ttft_s for answer in self.answers], percent)


def percentile(values: Sequence[float], percent: int) -> float:
    """The value below which so many percent lie."""
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


async def ask_at_once(url: str, model: str, prompts: Sequence[str], tokens: int) -> Load:
    """One chat completion for each prompt, all at the same moment, greedily, of at most ``tokens`` tokens."""
    began = time.perf_counter()
    replies = await asyncio.gather(*(ask(url, model, prompt, tokens) for prompt in prompts), return_exceptions=True)
    seconds = time.perf_counter() - began
    answers = [reply for reply in replies if isinstance(reply, Served)]
    lost = [f"{type(reply).__name__}: {reply}" for reply in replies if isinstance(reply, BaseException)]
    return Load(answers, lost, seconds)


async def ask(url: str, model: str, prompt: str, tokens: int) -> Served:
    """One streamed answer.

    Raises:
        RequestLost: it did not come whole, or not within :data:`TIMEOUT_S`.
    """
    body = {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": tokens,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    try:
        return await asyncio.wait_for(_ask(url, body), TIMEOUT_S)
    except (OSError, TimeoutError, ValueError, KeyError, asyncio.IncompleteReadError) as exc:
        raise RequestLost(f"{type(exc).__name__}: {exc}") from exc


async def _ask(url: str, body: dict[str, Any]) -> Served:
    where = urlsplit(url)
    payload = json.dumps(body).encode()
    head = (
        f"POST {where.path.rstrip('/')}/chat/completions HTTP/1.1\r\nHost: {where.netloc}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\nConnection: close\r\n\r\n"
    )
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    try:
        writer.write(head.encode() + payload)
        status = (await reader.readline()).decode().strip()
        if " 200 " not in f"{status} ":
            rest = (await reader.read(4096)).decode(errors="replace")
            raise RequestLost(f"{status}: {rest[-300:]}")
        return await _read(reader, began)
    finally:
        writer.close()


async def _read(reader: asyncio.StreamReader, began: float) -> Served:
    """The stream up to its end; lines of the chunked encoding are passed over.

    Not every server tells usage, or ends with ``[DONE]``: pieces count as tokens then, and a finish reason as the end.
    """
    first: float | None = None
    tokens, pieces, is_finished = 0, 0, False
    while line := await reader.readline():
        if not line.startswith(b"data: "):
            continue
        if line.startswith(b"data: [DONE]"):
            break
        chunk = json.loads(line[6:])
        if "error" in chunk:
            raise RequestLost(str(chunk["error"])[:300])
        if (usage := chunk.get("usage")) is not None:
            tokens = usage["completion_tokens"]
        for choice in chunk.get("choices", ()):
            is_finished |= choice.get("finish_reason") is not None
            if choice["delta"].get("content"):
                pieces += 1
                first = first or time.perf_counter()
    if first is None or not is_finished:
        raise RequestLost("it ended without text" if first is None else "the stream stopped before its end")
    return Served(first - began, time.perf_counter() - began, tokens or pieces)
