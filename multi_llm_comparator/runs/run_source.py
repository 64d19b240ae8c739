"""Runs as a source of text: a question is answered by a run of its own, whose progress is told on the way."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from multi_llm_comparator.core.events import Cost, Event, Failed, Finished, Started, TextDelta
from multi_llm_comparator.core.exceptions import InferenceError, MultiLLMError
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.run_events import Progressed, RunBegan, RunMeasured
from multi_llm_comparator.runs.task_kind import TaskRunKind
from multi_llm_comparator.runs.task_run import TaskRun

POLL_S = 0.1
# Of a line of progress.
MAX_LINE_CHARS = 200

R = TypeVar("R", bound=TaskRun[Any, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAnswer:
    """What a run came to; ``text`` is None where that is nothing. ``figures`` are what an API tells of it."""

    text: str | None
    prompt_tokens: int
    tokens: int
    cost_usd: float | None
    figures: dict[str, Any]


class RunSource(ABC, Generic[R]):
    """A :class:`core.requests.TextSource`.

    Args:
        kind: where its runs live.
    """

    def __init__(self, kind: TaskRunKind[R]) -> None:
        self._kind = kind

    @abstractmethod
    async def started(self, target: str, request: GenerationRequest) -> R:
        """The run that answers, at work. Raises MultiLLMError: the request cannot be answered so."""

    @abstractmethod
    def story(self, run: R) -> Iterable[tuple[str, str]]:
        """What is to be told of the run up to now: lines, each with a mark by which it is told once."""

    @abstractmethod
    def answer_of(self, run: R) -> RunAnswer:
        """What a run that is over came to."""

    def progressed(self, request_id: str, line: str) -> Event:
        """A line of the story, as an event."""
        return Progressed(request_id=request_id, text=line)

    async def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        """The events of the answer: the last one is Finished or Failed, nothing is raised. Closing the iterator stops
        the run and all that it asks."""
        try:
            run = await self.started(target, request)
        except MultiLLMError as exc:
            yield Failed.of(request.id, exc)
            return
        try:
            async with contextlib.aclosing(self._followed(run, request)) as events:
                async for event in events:
                    yield event
        finally:
            if run.is_at_work:
                await self._kind.runs.stop(run.id)

    async def _followed(self, run: R, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        request_id, blind = request.id, request.notes(is_free=False, is_promised=True, is_blind=True)
        yield Started(request_id=request_id, prompt_tokens=0, notes=blind)
        yield RunBegan(request_id=request_id, run_id=run.id)
        told: set[str] = set()
        ended = asyncio.ensure_future(run.wait())
        try:
            while not ended.done():
                for line in self._news(run, told):
                    yield self.progressed(request_id, line)
                await asyncio.wait({ended}, timeout=POLL_S)
        finally:
            ended.cancel()
        for line in self._news(run, told):
            yield self.progressed(request_id, line)
        found = self.answer_of(run)
        if found.text is None:
            error = (run.error_type or InferenceError.__name__) if run.state == "failed" else "AnswerInterrupted"
            message = run.error or f"the {run.kind} was {run.state}"
            yield Failed(request_id=request_id, error_type=error, message=f"{message} (run {run.id})")
            return
        read, written = found.prompt_tokens, found.tokens
        yield TextDelta(request_id=request_id, text=found.text, tokens=written)
        yield RunMeasured(request_id=request_id, kind=run.kind, figures=found.figures)
        yield Cost(
            request_id=request_id,
            model="",
            prompt_tokens=read,
            completion_tokens=written,
            usd=found.cost_usd,
            priced_by="",
        )
        yield Finished(request_id=request_id, reason="stop", prompt_tokens=read, completion_tokens=written)

    def _news(self, run: R, told: set[str]) -> list[str]:
        """What has not been told yet."""
        lines = [(mark, line) for mark, line in self.story(run) if mark not in told]
        told |= {mark for mark, _ in lines}
        return [f"{line}\n" for _, line in lines]
