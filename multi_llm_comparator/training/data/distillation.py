"""A run in which a model answers prompts for another one to learn from. Answers are stored as they come."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from multi_llm_comparator.core.asking import ask
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import DocumentError, MultiLLMError
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.core.requests import GenerationRequest, OneRun, TextSource
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.runs.snapshot import RunSnapshot
from multi_llm_comparator.runs.task_run import TaskRun
from multi_llm_comparator.tracking.records import ItemRecord, RunRecord
from multi_llm_comparator.training.data.distill import DistilledAnswer, DistillOptions, DistillPrompt, Review

KIND = "distillation"
SCHEMA_VERSION = 1
MAX_TITLE_CHARS = 200
# After so many failures in a row the target is not going to answer.
MAX_FAILURES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillationSnapshot(RunSnapshot):
    """A distillation now. ``answers`` are by the prompts' keys, in their order."""

    options: DistillOptions
    prompts: tuple[DistillPrompt, ...]
    answers: Mapping[str, DistilledAnswer]

    @property
    def done(self) -> int:
        return sum(answer.state == "done" for answer in self.answers.values())

    @property
    def failed(self) -> int:
        return sum(answer.state == "failed" for answer in self.answers.values())

    @property
    def used(self) -> int:
        return sum(answer.is_used for answer in self.answers.values())

    @property
    def can_be_taken(self) -> int:
        return sum(answer.can_be_taken for answer in self.answers.values())

    def reviewed(self, *reviews: Review) -> int:
        """How many of the answers that were given were decided on in one of these ways."""
        return sum(answer.state == "done" and answer.review in reviews for answer in self.answers.values())

    @property
    def pairs(self) -> list[tuple[DistillPrompt, DistilledAnswer]]:
        return [(prompt, self.answers[prompt.key]) for prompt in self.prompts]


class Distillation(TaskRun[DistillationSnapshot, Literal[""]]):
    """Prompts being answered."""

    kind = KIND

    def __init__(
        self, source: TextSource, options: DistillOptions, prompts: Sequence[DistillPrompt], *, run_id: str, title: str
    ) -> None:
        self.id, self.options, self.prompts = run_id, options, tuple(prompts)
        self.given_title = title
        self.answers: dict[str, DistilledAnswer] = {prompt.key: DistilledAnswer() for prompt in prompts}
        self.created_at = now()
        self._positions = {prompt.key: position for position, prompt in enumerate(prompts)}
        self._source = OneRun(source, run_id)
        self._failures = 0

    @property
    def title(self) -> str:
        return self.given_title or cut_line(self.prompts[0].messages[-1].content, MAX_TITLE_CHARS)

    def frozen(self) -> DistillationSnapshot:
        return DistillationSnapshot(
            **self.head(), options=self.options, prompts=self.prompts, answers=dict(self.answers)
        )

    # --- life -------------------------------------------------------------------------------------------------------

    async def resume(self) -> None:
        self.refuse_elsewhere()
        if all(answer.state == "done" for answer in self.answers.values()):
            return
        self.error, self.ended_at = None, None
        self._enter("queued")
        self.begin()

    async def work(self) -> None:
        self._failures = 0
        self._enter("running")
        await self.save()
        waiting = iter([prompt for prompt in self.prompts if self.answers[prompt.key].state != "done"])
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self.options.concurrency, len(self.prompts))):
                    group.create_task(self._answer_all(waiting))
        except ExceptionGroup as several:
            known, unknown = several.split(MultiLLMError)
            raise (unknown or known or several).exceptions[0] from several

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
        await self._put({prompt.key: answer})

    async def _put(self, answers: Mapping[str, DistilledAnswer]) -> None:
        self.answers.update(answers)
        self.version += 1
        # Of a run that is over nobody holds the lease; writing the run itself then checks that it is as it was.
        await self._commit(*answers, run=self.is_over)

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
        edited = answer.edited if edited is None else edited
        await self._put({key: replace(answer, review=review, edited=edited)})

    async def take_unread(self) -> None:
        """Use the answers that nobody has looked at; those that come later, or have no end, are still to be decided.

        Raises:
            RunAtWorkError: another process works on the run.
        """
        await self._decide("taken", [key for key, answer in self.answers.items() if answer.can_be_taken])

    async def leave_unread(self) -> None:
        """Take that back. Raises as :meth:`take_unread`."""
        await self._decide("open", [key for key, answer in self.answers.items() if answer.review == "taken"])

    async def _decide(self, review: Review, keys: Sequence[str]) -> None:
        self.refuse_elsewhere()
        await self._put({key: replace(self.answers[key], review=review) for key in keys})

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
                "error": self.error or "",
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
        )


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
