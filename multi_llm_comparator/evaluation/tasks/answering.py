"""Asking one item: by the model's probabilities where they can be seen, else by what it writes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from multi_llm_comparator.core.asking import ask
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import (
    EmptyAnswerError,
    MultiLLMError,
    RequestRefusedError,
    UnsupportedModelError,
    error_from_name,
)
from multi_llm_comparator.core.requests import TextSource
from multi_llm_comparator.core.scores import TextScorer
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.core.together import end_tasks
from multi_llm_comparator.evaluation.tasks.base import Ask, Choose, ItemAnswer, TaskItem

# So many items are asked at once: enough to fill the batches of a model that scores.
AT_ONCE = 96


@dataclass(frozen=True, slots=True)
class Answered:
    """An item's answer and how it came about: "scored" from probabilities, "extracted" from a text that was written
    where a choice was asked for, "written" where a text was. ``error`` says why there is none."""

    item: TaskItem
    answer: ItemAnswer | None
    how: Literal["scored", "extracted", "written"]
    error: MultiLLMError | None = None


def measured_config(config: ModelConfig) -> ModelConfig:
    """The same model, its answers left to nothing: greedy, and without a penalty for what repeats."""
    return replace(
        config,
        temperature=0.0,
        repeat_penalty=1.0,
        presence_penalty=0.0,
        frequency_penalty=0.0,
        dry_multiplier=0.0,
        logit_bias=None,
        system_prompt="",
    )


async def answer_item(
    item: TaskItem, target: str, config: ModelConfig, *, text: TextSource, scorer: TextScorer | None
) -> Answered:
    """Ask ``target`` one item; a failure is in the result.

    Args:
        text: where texts are asked for.
        scorer: where scores are; None: nowhere, so that choices are looked for in texts.
    """
    request = item.request()
    how: Literal["scored", "extracted", "written"] = "written"
    try:
        if isinstance(request, Choose):
            if scorer is not None:
                # What only writes has its choice looked for in what it writes, and that is said.
                with contextlib.suppress(UnsupportedModelError):
                    return Answered(item, await scorer.score(target, request.score_request(config)), "scored")
            how, request = "extracted", request.as_ask()
        return Answered(item, await _written(request, target, config, text), how)
    except MultiLLMError as exc:
        return Answered(item, None, how, exc)


async def answer_items(
    items: Iterable[TaskItem],
    target: str,
    config: ModelConfig,
    *,
    text: TextSource,
    scorer: TextScorer | None,
) -> AsyncGenerator[Answered, None]:
    """Ask all items, so many at once; answers come as they are ready. Closing the iterator cancels what is asked."""
    waiting: set[asyncio.Task[Answered]] = set()
    left = iter(items)
    try:
        while True:
            while len(waiting) < AT_ONCE and (item := next(left, None)) is not None:
                asked = answer_item(item, target, config, text=text, scorer=scorer)
                waiting.add(asyncio.create_task(asked))
            if not waiting:
                return
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield task.result()
    finally:
        await end_tasks(*waiting)


async def _written(request: Ask, target: str, config: ModelConfig, text: TextSource) -> str:
    asked = request.generation_request(measured_config(config))
    progress = await ask(text, target, asked, AnswerProgress(requested_at=now()))
    if asked.raw and progress.error_type == RequestRefusedError.__name__:
        # Endpoints of the chat API take no text without a template.
        return await _written(request.as_message(), target, config, text)
    if progress.error_type is not None and progress.error_type != EmptyAnswerError.__name__:
        raise error_from_name(progress.error_type, progress.error or "")
    # No word is an answer too, and not the right one.
    return progress.text
