"""The app's handle on one model process: start it, load a model, stream requests, notice when it dies or hangs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import signal
import socket
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import asdict
from typing import Any

import psutil

from multi_llm_comparator.core import clock
from multi_llm_comparator.core.embeddings import EmbedRequest
from multi_llm_comparator.core.events import ENDS, WRITTEN, Embedded, Event, Failed, Finished, Scored, event_from_dict
from multi_llm_comparator.core.exceptions import (
    InferenceError,
    ModelLoadError,
    ModelProcessDied,
    ModelProcessHung,
    ModelProcessOverLimit,
    MultiLLMError,
    error_from_name,
)
from multi_llm_comparator.core.readable import size
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.scores import ScoreRequest
from multi_llm_comparator.core.together import end_tasks
from multi_llm_comparator.core.token_requests import TokenRequest
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.time_limits import limit_behind
from multi_llm_comparator.services.child_process import (
    LOG_LINES_KEPT,
    START_TIMEOUT_S,
    Child,
    Spawn,
    collect_lines,
    start_model_process,
)
from multi_llm_comparator.services.memory_watch import WATCH_EVERY_S, used_too_much
from multi_llm_comparator.services.step_meter import StepTimes
from multi_llm_comparator.services.template import ForkedChild
from multi_llm_comparator.services.wire import MAX_LINE_BYTES, Wire, decode, encode

# What a process that has ended printed last is read within this time.
LAST_WORDS_S = 1.0
# A step takes some tenths of a second, of a huge model some seconds. A process that does not stop within this time, or
# that of a few of its longest steps, is in something without an end.
STOP_WITHIN_S = 10.0
STOP_WITHIN_STEPS = 3
# What one may ask of a model process, and the wire's word for it.
AnyRequest = GenerationRequest | ScoreRequest | TokenRequest | EmbedRequest
OPERATIONS: dict[type[AnyRequest], str] = {
    GenerationRequest: "generate",
    ScoreRequest: "score",
    TokenRequest: "tokens",
    EmbedRequest: "embed",
}
# Deaths that say "this build or machine cannot run the usual settings", as opposed to being killed from outside.
_CRASH_SIGNALS = frozenset(
    getattr(signal, name) for name in ("SIGSEGV", "SIGABRT", "SIGILL", "SIGBUS", "SIGFPE") if hasattr(signal, name)
)
_WINDOWS_CRASH = 0xC0000000

log = logging.getLogger(__name__)


class ModelProcess:
    """One child process that holds at most one model.

    Every waiting caller is told when the process ends: no request is left hanging.
    """

    def __init__(self, child: Child) -> None:
        self._child = child
        self._log: deque[str] = deque(maxlen=LOG_LINES_KEPT)
        self._requests: dict[str, asyncio.Queue[Event]] = {}
        self._loading: asyncio.Future[dict[str, Any]] | None = None
        self._preloading: asyncio.Future[None] | None = None
        self._heard_at = 0.0
        self._stopped_at: dict[str, float] = {}
        self._longest_step_s = 0.0
        self._hang_timeout_s: float | None = None
        self._max_bytes: int | None = None
        self._verdict: MultiLLMError | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._reading_log: asyncio.Task[None]
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self.has_decoded = False
        # Told how many steps of how many answers took how many seconds.
        self.on_speed: Callable[[StepTimes], None] = lambda times: None
        self.name = "model"

    @classmethod
    async def start(cls, spawn: Spawn | None = None) -> ModelProcess:
        """Start a process, by default on its own, and wait until it has said hello.

        Raises:
            ModelLoadError: it could not be started, or did not answer in time.
        """
        try:
            return await cls._start(spawn or start_model_process)
        except OSError as exc:
            reason = exc.strerror or str(exc)
            raise ModelLoadError(
                f"no model process can be started: {reason}; unload models or close other programs, then try again"
            ) from exc

    @classmethod
    async def _start(cls, spawn: Spawn) -> ModelProcess:
        token = secrets.token_hex(16)
        connected: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
        connected = asyncio.get_running_loop().create_future()

        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # Any process of this machine can connect; only ours knows the token.
            with contextlib.suppress(ValueError, ConnectionError, asyncio.IncompleteReadError):
                hello = decode(await asyncio.wait_for(reader.readline(), START_TIMEOUT_S))
                if secrets.compare_digest(str(hello.get("token")), token) and not connected.done():
                    connected.set_result((reader, writer))
                    return
            writer.close()

        server = await asyncio.start_server(greet, "127.0.0.1", 0, limit=MAX_LINE_BYTES)
        try:
            self = cls(await spawn(server.sockets[0].getsockname()[1], token))
            assert self._child.stdout is not None
            self._reading_log = asyncio.create_task(collect_lines(self._child.stdout, self._log))
            self._tasks.append(self._reading_log)
            self._reader, self._writer = await self._first(connected)
        finally:
            server.close()
        # Tokens are small messages that must not wait for company.
        with contextlib.suppress(OSError):
            self._writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._tasks.append(asyncio.create_task(self._listen()))
        return self

    async def _first(
        self, connected: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        ended = asyncio.ensure_future(self._child.wait())
        try:
            waited: set[asyncio.Future[Any]] = {connected, ended}
            await asyncio.wait(waited, timeout=START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
            if connected.done():
                return connected.result()
            self.kill()
            raise ModelLoadError(f"a model process did not start{self._last_words()}")
        except asyncio.CancelledError:
            self.kill()
            raise
        finally:
            ended.cancel()

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def template(self) -> int | None:
        """The process that this one was forked from, and shares memory with; None if it was started on its own."""
        return self._child.template if isinstance(self._child, ForkedChild) else None

    @property
    def is_alive(self) -> bool:
        return self._child.returncode is None and self._verdict is None

    async def preload(self, engine: str) -> None:
        """Have the process import what an engine needs, as the last of all processes, and wait until it has.

        Raises:
            ModelProcessDied: it ended meanwhile.
        """
        self._preloading = asyncio.get_running_loop().create_future()
        self._send({"op": "preload", "engine": engine})
        if self._verdict:
            raise self._verdict
        await self._preloading

    async def load(
        self, name: str, engine: str, path: str, options: LoadOptions, *, timeout_s: float, max_bytes: int | None = None
    ) -> dict[str, Any]:
        """Load a model; returns ``{"info": ..., "seconds": ...}``.

        ``max_bytes`` of RAM are the most that the process may take, now and later.

        Raises:
            ModelLoadError: the engine refused it, with its reason.
            ModelProcessDied: the process crashed meanwhile.
            ModelProcessOverLimit: it took more memory or time than it may, and has been killed.
            ModelProcessHung: not loaded within ``timeout_s``; the process has been killed.
        """
        self.name, self._max_bytes = name, max_bytes
        self._tasks.append(asyncio.create_task(self._watch()))
        self._loading = asyncio.get_running_loop().create_future()
        self._send({"op": "load", "engine": engine, "path": path, "options": asdict(options)})
        if self._verdict:
            raise self._verdict
        try:
            return await asyncio.wait_for(asyncio.shield(self._loading), timeout_s)
        except TimeoutError:
            why = f"loading {name!r} took longer than {timeout_s:g} s and was given up; raise load_timeout_s"
            self._end(ModelProcessHung(why))
            raise self._verdict or ModelProcessHung(name) from None
        finally:
            if self._loading.done() and not self._loading.cancelled():
                self._loading.exception()
            self._loading = None

    async def generate(self, request: AnyRequest) -> AsyncGenerator[Event, None]:
        """Stream one request's events. Closing the iterator cancels it within one decode step."""
        if not self._requests:
            # Silence counts from here: an idle process has nothing to say.
            self._heard_at = clock.now()
        events: asyncio.Queue[Event] = asyncio.Queue()
        self._requests[request.id] = events
        finished = False
        try:
            self._send({"op": OPERATIONS[type(request)], "request": request.to_dict()})
            if self._verdict:
                raise self._verdict
            while not finished:
                event = await events.get()
                finished = isinstance(event, ENDS)
                yield event
        finally:
            is_told_of = self._requests.pop(request.id, None) is not None
            if not finished:
                if is_told_of:
                    self._stopped_at[request.id] = clock.now()
                self._send({"op": "cancel", "id": request.id})

    def set_threads(self, n_threads: int) -> None:
        self._send({"op": "threads", "n": n_threads})

    def set_slots(self, n_slots: int) -> None:
        self._send({"op": "slots", "n": n_slots})

    def watch(self, hang_timeout_s: float) -> None:
        """Kill the process when it has requests but makes no step for ``hang_timeout_s``."""
        self._hang_timeout_s = hang_timeout_s

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._child.kill()

    async def close(self) -> None:
        """Kill the process and wait until its memory is free."""
        self.kill()
        await self._child.wait()
        await end_tasks(*self._tasks)
        if hasattr(self, "_writer"):
            self._writer.close()
        self._end(ModelProcessDied(f"the process of {self.name!r} was closed; ask again, it will be reloaded"))

    @property
    def crashed(self) -> bool:
        """Whether the process ended by a fault of its own (a segfault, an abort) rather than by being killed."""
        code = self._child.returncode
        if code is None:
            return False
        return -code in _CRASH_SIGNALS or code >= _WINDOWS_CRASH

    def _send(self, message: Wire) -> None:
        if self._verdict is None and not self._writer.is_closing():
            line = encode(message)
            if len(line) > MAX_LINE_BYTES:
                raise InferenceError(f"a prompt of {size(len(line))} is too large; shorten it")
            self._writer.write(line)

    async def _listen(self) -> None:
        try:
            while line := await self._reader.readline():
                heard_at = clock.now()
                if self._requests:
                    self._longest_step_s = max(self._longest_step_s, heard_at - self._heard_at)
                self._heard_at = heard_at
                self._dispatch(decode(line))
        except ConnectionError:
            pass
        except (ValueError, KeyError, TypeError, MultiLLMError) as exc:
            # A checkpoint's own code may have run in there: nothing it says is trusted to be well formed.
            self._end(
                ModelProcessDied(
                    f"the process of {self.name!r} sent something unreadable and was ended: {exc}; ask again, it will "
                    "be reloaded"
                )
            )
        await self._child.wait()
        await asyncio.wait({self._reading_log}, timeout=LAST_WORDS_S)
        self._end(self._crash_report())

    def _dispatch(self, message: Wire) -> None:
        match message["op"]:
            case "events":
                for data in message["events"]:
                    event = event_from_dict(data)
                    self.has_decoded |= isinstance(event, (*WRITTEN, Finished, Scored, Embedded))
                    if isinstance(event, ENDS):
                        self._stopped_at.pop(event.request_id, None)
                    if queue := self._requests.get(event.request_id):
                        queue.put_nowait(event)
                        if isinstance(event, ENDS):
                            # Nothing more is due, however long the reader takes over it: silence is no hang then.
                            del self._requests[event.request_id]
            case "speed":
                self.on_speed({int(rows): (int(steps), float(spent)) for rows, steps, spent in message["times"]})
            case "preloaded" if self._preloading and not self._preloading.done():
                self._preloading.set_result(None)
            case "loaded" if self._loading and not self._loading.done():
                self._loading.set_result({"info": message["info"], "seconds": message["seconds"]})
            case "load_failed" if self._loading and not self._loading.done():
                self._loading.set_exception(error_from_name(message["type"], message["message"]))

    async def _watch(self) -> None:
        """End the process when it takes too much memory, does not stop when told, or makes no step."""
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            while self._verdict is None:
                await asyncio.sleep(WATCH_EVERY_S)
                if self._requests or self._loading or self._stopped_at:
                    verdict = self._too_large(process.memory_info().rss) or self._unstoppable() or self._silent()
                    if verdict is not None:
                        log.warning("%s", verdict)
                        self._end(verdict)

    def _too_large(self, used_bytes: int) -> MultiLLMError | None:
        if self._max_bytes is None or used_bytes <= self._max_bytes:
            return None
        doing = "it was being loaded" if self._loading else "it answered"
        said = used_too_much(f"the process of {self.name!r}", used_bytes, self._max_bytes, doing)
        return ModelProcessOverLimit(
            f"{said}; choose a shorter context or fewer requests at once, raise max_memory_gb, or fetch the model from "
            "somebody you trust: its files may ask for more than they need"
        )

    def _unstoppable(self) -> MultiLLMError | None:
        patience_s = max(STOP_WITHIN_S, STOP_WITHIN_STEPS * self._longest_step_s)
        if not self._stopped_at or clock.now() - min(self._stopped_at.values()) < patience_s:
            return None
        return ModelProcessHung(
            f"the process of {self.name!r} did not stop within {patience_s:.3g} s of being told and was ended, and "
            "its other answers with it; ask again, it will be reloaded"
        )

    def _silent(self) -> MultiLLMError | None:
        silent_s = clock.now() - self._heard_at
        if not self._requests or self._hang_timeout_s is None or silent_s <= self._hang_timeout_s:
            return None
        return ModelProcessHung(
            f"{self.name!r} made no step for {silent_s:.0f} s and was stopped; try again, it will be reloaded"
        )

    def _end(self, verdict: MultiLLMError) -> None:
        """Tell everybody who waits; the first verdict stands."""
        if self._verdict is None:
            self._verdict = verdict
            self.kill()
        for waiting in (self._loading, self._preloading):
            if waiting and not waiting.done():
                waiting.set_exception(self._verdict)
        for request_id, queue in self._requests.items():
            queue.put_nowait(Failed.of(request_id, self._verdict))

    def _crash_report(self) -> MultiLLMError:
        code = self._child.returncode
        if (limit := limit_behind(code)) is not None:
            return ModelProcessOverLimit(
                f"the {limit.work} of {self.name!r} took more than {limit.seconds:g} s of processor time for one "
                "prompt and its process was ended; shorten the prompt, or fetch the model from somebody you trust"
            )
        how = f"ended with code {code}"
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                how = f"was ended by {signal.Signals(-code).name}"
        return ModelProcessDied(
            f"the process of {self.name!r} {how}; try again, it will be restarted{self._last_words()}"
        )

    def _last_words(self) -> str:
        words = " | ".join(list(self._log)[-3:])
        return f" (its last words: {words[-500:]})" if words else ""
