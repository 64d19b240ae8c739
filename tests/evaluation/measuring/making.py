"""Evaluations as tests need them: a few rows, a few subjects, everything else as usual."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from typing import Any, NoReturn

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import Event, Failed, Finished, Started, TextDelta
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.evaluation.measuring.cells import Cell
from multi_llm_comparator.evaluation.measuring.registry import EvaluationRegistry
from multi_llm_comparator.evaluation.measuring.run import EvaluationRun
from multi_llm_comparator.evaluation.measuring.spec import SUBJECT_IDS, EvaluationSpec, TaskChoice, checked_spec
from multi_llm_comparator.evaluation.prompt_sets import PromptSet, checked_set

Opened = Callable[..., EvaluationRegistry]
GREEDY = ModelConfig(temperature=0.0, max_tokens=64)


def no_tasks(choice: TaskChoice) -> NoReturn:
    raise AssertionError(f"nobody asked for {choice.name}")


def prompt_set(*rows: tuple[str, str] | dict[str, Any], compare: str = "exact") -> PromptSet:
    """Rows as (prompt, expected), or as the fields they have."""
    fields = [
        {"compare": compare, "prompt": row[0], "expected": row[1]} if isinstance(row, tuple) else row for row in rows
    ]
    return checked_set("a test's", name="Mine", rows=[{"id": str(n), **row} for n, row in enumerate(fields, 1)])


def evaluation(prompts: PromptSet | None, *targets: str, config: ModelConfig = GREEDY, **more: Any) -> EvaluationSpec:
    subjects: Sequence[dict[str, Any]] = [
        {"id": letter, "target": target, "config": config} for letter, target in zip(SUBJECT_IDS, targets, strict=False)
    ]
    return checked_spec(subjects=subjects, prompts=prompts, **more)


async def asked_all(registry: EvaluationRegistry, spec: Any) -> EvaluationRun:
    run = await registry.start(spec)
    async with asyncio.timeout(60):
        await run.wait()
    return run


def cell_of(run: EvaluationRun, item: int, subject: str) -> Cell:
    """What a subject said to an item, which it was asked."""
    cell = run.snapshot().cell(item, subject)
    assert cell is not None
    return cell


Say = Callable[[str, GenerationRequest], str | Failed]


class Saying:
    """Answers each request with what a function says; counts who was asked, and how many at a time."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self.asked: list[tuple[str, GenerationRequest]] = []
        self.now = self.most = 0

    async def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        self.asked.append((target, request))
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            said = self._say(target, request)
            yield Started(request_id=request.id, prompt_tokens=1, prompt=f"<s>{request.messages[-1].content}")
            await asyncio.sleep(0)
            if isinstance(said, Failed):
                yield replace(said, request_id=request.id)
                return
            yield TextDelta(request_id=request.id, text=said, tokens=1)
            yield Finished(request_id=request.id, reason="stop", prompt_tokens=1, completion_tokens=1)
        finally:
            self.now -= 1
