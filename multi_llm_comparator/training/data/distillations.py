"""Distillations as a kind of run."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace

from multi_llm_comparator.core.callers import refuse_workspaces
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.core.requests import Message, TextSource
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.records import ItemRecord, RunRecord
from multi_llm_comparator.training.data.distill import DistilledAnswer, DistillOptions, DistillPrompt, training_line
from multi_llm_comparator.training.data.distillation import KIND, SCHEMA_VERSION, Distillation


class DistillationRegistry:
    """Has models answer prompts, as a kind of run.

    Args:
        runs: where runs live; this kind is made known to it.
        source: what answers.
    """

    name, page, formats = KIND, "tune", ("jsonl",)

    def __init__(self, runs: RunRegistry, source: TextSource) -> None:
        self.runs, self._source = runs, source
        runs.register(self)

    async def start(
        self, prompts: Sequence[DistillPrompt], options: DistillOptions, *, title: str = ""
    ) -> Distillation:
        """Have prompts answered; returns at once with the run at work.

        Raises:
            DocumentError: there are no prompts.
            InvalidParameterError: the parameters are none of a model's, or out of their range.
        """
        refuse_workspaces("start jobs")
        if not prompts:
            raise DocumentError("there are no prompts to answer")
        ModelConfig.from_dict(options.parameters).validate()
        run = Distillation(self._source, options, prompts, run_id=uuid.uuid4().hex[:12], title=title)
        run.recorder = self.runs.recorder(run)
        run.begin()
        self.runs.adopt(run)
        return run

    async def get(self, run_id: str) -> Distillation:
        """See :meth:`RunRegistry.get`."""
        return await self.runs.get(run_id, Distillation)

    async def export(self, run_id: str, format: str, language: Language) -> bytes:
        """The answers that are used, as a training file."""
        found = (await self.get(run_id)).snapshot()
        pairs = ((prompt, found.answers[prompt.key]) for prompt in found.prompts if prompt.key in found.answers)
        lines = [training_line(prompt, answer) for prompt, answer in pairs if answer.is_used(only_reviewed=False)]
        return "".join(lines).encode("utf-8", "replace")

    def restore(self, record: RunRecord, items: Sequence[ItemRecord]) -> Distillation:
        try:
            if record.schema_version > SCHEMA_VERSION:
                raise ValueError("a newer version wrote it")
            document = record.document
            prompts = [
                DistillPrompt(key, tuple(Message(role, content) for role, content in messages))
                for key, messages in document["prompts"]
            ]
            options = DistillOptions.model_validate(document["options"])
            run = Distillation(self._source, options, prompts, run_id=record.id, title=document["title"])
            run.error, run.ended_at = str(document["error"]), document["ended_at"]
            for item in items:
                if item.key in run.answers:
                    run.answers[item.key] = replace(DistilledAnswer(), **item.record)
        except (ValueError, KeyError, TypeError) as exc:
            raise DocumentError(
                f"run {record.id!r} cannot be read: {exc}; open it with the version that wrote it"
            ) from exc
        run.created_at, run.state = record.created_at, record.status  # type: ignore[assignment]
        run.recorder = self.runs.recorder(run, record)
        return run
