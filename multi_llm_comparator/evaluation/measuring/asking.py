"""Asking one subject one item: a text from the gateway, or the choices' probabilities from the engine."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from multi_llm_comparator.core.asking import ask
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import (
    EmptyAnswerError,
    MultiLLMError,
    RequestRefusedError,
    UnsupportedModelError,
)
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.core.requests import GenerationRequest, TextSource
from multi_llm_comparator.core.scores import ScoreRequest, ScoreResult
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.evaluation.measuring.cells import MAX_ANSWER_CHARS, MAX_PROMPT_CHARS, Cell
from multi_llm_comparator.evaluation.measuring.learnt import KnownTo
from multi_llm_comparator.evaluation.measuring.materials import Material
from multi_llm_comparator.evaluation.measuring.prompt_task import PromptSetTask
from multi_llm_comparator.evaluation.measuring.spec import Cluster, Subject
from multi_llm_comparator.evaluation.tasks.answering import measured_config
from multi_llm_comparator.evaluation.tasks.base import Ask, Choose, ItemAnswer
from multi_llm_comparator.evaluation.tasks.prompts import led_by

# Scored by another's word: a model that only writes is asked for the letter.
EXTRACTED = "this model's probabilities cannot be seen: it was asked, and its choice looked for in the answer"
AS_MESSAGE = "this endpoint takes no text without a template: it was asked in a message"


class Scorer(Protocol):
    """What tells how likely texts are to a model."""

    async def score(self, target: str, request: ScoreRequest) -> ScoreResult:
        """Raises UnsupportedModelError: the target only writes."""


class Spread(Protocol):
    """Has a cluster answer for local models."""

    def __call__(
        self, cluster: Cluster, targets: Sequence[str], here: Sources
    ) -> contextlib.AbstractAsyncContextManager[Sources]:
        """Who answers while the context is open. Raises ConfigurationError: the cluster cannot be used."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Who answers: ``texts`` what is written, ``scorer`` probabilities, where they can be seen.

    ``is_local`` tells which targets are models of this machine, ``known_to`` what tuned ones were trained on, and
    ``spread`` leads to a cluster. ``width``: so many times as much is asked at once.
    """

    texts: TextSource
    scorer: Scorer | None = None
    is_local: Callable[[str], bool] = field(default=lambda target: True)
    known_to: KnownTo | None = None
    spread: Spread | None = None
    width: int = 1


async def asked(
    sources: Sources,
    subject: Subject,
    material: Material,
    seed: int,
    progress: AnswerProgress,
    on_event: Callable[[], None],
) -> Cell:
    """The answer, scored; a failure is a cell that says why. Nothing is raised but cancellation."""
    request = request_of(material, subject.config.system_prompt)
    if isinstance(request, Choose):
        if sources.scorer is not None:
            cell = await _choice(sources.scorer, subject, material, request)
            if cell.error_type != UnsupportedModelError.__name__ or sources.is_local(subject.target):
                return cell
        return await _written(sources, subject, material, request.as_ask(), seed, progress, on_event, is_choice=True)
    return await _written(sources, subject, material, request, seed, progress, on_event)


def request_of(material: Material, system: str) -> Choose | Ask:
    """How an item is asked with a subject's system prompt: it stands in place of its set's, and before all that a
    published task says."""
    request = material.item.request()
    if not system:
        return request
    prompt = request.prompt
    if isinstance(material.task, PromptSetTask) and not isinstance(prompt, str):
        prompt = tuple(message for message in prompt if message.role != "system")
    return replace(request, prompt=led_by(prompt, system))


async def _choice(scorer: Scorer, subject: Subject, material: Material, request: Choose) -> Cell:
    begun = now()
    try:
        result = await scorer.score(subject.target, request.score_request(subject.config))
    except MultiLLMError as exc:
        return Cell(
            state="failed",
            how="scored",
            error=str(exc),
            error_type=type(exc).__name__,
            requested_at=begun,
            ended_at=now(),
        )
    cell = Cell(
        state="done",
        text=request.labels[result.best] if request.labels else request.choices[result.best],
        how=result.how,
        logprobs=result.logprobs,
        tie_nats=result.tie_nats,
        prompt=_kept(result.prompt),
        is_cut=result.truncated_tokens > 0,
        requested_at=begun,
        ended_at=now(),
        prompt_tokens=result.prefix_tokens,
        notes=result.notes,
    )
    return await scored(cell, material, result)


async def _written(
    sources: Sources,
    subject: Subject,
    material: Material,
    request: Ask,
    seed: int,
    progress: AnswerProgress,
    on_event: Callable[[], None],
    *,
    is_choice: bool = False,
) -> Cell:
    wanted = request_for(material, request, subject.config, seed)
    await ask(sources.texts, subject.target, wanted, progress, lambda _: on_event())
    if wanted.raw and progress.error_type == RequestRefusedError.__name__:
        # What was refused has left nothing but its error.
        progress.state, progress.error, progress.error_type, progress.ended_at = "queued", None, None, None
        cell = await _written(sources, subject, material, request.as_message(), seed, progress, on_event)
        return replace(cell, notes=(*cell.notes, AS_MESSAGE))
    cell = _cell_of(progress, how="extracted" if is_choice else "asked")
    if cell.error_type == EmptyAnswerError.__name__ and not isinstance(material.task, PromptSetTask):
        # To a published question no word is an answer too, and not the right one.
        cell = replace(cell, state="done", error=None, error_type=None)
    if is_choice:
        cell = replace(cell, notes=(*cell.notes, EXTRACTED))
    return await scored(cell, material, cell.text) if cell.state == "done" else cell


def request_for(material: Material, request: Ask, config: ModelConfig, seed: int) -> GenerationRequest:
    """What is asked. Own prompts are asked with the subject's parameters alone; tasks bring their own limits, and no
    penalty for what repeats: with one their numbers would be others than published."""
    seeded = replace(config, seed=config.seed if config.seed is not None else seed)
    if isinstance(material.task, PromptSetTask):
        assert not isinstance(request.prompt, str)
        return GenerationRequest(messages=request.prompt, config=seeded)
    # The system prompt stands in the request already.
    return request.generation_request(replace(measured_config(seeded), temperature=seeded.temperature))


async def scored(cell: Cell, material: Material, answer: ItemAnswer) -> Cell:
    """The cell with its task's score. In a thread: a pattern may take its time."""
    score = await asyncio.to_thread(material.task.score, material.item, answer)
    is_open = score.correct is None and isinstance(material.task, PromptSetTask)
    return replace(
        cell,
        score=None if is_open else score.value,
        correct=score.correct,
        reason=score.reason,
        extracted=score.extracted,
        is_tie=score.is_tie,
    )


def _kept(prompt: str) -> str:
    return prompt if len(prompt) <= MAX_PROMPT_CHARS else f"{prompt[:MAX_PROMPT_CHARS]}…"


def _cell_of(progress: AnswerProgress, *, how: str) -> Cell:
    is_done = progress.state == "done"
    return Cell(
        state="done" if is_done else "failed",
        text=progress.text[:MAX_ANSWER_CHARS],
        how="extracted" if how == "extracted" else "asked",
        prompt=_kept(progress.prompt),
        is_cut=progress.finish_reason == "length",
        error=None if is_done else progress.error or "the answer was cut off",
        error_type=None if is_done else progress.error_type or "InferenceError",
        requested_at=progress.requested_at,
        ended_at=progress.ended_at or now(),
        tokens=progress.tokens,
        prompt_tokens=progress.prompt_tokens,
        tokens_per_s=progress.tokens_per_second,
        is_alone=not progress.contended_by and not progress.batched_with,
        memory_bytes=progress.memory_bytes,
        load_s=progress.load_s or None,
        seed=progress.seed,
        answered_by=progress.answered_by,
        cost_usd=progress.cost_usd,
        notes=tuple(cut_line(note, 500) for note in progress.notes[:10]),
    )
