"""What a model process tells the app, and when."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest

from multi_llm_comparator.core.events import Event, Finished, TextDelta
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.inferencers.base import Engine
from multi_llm_comparator.services import worker as worker_module
from multi_llm_comparator.services.wire import Channel, decode
from multi_llm_comparator.services.worker import Worker, run_aside


class Typist(Engine):
    """Writes four tokens, one a step, and ends."""

    info: ClassVar[dict[str, Any]] = {}

    def __init__(self) -> None:
        self.written = 0
        self.is_over = False

    @property
    def is_busy(self) -> bool:
        return not self.is_over

    def submit(self, request: GenerationRequest) -> None:
        raise AssertionError("nobody asks")

    def cancel(self, request_id: str) -> None:
        raise AssertionError("nobody stops")

    def set_threads(self, n_threads: int) -> None:
        raise AssertionError("nobody shares")

    def set_slots(self, n_slots: int) -> None:
        raise AssertionError("nobody asks for more")

    def step(self) -> list[Event]:
        if self.written == 4:
            self.is_over = True
            return [Finished(request_id="r", reason="stop", prompt_tokens=1, completion_tokens=4)]
        self.written += 1
        return [TextDelta(request_id="r", text=f"{self.written} ", tokens=self.written)]

    def close(self) -> None:
        self.is_over = True


@contextmanager
def told_by(engine: Engine) -> Iterator[list[list[dict[str, Any]]]]:
    """The messages of a worker that has nothing to do but this."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    with ours, theirs:
        worker = Worker(Channel(ours))
        worker._engine = engine
        while engine.is_busy:
            worker._step()
        ours.shutdown(socket.SHUT_WR)
        data = b"".join(iter(lambda: theirs.recv(1 << 16), b""))
        yield [decode(line)["events"] for line in data.splitlines()]


def test_the_first_token_and_the_end_are_told_at_once_and_tokens_between_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker_module, "TELL_EVERY_S", 60.0)
    with told_by(Typist()) as messages:
        assert [[event.get("text") for event in events] for events in messages] == [["1 "], ["2 ", "3 ", "4 ", None]]


def test_tokens_of_a_slow_model_are_told_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "TELL_EVERY_S", 0.0)
    with told_by(Typist()) as messages:
        assert [len(events) for events in messages] == [1, 1, 1, 1, 1]


@pytest.mark.skipif(sys.platform != "linux", reason="priorities of single threads are Linux's")
def test_work_aside_goes_last_and_leaves_no_thread_and_no_priority_behind() -> None:
    seen: list[int] = []
    threads = set(threading.enumerate())
    run_aside(lambda: seen.append(os.sched_getscheduler(0)), last=True)
    run_aside(lambda: seen.append(os.sched_getscheduler(0)), last=False)
    assert seen == [os.SCHED_IDLE, os.SCHED_OTHER]
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
    assert set(threading.enumerate()) <= threads


def test_an_error_of_work_aside_reaches_whoever_wants_it_done() -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_aside(fail, last=True)
