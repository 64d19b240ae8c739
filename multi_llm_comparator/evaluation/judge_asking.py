"""Asking a judge model for a verdict that can be read: parsed strictly, asked for once more if it cannot be."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from multi_llm_comparator.core.asking import ask
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.requests import GenerationRequest, Message, TextSource
from multi_llm_comparator.core.timings import AnswerProgress

TRIES = 2
T = TypeVar("T")


async def ask_judge(
    source: TextSource,
    target: str,
    config: ModelConfig,
    instruction: str,
    parse: Callable[[str], T],
    *,
    constraint: Constraint | None = None,
) -> tuple[T | None, str]:
    """What a judge says, read by ``parse``; or None, and what went wrong.

    Args:
        source: answers.
        target: the judge.
        config: how it generates.
        instruction: what it is asked.
        parse: reads its answer; raises ValueError in words that a judge can act on.
        constraint: what its answer is held to, where that can be done.
    """
    messages: tuple[Message, ...] = (Message("user", instruction),)
    error = ""
    for _ in range(TRIES):
        progress = AnswerProgress(requested_at=now())
        await ask(source, target, GenerationRequest(messages=messages, config=config, constraint=constraint), progress)
        if progress.state != "done":
            return None, progress.error or "the judge's answer was cut off"
        try:
            return parse(progress.text), ""
        except ValueError as exc:
            error = str(exc)
            again = f"That cannot be used: {error}. Write the JSON object again, and nothing else."
            messages = (*messages, Message("assistant", progress.text), Message("user", again))
    return None, error
