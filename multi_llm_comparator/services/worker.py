"""The model process: holds one model and decodes for all its requests in one loop.

Started by :mod:`services.model_process` with ``python -m``; talks over :mod:`services.wire`. Everything in here is
plain synchronous code.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.embeddings import EmbedRequest
from multi_llm_comparator.core.events import (
    Embedded,
    Event,
    Failed,
    Scored,
    TextDelta,
    ThoughtDelta,
    Tokenized,
    event_to_dict,
)
from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.core.garbage import pass_over_what_is_loaded
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.scores import ScoreRequest
from multi_llm_comparator.core.token_requests import TokenRequest
from multi_llm_comparator.inferencers import time_limits
from multi_llm_comparator.inferencers.base import Engine, LoadOptions
from multi_llm_comparator.inferencers.registry import open_engine, preload
from multi_llm_comparator.services.step_meter import StepMeter
from multi_llm_comparator.services.wire import TOKEN_VARIABLE, Channel, Wire

if TYPE_CHECKING:
    from multi_llm_comparator.inferencers.adapted_scorers import AdaptedScorers
    from multi_llm_comparator.inferencers.embedder import Embedder

# The page must answer while four models load or write. Whoever waits for a model that loads waits longer the more
# others write meanwhile: so it goes before those. Both are beyond the app's own niceness.
LOADING_NICENESS, WRITING_NICENESS = 1, 5
# A busy process that has nothing to tell says so this often, so that it is not taken for hung.
ALIVE_EVERY_S = 1.0
# Further tokens of answers under way are told together, so often. Waking the app for each one takes a core from the
# threads that decode; a reader sees no difference.
TELL_EVERY_S = 0.02

log = logging.getLogger(__name__)


class Worker:
    """Obeys the app between two decode steps."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._engine: Engine | None = None
        self._scorer: AdaptedScorers | None = None
        self._embedder: Embedder | None = None
        self._told_at = 0.0
        self._meter = StepMeter(time.monotonic())
        self._untold: list[Event] = []

    def serve(self) -> None:
        """Run until the app closes the connection."""
        try:
            while True:
                for message in self._channel.receive(wait=not self._is_busy):
                    self._obey(message)
                if self._is_busy:
                    self._step()
        except (EOFError, ConnectionError):
            return
        finally:
            if self._scorer is not None:
                self._scorer.close()
            if self._embedder is not None:
                self._embedder.close()
            if self._engine is not None:
                self._engine.close()

    @property
    def _is_busy(self) -> bool:
        writes = self._engine is not None and self._engine.is_busy
        scores = self._scorer is not None and self._scorer.is_busy
        return writes or scores or bool(self._untold) or (self._embedder is not None and self._embedder.is_busy)

    def _obey(self, message: Wire) -> None:
        match message["op"]:
            case "preload":
                run_aside(lambda: preload(message["engine"]), last=True)
                self._channel.send({"op": "preloaded"})
            case "load":
                self._load(message)
            case "generate" if self._engine:
                self._engine.submit(GenerationRequest.from_dict(message["request"]))
            case "score" if self._engine:
                self._score(self._engine, ScoreRequest.from_dict(message["request"]))
            case "embed" if self._engine:
                self._embed(self._engine, EmbedRequest.from_dict(message["request"]))
            case "tokens" if self._engine:
                self._untold.append(self._engine.tokens(TokenRequest.from_dict(message["request"])))
            case "cancel" if self._engine:
                self._engine.cancel(message["id"])
                if self._embedder is not None:
                    self._embedder.cancel(message["id"])
                if self._scorer is not None:
                    self._scorer.cancel(message["id"])
            case "threads" if self._engine:
                self._engine.set_threads(message["n"])
            case "slots" if self._engine:
                self._engine.set_slots(message["n"])
            case other:
                log.warning("ignored message %r", other)

    def _load(self, message: Wire) -> None:
        start = now()
        try:
            self._engine = open_engine(message["engine"], message["path"], LoadOptions.from_dict(message["options"]))
        except MultiLLMError as exc:
            self._channel.send({"op": "load_failed", "type": type(exc).__name__, "message": str(exc)})
            return
        be_nicer(WRITING_NICENESS - LOADING_NICENESS)
        pass_over_what_is_loaded()
        self._channel.send({"op": "loaded", "info": self._engine.info, "seconds": now() - start})

    def _score(self, engine: Engine, request: ScoreRequest) -> None:
        if self._scorer is None:
            from multi_llm_comparator.inferencers.adapted_scorers import AdaptedScorers

            self._scorer = AdaptedScorers(engine.open_scorer)
        self._scorer.submit(request)

    def _embed(self, engine: Engine, request: EmbedRequest) -> None:
        try:
            self._embedder = self._embedder or engine.open_embedder()
        except MultiLLMError as exc:
            failed = Failed.of(request.id, exc)
            self._untold.append(failed)
            return
        self._embedder.submit(request)

    def _step(self) -> None:
        """A step of what is being written, and one of what is being scored: neither waits for the other's end."""
        writes = self._engine is not None and self._engine.is_busy
        if self._engine is not None and writes:
            began = time.monotonic()
            events = self._engine.step()
            self._meter.note(events, time.monotonic() - began)
            self._untold += events
        if self._scorer is not None and self._scorer.is_busy:
            self._untold += self._scorer.step(is_shared=writes)
        if self._embedder is not None and self._embedder.is_busy:
            self._untold += self._embedder.step()
        since = time.monotonic() - self._told_at
        if self._untold:
            if since > TELL_EVERY_S or not all(map(_can_wait, self._untold)):
                for events in _lines_of(self._untold):
                    self._tell({"op": "events", "events": [event_to_dict(e) for e in events]})
                self._untold = []
                if times := self._meter.report(self._told_at):
                    self._tell({"op": "speed", "times": [[rows, *spent] for rows, spent in times.items()]})
        elif since > ALIVE_EVERY_S:
            self._tell({"op": "alive"})

    def _tell(self, message: Wire) -> None:
        self._told_at = time.monotonic()
        self._channel.send(message)


def _lines_of(events: list[Event]) -> list[list[Event]]:
    """What goes into one line: scores may be long, so each has a line of its own."""
    long = (Scored, Tokenized, Embedded)
    scores: list[list[Event]] = [[event] for event in events if isinstance(event, long)]
    others = [event for event in events if not isinstance(event, long)]
    return [others, *scores] if others else scores


def _can_wait(event: Event) -> bool:
    """Whether more of the same answer follows at once: its end does not wait, nor its first token."""
    return isinstance(event, TextDelta | ThoughtDelta) and event.tokens > 1


def be_nicer(by: int) -> None:
    """Let others go first, by so much more than until now. A system that knows no such thing is left alone."""
    if not hasattr(os, "setpriority"):
        return
    # To Linux each thread has its own, and those that a library has started keep what the process had then.
    threads = [int(one.name) for one in Path("/proc/self/task").iterdir()] if sys.platform == "linux" else [0]
    for thread in threads:
        # It may have ended meanwhile, and a container may allow none of this.
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + by)


def run_aside(work: Callable[[], None], *, last: bool) -> None:
    """Do ``work`` in a thread of its own, with ``last`` as the last of all processes, where the system knows that.

    An ordinary user may lower a priority but not raise it again. To Linux each thread has its own: so the rest of the
    process stays as it was.

    Raises:
        Exception: whatever ``work`` raised.
    """
    with ThreadPoolExecutor(1, initializer=_go_last if last else None) as executor:
        executor.submit(work).result()


def _go_last() -> None:
    if sys.platform == "linux":
        # A container may allow none of this.
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def die_with_parent(parent: int) -> None:
    """End this process when the app ends, however it ends.

    The closed socket does that too, but only between two steps; on Linux the kernel does it at once.
    """
    if sys.platform != "linux":
        return
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    if os.getppid() != parent:
        # The app ended before the line above took effect.
        os._exit(1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    arguments = parser.parse_args()
    settle(arguments.parent)
    serve(arguments.port, os.environ.pop(TOKEN_VARIABLE, ""))


def settle(parent: int) -> None:
    """Become a process of the app: one that ends with it, lets it go first and prints for its log."""
    die_with_parent(parent)
    # Ctrl-C in the terminal reaches the whole group; the app decides when its models end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    be_nicer(LOADING_NICENESS)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)


def serve(port: int, token: str) -> None:
    """Hold a model for the app that listens on ``port`` and knows us by ``token``, until it closes the connection."""
    time_limits.switch_on()
    with socket.create_connection(("127.0.0.1", port)) as sock:
        channel = Channel(sock)
        channel.send({"op": "hello", "token": token, "pid": os.getpid()})
        Worker(channel).serve()


if __name__ == "__main__":
    main()
