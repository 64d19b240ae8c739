"""Questions to an engine, and what comes of them: what most tests of it begin with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import TextDelta
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.services.inference_engine import InferenceEngine

# A busy machine may take so long to start a process.
START_TIMEOUT_S = 300
LONG = "one two three four five six seven eight nine ten " * 40


def ask(text: str = "hello there", **config: Any) -> GenerationRequest:
    return GenerationRequest(messages=(Message("user", text),), config=ModelConfig(**config))


async def collect(stream: Any) -> list[Any]:
    return [event async for event in stream]


def text_of(events: Any) -> str:
    return "".join(e.text for e in events if isinstance(e, TextDelta))


async def until_text(stream: Any) -> Any:
    async for event in stream:
        if isinstance(event, TextDelta):
            return event
    raise AssertionError("the stream ended without text")


async def until(condition: Callable[[], object]) -> None:
    """Wait until it holds; a test that waits too long fails."""
    async with asyncio.timeout(START_TIMEOUT_S):
        while not condition():
            await asyncio.sleep(0.02)


def pid_of(engine: InferenceEngine) -> int:
    """The process of the first model in memory."""
    pid = engine.loaded_models()[0].pid
    assert pid is not None
    return pid
