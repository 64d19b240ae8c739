"""Distillations as a kind of run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from multi_llm_comparator.core.callers import refuse_workspaces
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.requests import Message, TextSource
from multi_llm_comparator.runs.exporting import Exports
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.runs.task_kind import TaskRunKind
from multi_llm_comparator.runs.task_run import new_run_id
from multi_llm_comparator.tracking.records import ItemRecord, RunRecord
from multi_llm_comparator.training.data.distill import DistilledAnswer, DistillOptions, DistillPrompt, training_file
from multi_llm_comparator.training.data.distillation import KIND, SCHEMA_VERSION, Distillation, DistillationSnapshot

export_distillation = Exports[DistillationSnapshot]("a distillation", jsonl=lambda run, _: training_file(run.pairs))


class DistillationRegistry(TaskRunKind[Distillation]):
    """Has models answer prompts, as a kind of run.

    Args:
        runs: where runs live; this kind is made known to it.
        source: what answers.
    """

    name, page, exports, run_class = KIND, "tune", export_distillation, Distillation

    def __init__(self, runs: RunRegistry, source: TextSource) -> None:
        super().__init__(runs)
        self._source = source

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
        return await self.begun(Distillation(self._source, options, prompts, run_id=new_run_id(), title=title))

    def restored(self, record: RunRecord, items: Sequence[ItemRecord]) -> Distillation:
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
            run.error, run.ended_at = str(document["error"]) or None, document["ended_at"]
            for item in items:
                if item.key in run.answers:
                    run.answers[item.key] = replace(DistilledAnswer(), **item.record)
        except (ValueError, KeyError, TypeError) as exc:
            raise DocumentError(
                f"run {record.id!r} cannot be read: {exc}; open it with the version that wrote it"
            ) from exc
        run.created_at, run.state = record.created_at, record.status  # type: ignore[assignment]
        return run
