"""A run in which a model answers prompts for another one to learn from. Answers are stored as they come."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from multi_llm_comparator.core.asking import ask
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import DocumentError, MultiLLMError
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.core.requests import GenerationRequest, OneRun, TextSource
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.runs.task_run import TaskRun
from multi_llm_comparator.tracking.records import ACTIVE, ItemRecord, RunRecord, RunState
from multi_llm_comparator.training.data.distill import DistilledAnswer, DistillOptions, DistillPrompt, Review

KIND = "distillation"
SCHEMA_VERSION = 1
MAX_TITLE_CHARS = 200
# After so many failures in a row the target is not going to answer.
MAX_FAILURES = 10

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillationSnapshot:
    """A distillation now. ``answers`` are by the prompts' keys, in their order."""

    id: str
    title: str
    state: RunState
    options: DistillOptions
    prompts: tuple[DistillPrompt, ...]
    answers: Mapping[str, DistilledAnswer]
    error: str
    created_at: float
    ended_at: float | None
    version: int

    @property
    def done(self) -> int:
        return sum(answer.state == "done" for answer in self.answers.values())

    @property
    def failed(self) -> int:
        return sum(answer.state == "failed" for answer in self.answers.values())


class Distillation(TaskRun):
    """Prompts being answered. Everything here is changed on one event loop."""

    kind = KIND
    id: str = ""
    state: RunState = "queued"
    version: int = 0

    def __init__(
        self, source: TextSource, options: DistillOptions, prompts: Sequence[DistillPrompt], *, run_id: str, title: str
    ) -> None:
        self.id, self.options, self.prompts = run_id, options, tuple(prompts)
        self.given_title = title
        # All keys are there from the beginning: another thread may copy it at any moment.
        self.answers: dict[str, DistilledAnswer] = {prompt.key: DistilledAnswer() for prompt in prompts}
        self.created_at, self.error = now(), ""
        self.ended_at: float | None = None
        self._positions = {prompt.key: position for position, prompt in enumerate(prompts)}
        self._source = OneRun(source, run_id)
        self._failures = 0
        self.save_error: str | None = None

    @property
    def title(self) -> str:
        return self.given_title or cut_line(self.prompts[0].messages[-1].content, MAX_TITLE_CHARS)

    def snapshot(self) -> DistillationSnapshot:
        return DistillationSnapshot(
            id=self.id,
            title=self.title,
            state=self.state,
            options=self.options,
            prompts=self.prompts,
            answers=dict(self.answers),
            error=self.error,
            created_at=self.created_at,
            ended_at=self.ended_at,
            version=self.version,
        )

    # --- life -------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Answer what is not answered yet, beside the caller."""
        self.state, self.error, self.ended_at = "running", "", None
        self._failures = 0
        self.version += 1
        self.launch(self._work())

    async def resume(self) -> None:
        self.refuse_elsewhere()
        if all(answer.state == "done" for answer in self.answers.values()):
            return
        self.begin()

    async def never_began(self, state: RunState) -> None:
        await self._conclude(state)

    async def _work(self) -> None:
        state: RunState = "failed"
        try:
            await self._commit()
            await self._ask_all()
            state = "failed" if self.error else "done"
        except asyncio.CancelledError:
            state = self._ends_as
            raise
        except MultiLLMError as exc:
            self.error = str(exc)
        except ExceptionGroup as several:
            known, unknown = several.split(MultiLLMError)
            if unknown is not None:
                log.error("run %s broke", self.id, exc_info=unknown)
            first = known.exceptions[0] if known is not None and unknown is None else None
            self.error = str(first) if first else "something went wrong in the workbench; its log says what"
        except Exception:
            log.exception("run %s broke", self.id)
            self.error = "something went wrong in the workbench; its log says what"
        finally:
            await self._conclude(state)

    async def _conclude(self, state: RunState) -> None:
        self.state, self.ended_at = state, now()
        self.version += 1
        try:
            await self._commit()
        except MultiLLMError as exc:
            self.state, self.error = "failed", self.error or str(exc)

    async def _ask_all(self) -> None:
        waiting = iter([prompt for prompt in self.prompts if self.answers[prompt.key].state != "done"])
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self.options.concurrency, len(self.prompts))):
                group.create_task(self._answer_all(waiting))

    async def _answer_all(self, waiting: Any) -> None:
        for prompt in waiting:
            if self._failures >= MAX_FAILURES:
                return
            await self._answer(prompt)

    async def _answer(self, prompt: DistillPrompt) -> None:
        config = ModelConfig.from_dict(self.options.parameters)
        config.system_prompt = self.options.system_prompt
        request = GenerationRequest(messages=prompt.messages, config=config)
        progress = await ask(self._source, self.options.target, request, AnswerProgress(requested_at=now()))
        answer = _outcome(progress, self.options.target)
        self._failures = 0 if answer.state == "done" else self._failures + 1
        if self._failures >= MAX_FAILURES:
            self.error = f"{MAX_FAILURES} prompts in a row were not answered: {answer.error}"
        await self._put(prompt.key, answer)

    async def _put(self, key: str, answer: DistilledAnswer) -> None:
        self.answers[key] = answer
        self.version += 1
        if self.recorder is not None:
            # Of a run that is over nobody holds the lease; writing the run itself then checks that it is as it was.
            await self.recorder.commit(key, run=self.state not in ACTIVE)

    async def _commit(self) -> None:
        if self.recorder is not None:
            await self.recorder.commit(run=True)

    # --- review -----------------------------------------------------------------------------------------------------

    async def review(self, key: str, review: Review, edited: str | None = None) -> None:
        """What a person thinks of an answer. ``edited`` replaces its text; None leaves an earlier one as it is.

        Raises:
            DocumentError: there is no such answer yet.
            RunAtWorkError: another process works on the run.
        """
        self.refuse_elsewhere()
        answer = self.answers.get(key)
        if answer is None or answer.state != "done":
            raise DocumentError(f"there is no answer {key!r} to review yet; wait until it is written")
        await self._put(key, replace(answer, review=review, edited=answer.edited if edited is None else edited))

    # --- what is stored ---------------------------------------------------------------------------------------------

    def run_record(self) -> RunRecord:
        prompts = [[prompt.key, [[m.role, m.content] for m in prompt.messages]] for prompt in self.prompts]
        return RunRecord(
            id=self.id,
            kind=KIND,
            title=self.title,
            detail=self.options.target,
            models=(self.options.target,),
            status=self.state,
            created_at=self.created_at,
            updated_at=now(),
            document={
                "options": self.options.model_dump(mode="json"),
                "prompts": prompts,
                "title": self.given_title,
                "error": self.error,
                "ended_at": self.ended_at,
            },
            schema_version=SCHEMA_VERSION,
        )

    def item_record(self, key: str) -> ItemRecord:
        answer = self.answers[key]
        return ItemRecord(
            run_id=self.id,
            key=key,
            position=self._positions[key],
            status=answer.state,
            text=answer.final,
            record=asdict(answer),
            updated_at=now(),
        )

    def note_save_error(self, message: str | None) -> None:
        self.save_error = message

    def branch(self) -> None:
        return None


def _outcome(progress: AnswerProgress, target: str) -> DistilledAnswer:
    if progress.state != "done":
        return DistilledAnswer(state="failed", error=progress.error or "it was stopped")
    return DistilledAnswer(
        state="done",
        text=progress.text,
        is_cut=progress.finish_reason == "length",
        tokens=progress.tokens,
        answered_by=progress.answered_by or target,
    )
