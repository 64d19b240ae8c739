"""Gateways over sources that act as a test says, without any model or file."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from typing import Any

import yaml

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import Event, Failed, Finished, Started, TextDelta
from multi_llm_comparator.core.exceptions import ProviderUnavailableError
from multi_llm_comparator.core.requests import GenerationRequest, Message, TextSource
from multi_llm_comparator.groups import Gateway, TaskGroupManager
from multi_llm_comparator.groups.redis_limits import RedisLimits

PATIENCE_S = 30.0
CONFIG = """
gateway: {retry_wait_s: 0, retry_wait_max_s: 0}
task_groups:
  fast_group:
    concurrency_limit: 50
    echelon1: {models: [a, b], max_retries: 1}
    echelon2: {models: [c], max_retries: 0}
  other_group:
    echelon1: {models: [d], max_retries: 0}
"""
DOWN = ProviderUnavailableError("the provider is down")

# What a source does with one request: an error to raise, a text to answer with, or something of its own.
Deed = Exception | str | Callable[[GenerationRequest], AsyncIterator[Event]]


class Given:
    """A loader that holds its data: what a test changes here is what the next reload reads."""

    def __init__(self, data: dict[str, Any] | str) -> None:
        self.data = yaml.safe_load(data) if isinstance(data, str) else data

    def load(self, name: str) -> dict[str, Any]:
        return dict(self.data)


class ActingSource:
    """Does the next deed of its script for a model, else the usual one, else answers with the model's name."""

    def __init__(self) -> None:
        self.scripts: dict[str, deque[Deed]] = defaultdict(deque)
        self.usual: dict[str, Deed] = {}
        self.asked: list[str] = []
        self.requests: list[GenerationRequest] = []
        self.running: Counter[str] = Counter()
        self.most_running: Counter[str] = Counter()

    def script(self, model: str, *deeds: Deed) -> None:
        self.scripts[model].extend(deeds)

    async def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        self.asked.append(target)
        self.requests.append(request)
        deed = self.scripts[target].popleft() if self.scripts[target] else self.usual.get(target, f"I am {target}")
        self.running[target] += 1
        self.most_running[target] = max(self.most_running[target], self.running[target])
        try:
            if isinstance(deed, Exception):
                raise deed
            if isinstance(deed, str):
                async for event in answer(request, deed):
                    yield event
            else:
                async for event in deed(request):
                    yield event
        finally:
            self.running[target] -= 1


async def answer(request: GenerationRequest, text: str) -> AsyncGenerator[Event, None]:
    yield Started(request_id=request.id, prompt_tokens=3)
    words = text.split(" ")
    for number, word in enumerate(words, 1):
        yield TextDelta(request_id=request.id, text=word if number == len(words) else word + " ", tokens=number)
    yield Finished(request_id=request.id, reason="stop", prompt_tokens=3, completion_tokens=len(words))


async def hang(request: GenerationRequest) -> AsyncGenerator[Event, None]:
    yield Started(request_id=request.id, prompt_tokens=3)
    await asyncio.Event().wait()


async def hang_after_text(request: GenerationRequest) -> AsyncGenerator[Event, None]:
    yield TextDelta(request_id=request.id, text="half", tokens=1)
    await asyncio.Event().wait()


def break_after_text(error: Exception) -> Deed:
    async def deed(request: GenerationRequest) -> AsyncGenerator[Event, None]:
        yield TextDelta(request_id=request.id, text="half", tokens=1)
        raise error

    return deed


class Gate:
    """A deed that answers once the test opens it."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self._entered = asyncio.Semaphore(0)

    async def has_entered(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self._entered.acquire()

    async def __call__(self, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        self._entered.release()
        await self.opened.wait()
        async for event in answer(request, "through"):
            yield event


@contextlib.asynccontextmanager
async def gateway_of(
    config: dict[str, Any] | str, folder: Path, source: TextSource | None = None, **more: Any
) -> AsyncIterator[Gateway]:
    """A gateway that is closed afterwards and then holds nothing any more."""
    gateway = Gateway(TaskGroupManager(Given(config)), source or ActingSource(), folder=folder, **more)
    try:
        yield gateway
        store = gateway.parts.controller.store
        if isinstance(store, RedisLimits):
            await store.refresh(gateway.groups.targets.levels().values())
        assert_nothing_held(gateway)
    finally:
        await gateway.aclose()


def assert_nothing_held(gateway: Gateway) -> None:
    status = gateway.get_status()
    assert status["limits"]["waiting"] == 0
    assert {key: level["active"] for key, level in status["limits"]["levels"].items() if level["active"]} == {}
    pools = status["pools"].values()
    assert [i for pool in pools for i in pool["instances"].values() if i["active"]] == []
    assert [b for b in status["breakers"].values() if b["probes"]] == []


def asking(text: str = "hi", *, run_id: str = "", images: tuple[str, ...] = (), **config: Any) -> GenerationRequest:
    return GenerationRequest(
        messages=(Message("user", text, images),), config=ModelConfig.from_dict(config), run_id=run_id
    )


async def ask(gateway: Gateway, target: str, request: GenerationRequest | None = None, **more: Any) -> list[Event]:
    async with asyncio.timeout(PATIENCE_S):
        return [event async for event in gateway.stream(target, request or asking(), **more)]


def text_of(events: list[Event]) -> str:
    return "".join(e.text for e in events if isinstance(e, TextDelta))


def of(events: list[Event], kind: type[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def failure(events: list[Event]) -> str | None:
    """Type of the error that a stream ended with; None if it ended well."""
    last = events[-1]
    assert isinstance(last, Finished | Failed), last
    return last.error_type if isinstance(last, Failed) else None
