"""An OpenAI-compatible HTTP server that does what its script says: answers, delays, refuses, cuts, babbles or hangs.

Written on bare sockets so that it can break HTTP in the ways that real endpoints do. Run as a program it serves
answers on the port given as its argument, for the benchmark.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal[
    "answer", "status", "hang", "hang_after_text", "cut", "cut_early", "no_end", "bad_json", "no_chunk", "refuse", "raw"
]


# What a client shows it; the server takes any.
KEY = "sk-very-secret-key-123456"


@dataclass
class Act:
    """One answer. ``cut`` ends the connection in the middle of the text, ``cut_early`` before any of it.

    ``raw`` sends ``payload`` as it is, after a status line and ``headers``.
    """

    kind: Kind = "answer"
    text: str = "hello world"
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    delay_s: float = 0.0
    piece_delay_s: float = 0.0
    usage: tuple[int, int] | None = (7, 2)
    finish_reason: str = "stop"
    reasoning: str = ""
    payload: bytes = b""


@dataclass
class Received:
    """One request as it came."""

    model: str
    body: dict[str, Any]
    headers: dict[str, str]


class ScriptedServer:
    """``async with ScriptedServer() as server``: a request takes the next act of its model, or the ``usual`` one."""

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self._scripts: dict[str, deque[Act]] = defaultdict(deque)
        self.usual: dict[str, Act] = {}
        self.choose: Callable[[str], Act] | None = None
        self.received: list[Received] = []
        self.open_streams = 0
        self.most_open_streams = 0
        self.closed_early = asyncio.Event()
        self.models_status = 200
        self.models: Act | None = None
        self.keeps_requests = True
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def script(self, model: str, *acts: Act) -> None:
        self._scripts[model].extend(acts)

    def count(self, model: str) -> int:
        return sum(r.model == model for r in self.received)

    async def __aenter__(self) -> ScriptedServer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, backlog=2048)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            self.closed_early.set()
        except asyncio.CancelledError:
            # The server closes; a task of asyncio's streams that ends cancelled is logged as an error.
            return
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
        raw = await reader.readexactly(int(headers.get("content-length", 0)))
        if head[0].startswith("GET") and self.models is not None:
            return await self._act(self.models, writer, asyncio.Future())
        if head[0].startswith("GET"):
            _send_json(writer, self.models_status, {"object": "list", "data": []}, {})
            return True
        body = json.loads(raw)
        model = body["model"]
        if self.keeps_requests:
            self.received.append(Received(model, body, headers))
        script = self._scripts.get(model)
        act = script.popleft() if script else self.choose(model) if self.choose else self.usual.get(model, Act())
        self.open_streams += 1
        self.most_open_streams = max(self.most_open_streams, self.open_streams)
        watcher = asyncio.ensure_future(self._watch_for_close(reader))
        try:
            return await self._act(act, writer, watcher)
        finally:
            self.open_streams -= 1
            watcher.cancel()

    async def _watch_for_close(self, reader: asyncio.StreamReader) -> None:
        """A client that goes away while we speak is worth knowing; the client sends nothing while it listens."""
        while not reader.at_eof():
            await asyncio.sleep(0.005)
        self.closed_early.set()

    async def _act(self, act: Act, writer: asyncio.StreamWriter, gone: asyncio.Future[None]) -> bool:
        if act.delay_s:
            await asyncio.sleep(act.delay_s)
        if act.kind == "refuse":
            return False
        if act.kind == "hang":
            await gone
            return False
        if act.kind == "status":
            _send_json(writer, act.status, {"error": act.error or {"message": f"scripted {act.status}"}}, act.headers)
            return True
        if act.kind == "raw":
            more = "".join(f"{name}: {value}\r\n" for name, value in act.headers.items())
            writer.write(f"HTTP/1.1 {act.status} Scripted\r\nConnection: close\r\n{more}\r\n".encode() + act.payload)
            await writer.drain()
            return False
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        if act.kind == "cut_early":
            await writer.drain()
            return False
        if act.kind == "bad_json":
            _send_event(writer, '{"choices": [{"delta": {"content"')
        elif act.kind == "no_chunk":
            _send_event(writer, '{"choices": [{"delta": {"content": {"a": 1}}}]}')
        for thought in act.reasoning.split():
            _send_event(writer, json.dumps(_chunk(thought, field="reasoning_content")))
        pieces = act.text.split(" ")
        for number, piece in enumerate(pieces):
            if act.piece_delay_s:
                await asyncio.sleep(act.piece_delay_s)
            text = piece if number == len(pieces) - 1 else piece + " "
            _send_event(writer, json.dumps(_chunk(text)))
            await writer.drain()
            if number == 0 and act.kind == "cut":
                return False
            if number == 0 and act.kind == "hang_after_text":
                await gone
                return False
        if act.kind != "no_end":
            _send_event(writer, json.dumps(_chunk("", act.finish_reason)))
        if act.usage is not None:
            prompt, completion = act.usage
            usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
            _send_event(
                writer, json.dumps({"id": "x", "object": "chat.completion.chunk", "choices": [], "usage": usage})
            )
        _send_event(writer, "[DONE]")
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True


def _chunk(text: str, finish_reason: str | None = None, field: str = "content") -> dict[str, Any]:
    choice = {"index": 0, "delta": {field: text} if text else {}, "finish_reason": finish_reason}
    return {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}


def _send_event(writer: asyncio.StreamWriter, data: str) -> None:
    line = f"data: {data}\n\n".encode()
    writer.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")


def _send_json(writer: asyncio.StreamWriter, status: int, data: Any, headers: dict[str, str]) -> None:
    body = json.dumps(data).encode()
    more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status} Scripted\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    writer.write(head.encode() + body)


async def _serve_forever(port: int) -> None:
    server = ScriptedServer(port)
    server.keeps_requests = False
    server.choose = lambda model: Act(text=" ".join(["word"] * 20), piece_delay_s=0.25)
    async with server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve_forever(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
