"""Questions to an engine, and what comes of them: what most tests of it begin with."""

from __future__ import annotations

from typing import Any

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import TextDelta
from multi_llm_comparator.core.requests import GenerationRequest, Message

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
